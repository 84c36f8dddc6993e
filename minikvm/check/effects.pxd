# cython: language_level=3
"""What operations do to a value: RMWs, and what awaits wait for."""
from libc.stdint cimport uint64_t
from minikvm.check.explorer cimport AWAIT_ANY, AWAIT_EQ, AWAIT_NE, OP_ADD_UNLESS, OP_LOCK, OP_OR_IF, OP_TRYLOCK
from minikvm.core.world cimport MK_ADD, MK_AND, MK_OR, MK_XCHG, MK_XOR


cdef inline uint64_t rmw_result(int op, uint64_t old, uint64_t operand, uint64_t expected, bint *writes) noexcept nogil:
    """What an RMW writes; *writes* gets whether it does."""
    writes[0] = True
    if op == MK_OR:
        return old | operand
    if op == MK_AND:
        return old & operand
    if op == MK_ADD:
        return old + operand
    if op == MK_XCHG:
        return operand
    if op == OP_LOCK or op == OP_TRYLOCK:
        writes[0] = old == 0
        return 1
    if op == OP_OR_IF:
        return old | operand if old & expected else old
    if op == MK_XOR:
        return old ^ operand
    if op == OP_ADD_UNLESS:
        writes[0] = old != expected
        return old + operand
    writes[0] = old == expected
    return operand


cdef inline bint await_satisfied(int condition, uint64_t value, uint64_t operand) noexcept nogil:
    if condition == AWAIT_EQ:
        return value == operand
    if condition == AWAIT_NE:
        return value != operand
    if condition == AWAIT_ANY:
        return value & operand != 0
    return value & operand == 0
