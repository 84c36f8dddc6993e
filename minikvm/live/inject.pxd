# cython: language_level=3
"""The injected world: bare accesses, and race injectors that are asked at each named point."""
from minikvm.core.world cimport mk_injector, mk_world

cdef enum:
    MAX_INJECTORS = 32

ctypedef struct injected_t:
    mk_world world
    unsigned n
    mk_injector *injectors[MAX_INJECTORS]

cdef void inject_init(injected_t *w) noexcept nogil
