"""Capsules around memory models. See model.pxd."""
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New
from minikvm.core.world cimport MK_ABI


cdef object model_capsule(const mk_model *m):
    return PyCapsule_New(<void *>m, b"minikvm.model", NULL)


cdef const mk_model *model_from(object capsule) except NULL:
    cdef const mk_model *m
    if not PyCapsule_IsValid(capsule, b"minikvm.model"):
        raise TypeError(f"native() must return a minikvm.model capsule, not {type(capsule).__name__}")
    m = <const mk_model *>PyCapsule_GetPointer(capsule, b"minikvm.model")
    if m.abi != MK_ABI or m.size != sizeof(mk_model):
        raise ImportError(f"built for ABI {m.abi} (struct of {m.size} bytes), core has {MK_ABI} ({sizeof(mk_model)} bytes): "
                          "rebuild the plugin")
    return m
