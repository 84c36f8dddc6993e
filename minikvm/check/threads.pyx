"""Threads written as Python functions: ``def t(w): a = w.load("x", "acquire"); w.store("y", a + 1)``."""
cimport cython
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset
from minikvm.check.coroutines cimport Coroutine, run_coroutine, stop_coroutine
from minikvm.check.explorer cimport OP_LOCK, XR_OK, mk_explorer, x_note, x_step
from minikvm.check.graph cimport EF_AWAIT, EF_MUST, EF_RMW, EV_CHOOSE, EV_FENCE, EV_READ, EV_WRITE, event
from minikvm.check.rows cimport NOTE_ASSERT

from minikvm.check.parser import AWAITS, FENCES, MAY_FAIL, ORDERS, RMW_OPS, ProgramError


cdef int body(void *arg) except -1 nogil:
    with gil:
        function = (<Operations>arg).function
        function(<Operations>arg)
    return 0


@cython.final
cdef class Operations:
    """What a thread that is a Python function can do. Values are whole numbers of 64 bits; orders as in the text of programs."""

    def __cinit__(self, function, dict locations, str order):
        self.function = function
        self.locations = locations
        self.order = order
        self.coroutine = Coroutine()
        self.coroutine.c.body = body
        self.coroutine.c.arg = <void *>self

    cdef int run(self, mk_explorer *x, int32_t t) except -1:
        self.x = x
        self.t = t
        return run_coroutine(self.coroutine, x, t)

    cdef event begin(self, int kind, loc, order) except *:
        cdef event e
        memset(&e, 0, sizeof(e))
        e.kind = kind
        e.loc = -1
        if loc is not None:
            if loc not in self.locations:
                raise ProgramError(f"there is no location {loc!r}: name it in Program(init=...); there are {', '.join(self.locations)}")
            e.loc = self.locations[loc]
            wanted = self.order if order is None else order
            if wanted not in ORDERS:
                raise ProgramError(f"{wanted!r} is no order; expected one of {', '.join(ORDERS)}")
            e.order = ORDERS[wanted]
        return e

    cdef uint64_t step(self, event *e) except? 0:
        cdef uint64_t value = 0
        cdef int result = x_step(self.x, self.t, e, &value)
        if result != XR_OK:
            stop_coroutine(&self.coroutine.c, result)
            value = self.x.live[self.t].seen[self.x.live[self.t].pos - 1]
        return value

    def load(self, str loc, order=None):
        """The value of a location."""
        cdef event e = self.begin(EV_READ, loc, order)
        e.name = b"load"
        return self.step(&e)

    def store(self, str loc, value, order=None):
        """Write a location."""
        cdef event e = self.begin(EV_WRITE, loc, order)
        e.wval = <uint64_t>(value & 0xffffffffffffffff)
        e.name = b"store"
        self.step(&e)

    def rmw(self, str op, str loc, operand, expected=0, order=None):
        """add, or, and, xchg or cas (*operand* if the location holds *expected*). Returns the old value."""
        cdef event e = self.begin(EV_READ, loc, order)
        if op.upper() not in RMW_OPS:
            raise ProgramError(f"{op!r} is no operation; expected one of {', '.join(RMW_OPS).lower()}")
        if op.upper() in MAY_FAIL and self.x.group != NULL and self.x.group[self.t] >= 0:
            raise ProgramError(f"{op}: an RMW that may fail, in a thread of a group of identical ones: explore it without symmetry")
        e.flags = EF_RMW
        e.op = RMW_OPS[op.upper()]
        e.operand = <uint64_t>(operand & 0xffffffffffffffff)
        e.expected = <uint64_t>(expected & 0xffffffffffffffff)
        e.name = b"rmw"
        return self.step(&e)

    def fence(self, str kind="mb"):
        """mb, wmb, rmb, acquire, release, acq_rel or sc."""
        cdef event e = self.begin(EV_FENCE, None, None)
        if kind not in FENCES:
            raise ProgramError(f"{kind!r} is no fence; expected one of {', '.join(FENCES)}")
        e.op = FENCES[kind]
        e.name = b"fence"
        self.step(&e)

    def await_(self, str loc, str condition, operand, order=None, must=False):
        """Wait until the location's value is ``==``, ``!=`` the operand, or has (``&``) or has not (``!&``) a bit of it; returns it."""
        cdef event e = self.begin(EV_READ, loc, order)
        if condition not in AWAITS:
            raise ProgramError(f"{condition!r} is no condition; expected one of {' '.join(AWAITS)}")
        e.flags = EF_AWAIT | (EF_MUST if must else 0)
        e.op = AWAITS[condition]
        e.operand = <uint64_t>(operand & 0xffffffffffffffff)
        e.name = b"await"
        return self.step(&e)

    def lock(self, str loc):
        """Wait until the location holds 0, and store 1 with it."""
        cdef event e = self.begin(EV_READ, loc, "acquire")
        e.flags = EF_AWAIT | EF_MUST | EF_RMW
        e.op = OP_LOCK
        e.name = b"lock"
        self.step(&e)

    def unlock(self, str loc):
        """Release a lock."""
        self.store(loc, 0, "release")

    def choose(self, int n):
        """0..n-1: every answer is explored."""
        cdef event e = self.begin(EV_CHOOSE, None, None)
        e.operand = n
        e.name = b"choose"
        return self.step(&e)

    def assert_(self, condition):
        """Count an error when the condition does not hold."""
        if not condition:
            x_note(self.x, self.t, NOTE_ASSERT, self.x.live[self.t].pos, 0, 0)
