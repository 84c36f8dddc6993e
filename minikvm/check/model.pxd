# cython: language_level=3
"""What a memory model is to the explorer: a predicate on execution graphs. One file in models/ each; the explorer knows none of them."""
from libc.stdint cimport int32_t, uint32_t
from minikvm.check.graph cimport mk_graph

cdef enum model_flag:
    # When reading a write (or placing one before another in coherence) is inconsistent, so is every older choice: the explorer stops there.
    MODEL_MONOTONE = 1
    # Reading from a write orders all that came before it: what is not so ordered is not ordered at all (else: C11's happens-before).
    MODEL_RF_ORDERS = 2
    # Its data races are those of linux-kernel.cat (else: C11's, not ordered by happens-before).
    MODEL_KERNEL_RACES = 4

cdef enum consistency:
    INCONSISTENT = 0
    CONSISTENT = 1
    HOPELESS = 2  # and so is every older choice: reading an older write, or a place before another one in coherence

cdef struct mk_model:
    uint32_t abi
    uint32_t size
    void *self
    uint32_t flags
    # Is the graph consistent, when it was so without event `e` (and, after a revisit, with read `r` elsewhere; else r is NONE)?
    # e is the last of its thread and in nobody's prefix but, after a revisit, r's; r is the last of its thread.
    # Not called for additions that are maximal (a read from the coherence-last write, a write at the end of coherence, a fence):
    # those keep every model here consistent; and coherence of an RMW with its source (atomicity) is the explorer's own.
    # A consistency, or -1: an exception is set.
    int (*consistent)(const mk_model *m, const mk_graph *g, int32_t e, int32_t r) except -1 nogil

cdef object model_capsule(const mk_model *m)
cdef const mk_model *model_from(object capsule) except NULL
