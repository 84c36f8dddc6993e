"""The mk_injector struct of one injector object."""
from libc.stdint cimport uint64_t
from minikvm.core.world cimport MK_ABI, MK_NR_POINTS, mk_point_names

POINT_NAMES = tuple(mk_point_names[i].decode() for i in range(MK_NR_POINTS))


cdef class InjectorTable:
    """Zeroed memory for the struct, with its ABI number, its size, and ``self`` pointing here."""

    def __cinit__(self):
        self.c.abi = MK_ABI
        self.c.size = sizeof(mk_injector)
        self.c.self = <void *>self


cdef InjectorTable injector_table(object injector, injector_at at):
    """The struct of *injector*: its name, its probability, and the bits of its points (those of its options, where they have some)."""
    cdef InjectorTable table = InjectorTable()
    cdef uint64_t bits = 0
    for point in getattr(injector.options, "points", None) or injector.points:
        bits |= (<uint64_t>1) << <int>POINT_NAMES.index(point)
    table.name = injector.name.encode()
    table.c.name = table.name
    table.c.points = bits
    table.c.probability = injector.probability
    table.c.at = at
    return table
