# cython: language_level=3
"""Threads of an exploration that are suspended in the middle of compiled code: greenlets, which share the C stack and copy slices of it.

The code runs with the GIL held. Nothing that another thread can reach may live on the stack.
"""
from libc.stdint cimport int32_t
from minikvm.check.explorer cimport mk_explorer

cdef extern from *:
    """
    #include <setjmp.h>
    typedef struct { jmp_buf env; } mk_jump;
    /* Run body; 1 when it left by mk_leave(): the frames in between hold nothing but memory of the stack. */
    static inline int mk_enter(mk_jump *j, int (*body)(void *), void *arg)
    {
        if (_setjmp(j->env))
            return 1;
        return body(arg);
    }
    static inline void mk_leave(mk_jump *j) { _longjmp(j->env, 1); }
    """
    ctypedef struct mk_jump:
        pass
    int mk_enter(mk_jump *j, int (*body)(void *) except -1 nogil, void *arg) except -1
    void mk_leave(mk_jump *j) noexcept nogil

cdef struct coroutine:     # the part that compiled code sees
    mk_jump jump
    int (*body)(void *) except -1 nogil
    void *arg
    int result             # why it stopped last: a step_result
    bint restart
    void *owner            # the Coroutine

cdef class Coroutine:
    cdef coroutine c
    cdef object greenlet
    cdef object hub
    cdef bint python       # Python frames may be on its stack: unwound by an exception, never jumped over

# Run it (anew, when its live state is not valid) until it stops. A step_result.
cdef int run_coroutine(Coroutine self, mk_explorer *x, int32_t t) except -1
# Called by the coroutine's own code: stop with this result. Returns when it is to go on.
cdef int stop_coroutine(coroutine *c, int result) except -1 nogil
