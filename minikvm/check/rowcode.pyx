"""From statements (parser.Row) to native rows: names become numbers, orders become tags."""
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport calloc, free
from minikvm.check.explorer cimport OP_LOCK, mk_explorer
from minikvm.check.graph cimport (
    EF_AWAIT, EF_CREATE, EF_MUST, EF_NORETURN, EF_RMW, EV_CHOOSE, EV_FENCE, EV_READ, EV_SYNC, EV_WRITE, event)
from minikvm.check.rows cimport (
    ROW_ASSERT, ROW_CALC, ROW_EVENT, ROW_GOTO, ROW_IF, ROW_JOIN, ROW_REGISTERS, ROW_SET, address_of, row, row_thread)

from minikvm.check.parser import AWAITS, FENCES, ORDERS, RMW_OPS, ProgramError, is_register
from minikvm.check.rows import CONDITIONS

SIMPLE = {"SET": ROW_SET, "CALC": ROW_CALC, "IF": ROW_IF, "GOTO": ROW_GOTO, "ASSERT": ROW_ASSERT, "JOIN": ROW_JOIN}


cdef uint64_t constant(value, tuple loc_names) except? 0:
    if not isinstance(value, str):
        return <uint64_t>(value & (2**64 - 1))
    if value[:1] != "&" or value[1:] not in loc_names:
        raise ProgramError(f"{value!r} is no value here; expected a number, or & and one of {', '.join(loc_names)}")
    return address_of(loc_names.index(value[1:]))


cdef int32_t register(name, dict regs, int32_t t) except -2:
    """The register's number; -1 for none."""
    if name is None:
        return -1
    if name not in regs:
        if len(regs) >= ROW_REGISTERS:
            raise ProgramError(f"thread {t} has more than {ROW_REGISTERS} registers")
        regs[name] = len(regs)
    return regs[name]


cdef uint64_t registers(kind, names, dict regs, int32_t t) except? 0:
    """A mask."""
    cdef uint64_t mask = 0
    for name in names:
        if name not in regs:
            raise ProgramError(f"thread {t}: {kind}={name} names a register that has no value yet")
        mask |= (<uint64_t>1) << <int>regs[name]
    return mask


cdef int compile_event(row *r, event *e, source, int32_t t, tuple loc_names, mk_explorer *x) except -1:
    op = source.op
    r.op = ROW_EVENT
    e.loc = loc_names.index(source.loc) if source.loc is not None else -1
    e.line = source.line
    e.wval = r.a_imm
    if op in ("R", "W"):
        e.kind = EV_READ if op == "R" else EV_WRITE
        e.order = ORDERS[source.order]
        e.name = b"read" if op == "R" else b"write"
    elif op == "F":
        e.kind = EV_FENCE
        e.op = FENCES[source.order]
        e.name = b"fence"
    elif op in RMW_OPS:
        e.kind = EV_READ
        e.flags = EF_RMW | (EF_NORETURN if source.reg is None and op not in ("CAS", "ADD_UNLESS", "TRYLOCK") else 0)
        e.op = RMW_OPS[op]
        e.order = ORDERS[source.order]
        e.operand = r.a_imm
        e.expected = r.b_imm
        e.name = b"trylock" if op == "TRYLOCK" else b"rmw"
    elif op == "AWAIT":
        e.kind = EV_READ
        e.flags = EF_AWAIT | (EF_MUST if source.must else 0)
        e.op = AWAITS[source.cond]
        e.order = ORDERS[source.order]
        e.operand = r.a_imm
        e.name = b"await"
    elif op == "LOCK":
        e.kind = EV_READ
        e.flags = EF_AWAIT | EF_MUST | EF_RMW
        e.op = OP_LOCK
        e.order = ORDERS["acquire"]
        e.name = b"lock"
    elif op == "UNLOCK":
        e.kind = EV_WRITE
        e.order = ORDERS["release"]
        e.name = b"unlock"
    elif op == "CHOOSE":
        e.kind = EV_CHOOSE
        e.operand = r.a_imm
        e.name = b"choose"
    else:
        e.kind = EV_SYNC
        e.flags = EF_CREATE
        e.operand = r.a_imm
        e.name = b"spawn"
        if not 0 <= source.a < x.nthreads or source.a == t:
            raise ProgramError(f"thread {t} cannot spawn thread {source.a}: there are threads 0 to {x.nthreads - 1}")
        x.root.th[source.a].created = 0
    return 0


cdef int compile_row(row *r, source, int32_t t, dict regs, dict labels, tuple loc_names, mk_explorer *x) except -1:
    r.a_reg = -1
    r.b_reg = -1
    r.at_reg = -1
    for value in (source.a, source.b, source.at):
        if is_register(value) and value not in regs:
            raise ProgramError(f"thread {t}: the register {value} is used before it has a value")
    if is_register(source.a):
        r.a_reg = register(source.a, regs, t)
    else:
        r.a_imm = constant(source.a, loc_names)
    if is_register(source.b):
        r.b_reg = register(source.b, regs, t)
    else:
        r.b_imm = constant(source.b, loc_names)
    if source.at is not None:
        r.at_reg = register(source.at, regs, t)
    r.addr_regs = registers("addr", source.deps.get("addr", ()), regs, t)
    r.data_regs = registers("data", source.deps.get("data", ()), regs, t)
    r.ctrl_regs = registers("ctrl", source.deps.get("ctrl", ()), regs, t)
    r.carries = "data" in source.deps
    r.reg = register(source.reg, regs, t)
    r.patch = r.a_reg >= 0 or r.b_reg >= 0 or r.at_reg >= 0 or bool(source.deps)
    if source.op not in SIMPLE:
        return compile_event(r, &r.proto, source, t, loc_names, x)
    r.op = SIMPLE[source.op]
    r.cond = CONDITIONS[source.cond] if source.cond else 0
    if source.op in ("IF", "GOTO"):
        if source.label not in labels:
            raise ProgramError(f"thread {t}: there is no label {source.label}")
        r.target = labels[source.label]
    return 0


cdef row_thread *compile_rows(list rows, int32_t t, dict regs, tuple loc_names, mk_explorer *x) except NULL:
    cdef row_thread *th
    cdef int32_t n = 0
    labels = {}
    for source in rows:
        if source.op != "LABEL":
            n += 1
        elif source.label in labels:
            raise ProgramError(f"thread {t}: the label {source.label} is there twice")
        else:
            labels[source.label] = n
    th = <row_thread *>calloc(1, sizeof(row_thread))
    if th == NULL:
        raise MemoryError
    try:
        th.rows = <row *>calloc(max(n, 1), sizeof(row))
        if th.rows == NULL:
            raise MemoryError
        for source in rows:
            if source.op != "LABEL":
                compile_row(&th.rows[th.n], source, t, regs, labels, loc_names, x)
                th.n += 1
        th.nregs = len(regs)
    except BaseException:
        free(th.rows)
        free(th)
        raise
    return th
