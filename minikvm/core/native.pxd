# cython: language_level=3
"""Capsules: how a compiled strategy, run loop, back end or injector is handed to Python and back."""
from minikvm.core.world cimport mk_backend, mk_engine, mk_injector, mk_loop, mk_strategy

# For plugins: the struct must live as long as the capsule (a module's static, or memory that the plugin's object owns).
cdef object strategy_capsule(const mk_strategy *s)
cdef object loop_capsule(const mk_loop *l)
cdef object backend_capsule(mk_backend *b)
cdef object injector_capsule(mk_injector *i)
cdef object engine_capsule(mk_engine *e)

# For worlds: unwrap, with the ABI checked. ImportError when it was built for another one, TypeError when it is no such capsule.
cdef const mk_strategy *strategy_from(object capsule) except NULL
cdef const mk_loop *loop_from(object capsule) except NULL
cdef mk_backend *backend_from(object capsule) except NULL
cdef mk_injector *injector_from(object capsule) except NULL
cdef mk_engine *engine_from(object capsule) except NULL
