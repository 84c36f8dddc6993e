"""Native rows: threads as lists of operations, interpreted without Python. See rows.pxd; program.py reads their text."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memset
from minikvm.check.explorer cimport XR_ENDED, XR_OK, XR_BLOCKED, live_valid, mk_explorer, x_note, x_step
from minikvm.check.graph cimport EV_SYNC, EV_WRITE, INIT, TH_ENDED, TH_JOINING, event

cdef enum:
    STEPS = 1000000  # of one run of one thread, before it is called endless

cdef extern from *:
    int __builtin_ctzll(unsigned long long) noexcept nogil

CONDITIONS = {
    "==": 0, "!=": 1, "<": 2, ">": 3, "+": 4, "-": 5, "&": 6, "|": 7, "^": 8, "*": 9, "<<": 10, ">>": 11, "s<": 12, "s<=": 13,
}  # fmt: skip
"""By code. s: of signed numbers, which the others are not."""


class BadAddress(RuntimeError):
    """A thread used a number as an address that is nobody's. thread; row: the number of its row, labels not counted; value."""

    def __init__(self, thread, row, value):
        super().__init__(f"thread {thread}, statement {row}: {value} is no location's address")
        self.thread = thread
        self.row = row
        self.value = value


cdef inline uint64_t calculate(int cond, uint64_t a, uint64_t b) noexcept nogil:
    if cond == 0:
        return a == b
    if cond == 1:
        return a != b
    if cond == 2:
        return a < b
    if cond == 3:
        return a > b
    if cond == 4:
        return a + b
    if cond == 5:
        return a - b
    if cond == 6:
        return a & b
    if cond == 7:
        return a | b
    if cond == 8:
        return a ^ b
    if cond == 9:
        return a * b
    if cond == 10:
        return a << (b & 63)
    if cond == 11:
        return <uint64_t>(<int64_t>a >> (b & 63))
    if cond == 12:
        return <int64_t>a < <int64_t>b
    return <int64_t>a <= <int64_t>b


cdef uint64_t dependencies(const row_thread *th, int32_t index, uint64_t regs) noexcept nogil:
    """The events that gave these registers their values, as a mask of distances (see event.addr)."""
    cdef uint64_t mask = 0
    cdef int32_t i, distance
    while regs:
        i = __builtin_ctzll(regs)
        regs &= regs - 1
        distance = index - 1 - th.defined[i]
        if th.defined[i] >= 0 and distance < 64:
            mask |= th.sources[i] << distance
    return mask


cdef void carry(row_thread *th, int32_t reg, uint64_t regs) noexcept nogil:
    """Give a register the sources of others."""
    cdef uint64_t left = regs
    cdef int32_t newest = -1
    while left:
        newest = max(newest, th.defined[__builtin_ctzll(left)])
        left &= left - 1
    th.sources[reg] = dependencies(th, newest + 1, regs)
    th.defined[reg] = newest


cdef int nowhere(int32_t t, int32_t row, uint64_t value) except -1 nogil:
    with gil:
        raise BadAddress(t, row, value)


cdef int patch(const row_thread *th, const row *r, mk_explorer *x, int32_t t, event *e) except -1 nogil:
    cdef uint64_t a = th.regs[r.a_reg] if r.a_reg >= 0 else r.a_imm
    cdef uint64_t at
    cdef int32_t index = x.live[t].pos
    if r.at_reg >= 0:
        at = th.regs[r.at_reg]
        e.loc = <int32_t>((at - address_of(0)) >> ADDRESS_SHIFT)
        if not 0 <= e.loc < x.g.nlocs or at != address_of(e.loc):
            nowhere(t, th.pc, at)
    if e.kind == EV_WRITE:
        e.wval = a
    else:
        e.operand = a
        e.expected = th.regs[r.b_reg] if r.b_reg >= 0 else r.b_imm
    e.addr = dependencies(th, index, r.addr_regs)
    e.data = dependencies(th, index, r.data_regs)
    e.ctrl = dependencies(th, index, r.ctrl_regs)
    return 0


cdef int join(row_thread *th, mk_explorer *x, int32_t t, int32_t other) except -1 nogil:
    cdef event e
    cdef uint64_t value = 0
    memset(&e, 0, sizeof(event))
    if x.live[t].pos >= x.g.th[t].n and x.g.th[other].status != TH_ENDED:
        x.g.th[t].status = TH_JOINING
        x.g.th[t].joins = other
        return XR_BLOCKED
    e.kind = EV_SYNC
    e.loc = -1
    e.name = b"join"
    e.operand = other
    e.rf = x.g.th[other].ev[x.g.th[other].n - 1] if x.g.th[other].n else INIT
    return x_step(x, t, &e, &value)


cdef int endless(int32_t t) except -1 nogil:
    with gil:
        raise RuntimeError(f"thread {t} has run {STEPS:,} rows without an end: an endless loop? (AWAIT waits for a value)")


cdef int run_rows(row_thread *th, mk_explorer *x, int32_t t) except -1 nogil:
    """Run a thread of rows until it must stop: a step_result."""
    cdef const row *r
    cdef event e
    cdef uint64_t value, a, b
    cdef int result
    cdef int32_t steps = 0
    if not live_valid(x, t):
        th.pc = 0
        memset(th.regs, 0, th.nregs * sizeof(uint64_t))
        memset(th.defined, 0xff, th.nregs * sizeof(int32_t))
    while th.pc < th.n:
        r = &th.rows[th.pc]
        steps += 1
        if steps > STEPS:
            endless(t)
        if r.op == ROW_EVENT:
            value = 0
            if r.patch:
                e = r.proto
                patch(th, r, x, t, &e)
                result = x_step(x, t, &e, &value)
            else:
                result = x_step(x, t, &r.proto, &value)
            if r.reg >= 0:
                th.regs[r.reg] = value
                th.defined[r.reg] = x.live[t].pos - 1
                th.sources[r.reg] = 1
            th.pc += 1
            if result != XR_OK:
                return result
            continue
        a = th.regs[r.a_reg] if r.a_reg >= 0 else r.a_imm
        b = th.regs[r.b_reg] if r.b_reg >= 0 else r.b_imm
        if r.op == ROW_SET:
            th.regs[r.reg] = a
            if r.carries:
                carry(th, r.reg, r.data_regs)
        elif r.op == ROW_CALC:
            th.regs[r.reg] = calculate(r.cond, a, b)
            if r.carries:
                carry(th, r.reg, r.data_regs)
        elif r.op == ROW_IF:
            if calculate(r.cond, a, b):
                th.pc = r.target
                continue
        elif r.op == ROW_GOTO:
            th.pc = r.target
            continue
        elif r.op == ROW_ASSERT:
            if not calculate(r.cond, a, b):
                x_note(x, t, NOTE_ASSERT, th.pc, a, 0)
        else:
            result = join(th, x, t, <int32_t>a)
            if result != XR_OK:
                return result
        th.pc += 1
    return XR_ENDED


def location_at(value):
    """The number of the location whose address this is; -1: it is no address."""
    cdef uint64_t at = value
    cdef uint64_t loc = (at - address_of(0)) >> ADDRESS_SHIFT
    return loc if loc < 1 << 30 and at == address_of(<int32_t>loc) else -1
