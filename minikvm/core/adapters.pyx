"""Python strategies, run loops and race injectors, behind the structs of types.h and plug.h.

The functions of an adapter's struct take the GIL, call the plugin's method with a CurrentVM for the calling context, and return -1 with
the exception set when it raises. One CurrentVM is kept for each context, and bound only while a call is in progress.
A capsule made here owns its adapter, which owns the struct and the plugin: keep the capsule for as long as the VM lives.
"""
cimport cython
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.bitmap cimport Bitmap, bm_set, bm_test, bm_weight
from minikvm.core.view cimport CurrentVM, entered, left
from minikvm.core.world cimport MK_ABI, MK_LOOP_PUT_CLEARS_CPU, MK_NO_VCPU, mk_ctx, mk_fires, mk_vcpu

from minikvm.core.arguments import number_of as _number_of
from minikvm.core.recorder import POINTS as _POINTS
from minikvm.core.recorder import VERDICTS as _VERDICTS

cdef dict POINT_IDS = {name: i for i, name in enumerate(_POINTS)}


cdef void forget(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


cdef object owning_capsule(object adapter, void *native, const char *kind):
    """A capsule of native.pyx's kind that keeps *adapter*."""
    capsule = PyCapsule_New(native, kind, forget)
    PyCapsule_SetContext(capsule, <void *>adapter)
    Py_INCREF(adapter)
    return capsule


cdef int need(object plugin, str what, str method, bint required) except -1:
    """Does the plugin have this method? TypeError if it must and has not, or if it is none."""
    found = getattr(plugin, method, None)
    if found is None and not required:
        return 0
    if not callable(found):
        raise TypeError(f"{what} {type(plugin).__name__}: expected a method {method}()" + ("" if found is None else f", not {found!r}"))
    return 1


cdef int yes_or_no(object answer, object plugin, str method) except -1:
    if not isinstance(answer, int):
        raise TypeError(f"{type(plugin).__name__}.{method}() returned {answer!r}: expected a bool")
    return 1 if answer else 0


# ---- strategies ----

cdef int strategy_dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 with gil:
    cdef StrategyAdapter self = <StrategyAdapter>s.self
    cdef CurrentVM vm
    cdef Bitmap mask = Bitmap(c.vm.nr_vcpus)
    cdef uint32_t i
    for i in range(c.vm.nr_vcpus):
        if (targets == NULL or bm_test(targets, i)) and c.vm.vcpus[i].id != MK_NO_VCPU:
            bm_set(mask.words, i)
    c.visited += bm_weight(mask.words, c.vm.nr_vcpus)
    vm = entered(self.views, c)
    try:
        return yes_or_no(self.plugin.dispatch(vm, req, mask), self.plugin, "dispatch")
    finally:
        left(vm)


cdef int strategy_half(mk_ctx *c, const mk_strategy *s, mk_vcpu *v, str method) except -1:
    """One of the vCPU's own halves."""
    cdef StrategyAdapter self = <StrategyAdapter>s.self
    cdef CurrentVM vm = entered(self.views, c)
    try:
        getattr(self.plugin, method)(vm, vm.vcpu(v.idx))
    finally:
        left(vm)
    return 0


cdef int strategy_on_load(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 with gil:
    return strategy_half(c, s, v, "on_load")


cdef int strategy_on_put(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 with gil:
    return strategy_half(c, s, v, "on_put")


cdef int strategy_enter_barrier(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 with gil:
    return strategy_half(c, s, v, "enter_barrier")


cdef int strategy_on_wake(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 with gil:
    return strategy_half(c, s, v, "on_wake")


@cython.final
cdef class StrategyAdapter:
    """The owner of a Python strategy's mk_strategy."""


def python_strategy(plugin):
    """A minikvm.strategy capsule for an object with ``dispatch(vm, request, targets) -> bool``.

    request: the int with id and flags; targets: a Bitmap over the vCPU table (a copy, holes left out); True: an IPI was sent.
    Optional: on_load(vm, vcpu), on_put(vm, vcpu), enter_barrier(vm, vcpu), on_wake(vm, vcpu). TypeError for an object without dispatch().
    """
    cdef StrategyAdapter self = StrategyAdapter.__new__(StrategyAdapter)
    self.plugin = plugin
    self.views = {}
    memset(&self.native, 0, sizeof(self.native))
    self.native.abi = MK_ABI
    self.native.size = sizeof(self.native)
    self.native.self = <void *>self
    need(plugin, "strategy", "dispatch", True)
    self.native.dispatch = strategy_dispatch
    if need(plugin, "strategy", "on_load", False):
        self.native.on_load = strategy_on_load
    if need(plugin, "strategy", "on_put", False):
        self.native.on_put = strategy_on_put
    if need(plugin, "strategy", "enter_barrier", False):
        self.native.enter_barrier = strategy_enter_barrier
    if need(plugin, "strategy", "on_wake", False):
        self.native.on_wake = strategy_on_wake
    return owning_capsule(self, &self.native, b"minikvm.strategy")


# ---- run loops ----

cdef int loop_enter(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 with gil:
    cdef LoopAdapter self = <LoopAdapter>l.self
    cdef CurrentVM vm = entered(self.views, c)
    try:
        return yes_or_no(self.plugin.enter(vm, vm.vcpu(v.idx)), self.plugin, "enter")
    finally:
        left(vm)


@cython.final
cdef class LoopAdapter:
    """The owner of a Python run loop's mk_loop."""


def python_loop(plugin):
    """A minikvm.loop capsule for an object with ``enter(vm, vcpu) -> bool``: one pass; True when the guest was entered.

    Its attribute ``arch`` says whether a put clears vcpu.cpu ("arm64") or leaves it stale ("x86", the default, and "any").
    """
    cdef LoopAdapter self = LoopAdapter.__new__(LoopAdapter)
    self.plugin = plugin
    self.views = {}
    memset(&self.native, 0, sizeof(self.native))
    self.native.abi = MK_ABI
    self.native.size = sizeof(self.native)
    self.native.self = <void *>self
    need(plugin, "run loop", "enter", True)
    self.native.enter = loop_enter
    if _number_of("arch", getattr(plugin, "arch", "x86"), {"any": 0, "x86": 0, "arm64": 1}):
        self.native.flags = MK_LOOP_PUT_CLEARS_CPU
    return owning_capsule(self, &self.native, b"minikvm.loop")


# ---- race injectors ----

cdef int injector_at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *v) except -1 nogil:
    """The GIL is taken only when it acts."""
    if not mk_fires(c, i):
        return 0
    return injector_acts(c, i, point, v)


cdef int injector_acts(mk_ctx *c, mk_injector *i, int point, mk_vcpu *v) except -1 with gil:
    cdef InjectorAdapter self = <InjectorAdapter>i.self
    cdef CurrentVM vm = entered(self.views, c)
    vm.binding.quiet = True
    try:
        said = self.plugin.at(vm, _POINTS[point], None if v == NULL else vm.vcpu(v.idx))
        if said is None:
            return 0
        if isinstance(said, str):
            return _number_of("verdict", said, _VERDICTS)
        if isinstance(said, bool) or said not in _VERDICTS.values():
            raise TypeError(f"{type(self.plugin).__name__}.at() returned {said!r}: expected a Verdict or None")
        return said
    finally:
        left(vm)


@cython.final
cdef class InjectorAdapter:
    """The owner of a Python race injector's mk_injector."""


def python_injector(plugin, probability=None):
    """A minikvm.injector capsule for an object with ``at(vm, point, vcpu) -> Verdict | str | None`` (None: go on).

    Attributes: name; points, the names of the points at which it is asked; probability, 0..1, unless given here, of at() being
    called there (default 1). vcpu: whom the point is about, or None.
    ValueError for an unknown point or a probability out of range.
    """
    cdef InjectorAdapter self = InjectorAdapter.__new__(InjectorAdapter)
    self.plugin = plugin
    self.views = {}
    self.name = str(getattr(plugin, "name", type(plugin).__name__)).encode()
    memset(&self.native, 0, sizeof(self.native))
    self.native.abi = MK_ABI
    self.native.size = sizeof(self.native)
    self.native.self = <void *>self
    self.native.name = self.name
    need(plugin, "race injector", "at", True)
    self.native.at = injector_at
    points = getattr(plugin, "points", None)
    if not points or isinstance(points, str):
        raise ValueError(f"race injector {self.name.decode()}: points is {points!r}: expected names of points")
    for point in points:
        self.native.points |= (<uint64_t>1) << <int>_number_of("point", point, POINT_IDS)
    chance = getattr(plugin, "probability", 1.0) if probability is None else probability
    if isinstance(chance, bool) or not isinstance(chance, (int, float)) or not 0 <= chance <= 1:
        raise ValueError(f"race injector {self.name.decode()}: probability {chance!r}: expected a number from 0 to 1")
    self.native.probability = chance
    return owning_capsule(self, &self.native, b"minikvm.injector")


# ---- guest engines ----

cdef int engine_run(mk_ctx *c, mk_engine *e, mk_vcpu *v, uint64_t timeout_ns) except -1 with gil:
    cdef EngineAdapter self = <EngineAdapter>e.self
    cdef CurrentVM vm = entered(self.views, c)
    try:
        self.plugin.run(vm, vm.vcpu(v.idx), timeout_ns)
    finally:
        left(vm)
    return 0


@cython.final
cdef class EngineAdapter:
    """The owner of a Python guest engine's mk_engine."""


def python_engine(plugin):
    """A minikvm.engine capsule for an object with ``run(vm, vcpu, timeout_ns)``: be the guest for at most so long; it may return early."""
    cdef EngineAdapter self = EngineAdapter.__new__(EngineAdapter)
    self.plugin = plugin
    self.views = {}
    memset(&self.native, 0, sizeof(self.native))
    self.native.abi = MK_ABI
    self.native.size = sizeof(self.native)
    self.native.self = <void *>self
    need(plugin, "guest engine", "run", True)
    self.native.run = engine_run
    return owning_capsule(self, &self.native, b"minikvm.engine")
