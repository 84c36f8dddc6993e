"""Capsules around the structs of minikvm.h, each checked against this core's ABI when it is opened."""
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New
from libc.stdint cimport uint32_t
from minikvm.core.world cimport MK_ABI

ABI = MK_ABI


cdef object strategy_capsule(const mk_strategy *s):
    return PyCapsule_New(<void *>s, b"minikvm.strategy", NULL)


cdef object loop_capsule(const mk_loop *l):
    return PyCapsule_New(<void *>l, b"minikvm.loop", NULL)


cdef object backend_capsule(mk_backend *b):
    return PyCapsule_New(<void *>b, b"minikvm.backend", NULL)


cdef object injector_capsule(mk_injector *i):
    return PyCapsule_New(<void *>i, b"minikvm.injector", NULL)


cdef object engine_capsule(mk_engine *e):
    return PyCapsule_New(<void *>e, b"minikvm.engine", NULL)


cdef void *opened(object capsule, const char *name, uint32_t size) except NULL:
    """The struct in a capsule. Every struct begins with its ABI number and its size."""
    cdef uint32_t *head
    if not PyCapsule_IsValid(capsule, name):
        raise TypeError(f"native() must return a {name.decode()} capsule, not {type(capsule).__name__}")
    head = <uint32_t *>PyCapsule_GetPointer(capsule, name)
    if head[0] != MK_ABI or head[1] != size:
        raise ImportError(f"built for ABI {head[0]} (struct of {head[1]} bytes), core has {MK_ABI} ({size} bytes): rebuild the plugin")
    return <void *>head


cdef const mk_strategy *strategy_from(object capsule) except NULL:
    return <const mk_strategy *>opened(capsule, b"minikvm.strategy", sizeof(mk_strategy))


cdef const mk_loop *loop_from(object capsule) except NULL:
    return <const mk_loop *>opened(capsule, b"minikvm.loop", sizeof(mk_loop))


cdef mk_backend *backend_from(object capsule) except NULL:
    return <mk_backend *>opened(capsule, b"minikvm.backend", sizeof(mk_backend))


cdef mk_injector *injector_from(object capsule) except NULL:
    return <mk_injector *>opened(capsule, b"minikvm.injector", sizeof(mk_injector))


cdef mk_engine *engine_from(object capsule) except NULL:
    return <mk_engine *>opened(capsule, b"minikvm.engine", sizeof(mk_engine))
