# cython: language_level=3
"""Between what plain accesses certainly take place: the relations of linux-kernel.cat that races and plain-coherence are made of."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.models._kernel cimport kernel_graph
from minikvm.check.models._relation cimport relation

# What is needed of the kernel's relations to judge a pair of accesses.
cdef struct bounds:
    relation xbstar
    relation vis
    relation w_pre
    relation r_pre
    relation ww_vis
    relation wr_vis
    relation rw_xbstar
    uint64_t *known    # the nodes whose rows of the last three are there
    uint64_t *few
    uint64_t *more

# Of a graph whose relations are complete (kernel_derive() of lkmm.pxd). They hold until the next call on the same OS thread.
cdef int bounds_of(bounds *b, kernel_graph *k) except -1 nogil
# Fill in the rows of ww-vis, wr-vis and rw-xbstar of a node.
cdef void ask(bounds *b, const kernel_graph *k, int32_t x) noexcept nogil
