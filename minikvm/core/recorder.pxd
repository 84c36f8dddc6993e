# cython: language_level=3
"""A machine, a world and an observer for one context without threads, which write down what they are asked to do."""
from libc.stdint cimport uint64_t
from minikvm.core.world cimport mk_ctx, mk_machine, mk_observer, mk_world


cdef struct rig:
    # What mk_ctx.priv points to. Native, so that a benchmark's loop never needs the GIL.
    bint quiet         # count only
    uint64_t calls     # function-call IPIs: calls of call_many
    void *recorder     # the Recorder, borrowed


cdef class Recorder:
    cdef rig native
    cdef mk_ctx *c
    cdef public list trace
    cdef public dict hooks
    cdef public dict verdicts
    cdef public object at_point
    cdef public list answers
    cdef public list injectors
    cdef bint asking
    cdef public bint work


cdef mk_machine recording_machine
cdef mk_world recording_world
cdef mk_observer recording_observer
