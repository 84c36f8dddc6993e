"""Threads of an exploration that are suspended in the middle of compiled code. See coroutines.pxd.

An abandoned run is left by a jump to its beginning where only compiled frames without references lie in between, else by an exception
thrown into it. The greenlet itself is used again for the next run.
"""
cimport cython
from libc.stdint cimport int32_t
from minikvm.check.explorer cimport XR_ENDED, live_valid, mk_explorer

import greenlet as _greenlet


cdef extern from *:
    """
    #include <greenlet/greenlet.h>
    #if defined(__SANITIZE_ADDRESS__)
    /*
     * AddressSanitizer notes by address which bytes of the C stack no code may touch. A switch puts other frames there, which it knows
     * nothing of, and copies whole slices: it is told to forget its notes of this stack, as before a longjmp().
     */
    void __asan_handle_no_return(void);
    #define mk_other_frames() __asan_handle_no_return()
    #else
    #define mk_other_frames() ((void)0)
    #endif
    static inline PyObject *mk_switch(PyObject *g)
    {
        mk_other_frames();
        PyObject *result = PyGreenlet_Switch((PyGreenlet *)g, NULL, NULL);
        mk_other_frames();
        return result;
    }
    static inline PyObject *mk_throw(PyObject *g, PyObject *type)
    {
        mk_other_frames();
        PyObject *result = PyGreenlet_Throw((PyGreenlet *)g, type, NULL, NULL);
        mk_other_frames();
        return result;
    }
    static inline PyObject *mk_current(void) { return (PyObject *)PyGreenlet_GetCurrent(); }
    """
    void PyGreenlet_Import() except *
    object mk_switch(object g)
    object mk_throw(object g, object type)
    object mk_current()


class Abandoned(BaseException):
    """Thrown into a suspended thread whose execution is given up. Not to be caught."""


PyGreenlet_Import()


@cython.final
cdef class Coroutine:
    """One thread. *start()* is the greenlet's function."""

    def __cinit__(self):
        self.greenlet = None
        self.python = True
        self.c.owner = <void *>self

    def start(self):
        cdef int left
        while True:
            try:
                left = mk_enter(&self.c.jump, self.c.body, self.c.arg)
            except Abandoned:
                left = 1
            if left:
                continue
            self.c.result = XR_ENDED
            mk_switch(self.hub)
            self.c.restart = False

    def close(self):
        """Give a suspended run up and let the greenlet go."""
        g = self.greenlet
        self.greenlet = None
        if g is not None and not g.dead:
            self.hub = mk_current()
            mk_throw(g, _greenlet.GreenletExit)


cdef int run_coroutine(Coroutine self, mk_explorer *x, int32_t t) except -1:
    self.hub = mk_current()
    if live_valid(x, t) and self.greenlet is not None:
        if self.c.result == XR_ENDED:
            return XR_ENDED  # with the same values
        mk_switch(self.greenlet)
        return self.c.result
    if self.greenlet is None or self.greenlet.dead:
        self.greenlet = _greenlet.greenlet(self.start)
        x.live[t].pos = 0
        x.live[t].nnotes = 0
        self.c.restart = False
        mk_switch(self.greenlet)
    elif self.python and self.c.result != XR_ENDED:
        mk_throw(self.greenlet, Abandoned)
    else:
        self.c.restart = True
        mk_switch(self.greenlet)
    return self.c.result


cdef int suspend(coroutine *c) except -1 nogil:
    with gil:
        mk_switch((<Coroutine>c.owner).hub)
    return 0


cdef int stop_coroutine(coroutine *c, int result) except -1 nogil:
    c.result = result
    suspend(c)
    if c.restart:
        c.restart = False
        mk_leave(&c.jump)
    return 0
