"""Memory models written in Python, behind the struct that the explorer asks."""
from cpython.pycapsule cimport PyCapsule_New, PyCapsule_SetContext, PyCapsule_GetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t
from libc.string cimport memset
from minikvm.check.graph cimport mk_graph
from minikvm.check.model cimport mk_model, model_from
from minikvm.check.view cimport graph_view
from minikvm.core.world cimport MK_ABI


cdef int ask(const mk_model *m, const mk_graph *g, int32_t e, int32_t r) except -1 with gil:
    cdef PythonModel self = <PythonModel>m.self
    answer = self.plugin.consistent(graph_view(g, self.loc_names))
    if not isinstance(answer, int):
        raise TypeError(f"{type(self.plugin).__name__}.consistent() returned {answer!r}: expected a bool")
    return 1 if answer else 0


cdef class PythonModel:
    """A model whose ``consistent(graph)`` is Python. It is asked about the whole graph, at each addition that is not maximal."""
    cdef mk_model native
    cdef object plugin
    cdef tuple loc_names

    def __cinit__(self, plugin, tuple loc_names):
        memset(&self.native, 0, sizeof(mk_model))
        self.native.abi = MK_ABI
        self.native.size = sizeof(mk_model)
        self.native.self = <void *>self
        self.native.consistent = ask
        self.plugin = plugin
        self.loc_names = loc_names


cdef void forget(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


def capsule_of(model, loc_names=()):
    """The capsule of a kinds.MemoryModel: its own, or one around its Python method, which keeps the model.

    loc_names: of the locations in the graphs that it sees.

    TypeError when it has neither. A model has to accept every addition that is maximal: it is not asked (model.pxd).
    """
    cdef PythonModel adapter
    native = model.native()
    if native is not None:
        model_from(native)
        return native
    if not callable(getattr(model, "consistent", None)):
        raise TypeError(f"model {type(model).__name__}: expected native() or a method consistent()")
    adapter = PythonModel(model, tuple(loc_names))
    capsule = PyCapsule_New(&adapter.native, b"minikvm.model", forget)
    PyCapsule_SetContext(capsule, <void *>adapter)
    Py_INCREF(adapter)
    return capsule
