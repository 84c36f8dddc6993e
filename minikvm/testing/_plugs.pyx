"""One step of a compiled plugin at a time, on a Standalone VM: the vCPU's half of a strategy, an injector at a point."""
from minikvm.core.entry cimport shadow_walk, vcpu_block, vcpu_load, vcpu_put
from minikvm.core.native cimport injector_from
from minikvm.core.standalone cimport Standalone
from minikvm.core.vcpu cimport VCpu
from minikvm.core.world cimport MK_RELAXED, mk_bare_load64, mk_bare_store64, mk_injector, mk_vcpu

from minikvm.core.recorder import POINTS


cdef mk_vcpu *place(Standalone vm, unsigned idx) except NULL:
    cdef VCpu view = vm.table[idx]
    return view.v


def load(Standalone vm not None, unsigned idx):
    """vcpu_load() on the context's pCPU, with the strategy's on_load."""
    cdef mk_vcpu *v = place(vm, idx)
    with nogil:
        vcpu_load(&vm.c, v)


def put(Standalone vm not None, unsigned idx):
    """vcpu_put(), with the strategy's on_put."""
    cdef mk_vcpu *v = place(vm, idx)
    with nogil:
        vcpu_put(&vm.c, v)


def walk(Standalone vm not None, unsigned idx):
    """A shadow walk of the vCPU."""
    cdef mk_vcpu *v = place(vm, idx)
    with nogil:
        shadow_walk(&vm.c, v)


def block(Standalone vm not None, unsigned idx):
    """vcpu_block(): True when it slept."""
    cdef mk_vcpu *v = place(vm, idx)
    cdef int slept
    with nogil:
        slept = vcpu_block(&vm.c, v)
    return slept != 0


def strategy_word(Standalone vm not None, unsigned idx):
    """The strategy's own word of a vCPU."""
    return mk_bare_load64(&place(vm, idx).strategy, MK_RELAXED)


def set_strategy_word(Standalone vm not None, unsigned idx, unsigned long long word):
    """Set the strategy's own word of a vCPU."""
    mk_bare_store64(&place(vm, idx).strategy, MK_RELAXED, word)


def ask(Standalone vm not None, capsule, str point, subject=None):
    """Ask an injector at *point* about the vCPU *subject* (an index or None), whether or not it wants that point. Its verdict."""
    cdef mk_injector *i = injector_from(capsule)
    cdef int number = POINTS.index(point), verdict
    cdef mk_vcpu *v = NULL if subject is None else place(vm, subject)
    with nogil:
        verdict = i.at(&vm.c, i, number, v)
    return verdict


def injector_points(capsule):
    """The names of the points at which an injector wants to be asked."""
    cdef mk_injector *i = injector_from(capsule)
    return [name for at, name in enumerate(POINTS) if i.points >> at & 1]


def injector_facts(capsule):
    """(name, probability, how often it acted)."""
    cdef mk_injector *i = injector_from(capsule)
    return i.name.decode(), i.probability, mk_bare_load64(&i.injected, MK_RELAXED)
