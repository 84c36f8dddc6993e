# cython: language_level=3
"""Memory for one consistency check: a buffer that belongs to the calling OS thread, grows, and is freed when the thread ends."""

cdef enum:
    SCRATCH_HB = 0
    SCRATCH_MODEL = 1
    SCRATCH_RACES = 2    # the relations of one graph
    SCRATCH_BOUNDS = 3   # ... and what races.pyx makes of them

# The buffer of that number, of at least so many bytes, with what the last user left in it. It holds until the next call with its number.
cdef void *scratch(int number, size_t bytes) except NULL nogil
