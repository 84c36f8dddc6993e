"""How a back end's system call that failed becomes an exception."""
import os


cdef int failed(const char *call, int number) except -1 nogil:
    """Raise OSError for errno *number*, naming the call."""
    with gil:
        raise OSError(number, f"{call.decode()}: {os.strerror(number)}")
