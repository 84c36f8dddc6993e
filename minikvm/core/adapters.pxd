# cython: language_level=3
"""Python plugins as native structs: each adapter owns the struct whose functions call the object's methods."""
from minikvm.core.world cimport mk_engine, mk_injector, mk_loop, mk_strategy


cdef class StrategyAdapter:
    cdef mk_strategy native
    cdef object plugin
    cdef dict views


cdef class LoopAdapter:
    cdef mk_loop native
    cdef object plugin
    cdef dict views


cdef class InjectorAdapter:
    cdef mk_injector native
    cdef object plugin
    cdef dict views
    cdef bytes name


cdef class EngineAdapter:
    cdef mk_engine native
    cdef object plugin
    cdef dict views


cdef object owning_capsule(object adapter, void *native, const char *kind)
cdef int need(object plugin, str what, str method, bint required) except -1
cdef int yes_or_no(object answer, object plugin, str method) except -1
