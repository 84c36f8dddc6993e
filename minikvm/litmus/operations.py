"""The kernel's functions that litmus tests may call: what each does to memory, and with which order.

Source: tools/memory-model/linux-kernel.def and Documentation/herd-representation.txt, Linux 6.1 and later; for the bit operations, which
litmus tests in herd7 have not, Documentation/atomic_bitops.txt; for C11's, ISO/IEC 9899:2011, 7.17.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Operation:
    """One function. ``what``: load, store, rmw, fence, lock, unlock, nothing.

    arguments: what each is: "lvalue" (``*x``), "pointer" (``x``), or where its value goes: "value" (stored, or the operand),
    "expected", "bit" (its number), "order" (a memory_order of C11, instead of *order*). result: "old", "new", "zero" and "negative" (of
    the new value), "went" (did it take place?), "bit" (was it set?), "" (void). operand: where no argument says. negated: the operand is
    taken away, or its bits are. after: a fence that follows.
    """

    what: str
    arguments: tuple[str, ...] = ()
    order: str = "once"
    op: str = ""
    result: str = ""
    operand: int = 1
    negated: bool = False
    after: str = ""

    @property
    def conditional(self) -> bool:
        """May it fail, and then order nothing?"""
        return self.op in ("CAS", "ADD_UNLESS", "TRYLOCK")


ORDERS = {"": "full", "_relaxed": "once", "_acquire": "acquire", "_release": "release"}
FENCES = {
    "smp_mb": "mb", "smp_rmb": "rmb", "smp_wmb": "wmb", "barrier": "barrier", "smp_mb__before_atomic": "before_atomic",
    "smp_mb__after_atomic": "after_atomic", "smp_mb__after_spinlock": "after_spinlock",
    "smp_mb__after_unlock_lock": "after_unlock_lock",
}  # fmt: skip
UNSUPPORTED = {
    **dict.fromkeys(("synchronize_rcu", "synchronize_rcu_expedited", "synchronize_net", "call_rcu"), "RCU grace periods"),
    **dict.fromkeys(("srcu_read_lock", "srcu_read_unlock", "srcu_down_read", "srcu_up_read", "synchronize_srcu",
                     "synchronize_srcu_expedited", "smp_mb__after_srcu_read_unlock"), "SRCU"),
}  # fmt: skip
"""By name: what of the kernel's model is missing here."""


def _atomics() -> dict[str, Operation]:
    """atomic_t, and the same for atomic_long_t and atomic64_t."""
    table: dict[str, Operation] = {
        "read": Operation("load", ("pointer",), result="old"),
        "read_acquire": Operation("load", ("pointer",), "acquire", result="old"),
        "set": Operation("store", ("pointer", "value")),
        "set_release": Operation("store", ("pointer", "value"), "release"),
    }
    arithmetic = {"add": ("ADD", False), "sub": ("ADD", True), "and": ("AND", False), "or": ("OR", False), "xor": ("XOR", False),
                  "andnot": ("AND", True)}
    for name, (op, negated) in arithmetic.items():
        arguments = ("value", "pointer")
        table[name] = Operation("rmw", arguments, op=op, negated=negated)
        for suffix, order in ORDERS.items():
            table[f"fetch_{name}{suffix}"] = Operation("rmw", arguments, order, op, "old", negated=negated)
            if op == "ADD":
                table[f"{name}_return{suffix}"] = Operation("rmw", arguments, order, op, "new", negated=negated)
    for name, operand in (("inc", 1), ("dec", -1)):
        table[name] = Operation("rmw", ("pointer",), op="ADD", operand=operand)
        table[f"{name}_and_test"] = Operation("rmw", ("pointer",), "full", "ADD", "zero", operand)
        for suffix, order in ORDERS.items():
            table[f"{name}_return{suffix}"] = Operation("rmw", ("pointer",), order, "ADD", "new", operand)
            table[f"fetch_{name}{suffix}"] = Operation("rmw", ("pointer",), order, "ADD", "old", operand)
    table["sub_and_test"] = Operation("rmw", ("value", "pointer"), "full", "ADD", "zero", negated=True)
    for suffix, order in ORDERS.items():
        table[f"add_negative{suffix}"] = Operation("rmw", ("value", "pointer"), order, "ADD", "negative")
        table[f"xchg{suffix}"] = Operation("rmw", ("pointer", "value"), order, "XCHG", "old")
        table[f"cmpxchg{suffix}"] = Operation("rmw", ("pointer", "expected", "value"), order, "CAS", "old")
    table["add_unless"] = Operation("rmw", ("pointer", "value", "expected"), "full", "ADD_UNLESS", "went")
    table["fetch_add_unless"] = Operation("rmw", ("pointer", "value", "expected"), "full", "ADD_UNLESS", "old")
    table["inc_not_zero"] = Operation("rmw", ("pointer",), "full", "ADD_UNLESS", "went")
    return {f"{prefix}_{name}": operation for prefix in ("atomic", "atomic_long", "atomic64") for name, operation in table.items()}


def _bits() -> dict[str, Operation]:
    arguments = ("bit", "pointer")
    return {
        "set_bit": Operation("rmw", arguments, op="OR"),
        "clear_bit": Operation("rmw", arguments, op="AND", negated=True),
        "change_bit": Operation("rmw", arguments, op="XOR"),
        "clear_bit_unlock": Operation("rmw", arguments, "release", "AND", negated=True),
        "test_bit": Operation("load", arguments, result="bit"),
        "test_bit_acquire": Operation("load", arguments, "acquire", result="bit"),
        "test_and_set_bit": Operation("rmw", arguments, "full", "OR", "bit"),
        "test_and_set_bit_lock": Operation("rmw", arguments, "acquire", "OR", "bit"),
        "test_and_clear_bit": Operation("rmw", arguments, "full", "AND", "bit", negated=True),
        "test_and_change_bit": Operation("rmw", arguments, "full", "XOR", "bit"),
    }


MEMORY_ORDERS = {"memory_order_relaxed": "relaxed", "memory_order_consume": "acquire", "memory_order_acquire": "acquire",
                 "memory_order_release": "release", "memory_order_acq_rel": "acq_rel", "memory_order_seq_cst": "sc"}
"""C11's, by name: what they are to the explorer (consume is acquire, as compilers have it)."""
ALLOWED = {"load": ("relaxed", "acquire", "sc"), "store": ("relaxed", "release", "sc"), "fence": ("acquire", "release", "acq_rel", "sc")}


def _c11() -> dict[str, Operation]:
    """C11's atomics, for programs that are asked about under rc11: with an order, and without, which is seq_cst."""
    fetch = {"add": ("ADD", False), "sub": ("ADD", True), "and": ("AND", False), "or": ("OR", False), "xor": ("XOR", False)}
    table = {
        "atomic_load": Operation("load", ("pointer",), "sc", result="old"),
        "atomic_store": Operation("store", ("pointer", "value"), "sc"),
        "atomic_exchange": Operation("rmw", ("pointer", "value"), "sc", "XCHG", "old"),
        **{f"atomic_fetch_{name}": Operation("rmw", ("pointer", "value"), "sc", op, "old", negated=negated)
           for name, (op, negated) in fetch.items()},
    }
    explicit = {f"{name}_explicit": replace(operation, arguments=(*operation.arguments, "order")) for name, operation in table.items()}
    # The kernel's atomic_fetch_add(v, p) has its arguments the other way round: of the short names only those that it has not.
    short = {name: table[name] for name in ("atomic_load", "atomic_store", "atomic_exchange")}
    return {**short, **explicit, "atomic_thread_fence": Operation("fence", ("order",), "sc")}


OPERATIONS: dict[str, Operation] = {
    "READ_ONCE": Operation("load", ("lvalue",), result="old"),
    "WRITE_ONCE": Operation("store", ("lvalue", "value")),
    "smp_load_acquire": Operation("load", ("pointer",), "acquire", result="old"),
    "smp_store_release": Operation("store", ("pointer", "value"), "release"),
    "smp_store_mb": Operation("store", ("lvalue", "value"), after="mb"),
    "rcu_dereference": Operation("load", ("lvalue",), result="old"),
    "rcu_assign_pointer": Operation("store", ("lvalue", "value"), "release"),
    **{name: Operation("fence", order=fence) for name, fence in FENCES.items()},
    **{f"{name}{suffix}": Operation("rmw", ("pointer", *rest), order, op, "old")
       for name, op, rest in (("xchg", "XCHG", ("value",)), ("cmpxchg", "CAS", ("expected", "value")))
       for suffix, order in ORDERS.items()},
    "spin_lock": Operation("lock", ("pointer",), "acquire", "LOCK"),
    "spin_unlock": Operation("unlock", ("pointer",), "release", "UNLOCK"),
    "spin_trylock": Operation("rmw", ("pointer",), "acquire", "TRYLOCK", "went"),
    "spin_is_locked": Operation("load", ("pointer",), result="old"),
    # Without a grace period in the file they order nothing (linux-kernel.cat: rcu-fence begins or ends with one).
    "rcu_read_lock": Operation("nothing"),
    "rcu_read_unlock": Operation("nothing"),
    **_atomics(),
    **_bits(),
    **_c11(),
}
"""By name."""

LOCKS = ("spin_lock", "spin_unlock", "spin_trylock", "spin_is_locked")
"""Those whose argument is a spinlock_t."""

__all__ = ["ALLOWED", "LOCKS", "MEMORY_ORDERS", "OPERATIONS", "UNSUPPORTED", "Operation"]
