# cython: language_level=3
"""The properties P1 to P9 of one execution graph of a scene (docs/protocol.md). Ghost state is read off the notes."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.check.graph cimport mk_graph
from minikvm.check.model cimport mk_model
from minikvm.check.scene cimport scene

cdef struct finding:
    int32_t property   # 1..9
    int32_t thread     # where it shows
    int32_t event      # index of the event there at which it shows, or after which
    int32_t vcpu       # whom it is about, -1
    int32_t call       # number of the call, -1
    int32_t other      # a second event's id: the last check that missed, the access that was not ordered; -1
    int32_t needless   # P9: IPIs in the whole execution that no target asked for

cdef enum:
    MAX_FINDINGS = 32

# All violations of the wanted properties (a bit each, bit 1 for P1): how many were written to *out*. P9, which is none, only where more
# IPIs are needless than s.needless.
cdef int judge(const scene *s, const mk_model *m, const mk_graph *g, uint32_t wanted, finding *out) except -1 nogil
