# cython: language_level=3
"""What races.pyx takes over from the kernel's model."""
from minikvm.check.models._kernel cimport kernel_graph

# cumul-fence*, prop, hb, hb* and pb of a graph whose base relations are there; overwrite is used up. False: hb or pb has a cycle.
cdef bint kernel_derive(kernel_graph *k) noexcept nogil
