# cython: language_level=3
"""P9: IPIs that no target asked for."""
from libc.stdint cimport int32_t
from minikvm.check.stays cimport judging, made_call

# How many IPIs a call sent beyond what the truth table of docs/protocol.md allows for the modes that it read.
cdef int32_t needless_ipis(const judging *j, const made_call *c) noexcept nogil
