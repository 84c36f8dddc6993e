"""What every view of a VM offers: who and where, preemption, barriers, points, and the strategy's own word of each vCPU.

The GIL is released around whatever has a point or reaches the machine, since an injector or a receiver may make it wait.
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core cimport kick as k
from minikvm.core.arguments cimport one_of, pcpu_number, target_mask, vcpu_of
from minikvm.core.bitmap cimport Bitmap, bm_copy, bm_find_next
from minikvm.core.cpumask cimport CpuMask
from minikvm.core.vcpu cimport Binding, view_of
from minikvm.core.world cimport (
    MK_NO_VCPU, MK_SMP_MB, MK_SMP_RMB, MK_SMP_WMB, mk_ctx, mk_fence, mk_load64, mk_lock,
    mk_note, mk_point, mk_random, mk_random_unit, mk_remember, mk_rmw64, mk_store64, mk_unlock, mk_vcpu, mk_vm)

from enum import IntEnum as _IntEnum

from minikvm.core.recorder import EVENTS as _EVENTS
from minikvm.core.recorder import POINTS as _POINTS

cdef dict POINT_IDS = {name: i for i, name in enumerate(_POINTS)}
cdef dict EVENT_IDS = {name: i for i, name in enumerate(_EVENTS)}
cdef dict ORDERS = {"plain": 0, "relaxed": 1, "acquire": 2, "release": 3, "acq_rel": 4, "seq_cst": 5, "full": 6}
cdef dict RMWS = {"or": 0, "and": 1, "add": 2, "xchg": 3, "cmpxchg": 4}


class Verdict(_IntEnum):
    """What race injectors may say at a point (enum mk_verdict): FAIL at kick.alloc_mask, IPI_LATE and IPI_LOST at ipi.send."""

    GO = 0
    FAIL = 1
    IPI_LATE = 2
    IPI_LOST = 3


@cython.final
@cython.no_gc
cdef class Loan:
    """A bitmap that shows memory of the VM for a while; its own is put back before anybody can outlive the VM with it."""

    def __dealloc__(self):
        if self.bitmap is not None:
            self.bitmap.words = self.own


cdef Loan lend(Bitmap bitmap, uint64_t *words):
    cdef Loan loan = Loan.__new__(Loan)
    loan.own = bitmap.words
    loan.bitmap = bitmap
    bitmap.words = words
    return loan


cdef mk_ctx *context(VmView view) except NULL:
    """The context, or RuntimeError when the view is not bound to one any more."""
    if view.binding is None or view.binding.c == NULL:
        raise RuntimeError("this vm has expired: it is valid during the call that it was given to")
    return view.binding.c


cdef int prepare(VmView view, mk_ctx *c) except -1:
    """Bind the view to a context."""
    if view.binding is None:
        view.binding = Binding()
    view.serial = c.vm.serial
    view.binding.c = c
    return 0


cdef int expire(VmView view) except -1:
    """Unbind the view, and take back what was lent."""
    cdef Loan loan
    cdef bint exported = False
    cdef uint64_t *shown
    if view.binding is not None:
        view.binding.c = NULL
    if view.loans:
        for loan in view.loans:
            exported |= loan.bitmap.views != 0
            shown = loan.bitmap.words
            loan.bitmap.words = loan.own
            bm_copy(loan.own, shown, loan.bitmap.nbits)
            loan.bitmap = None
        view.loans = None
    if exported:
        raise RuntimeError("a memoryview of a kick mask outlives the call that it was given to")
    return 0


cdef CpuMask lent_mask(VmView view, uint64_t *words):
    """A CpuMask over memory of the VM; the same one as before if it shows the same."""
    cdef Loan loan
    cdef CpuMask mask
    if view.loans is None:
        view.loans = []
    for loan in view.loans:
        if loan.bitmap.words == words:
            return loan.bitmap
    mask = CpuMask(view.binding.c.vm.nr_pcpus)
    view.loans.append(lend(mask, words))
    return mask


@cython.final
cdef class PreemptDisabled:
    """get_cpu() at the beginning of a with block, put_cpu() at its end."""

    cdef VmView view

    def __enter__(self):
        return self.view.get_cpu()

    def __exit__(self, *exc):
        self.view.put_cpu()


cdef class VmView:
    """The VM as it is seen from one context. Made by the framework; see CurrentVM."""

    def __init__(self):
        raise TypeError("a vm is given to plugins, it is not made")

    # ---- who and where ----

    @property
    def nr_vcpus(self):
        """Places in the vCPU table."""
        return context(self).vm.nr_vcpus

    @property
    def nr_pcpus(self):
        return context(self).vm.nr_pcpus

    @property
    def this_cpu(self):
        """smp_processor_id(): the current pCPU, -1 when the caller holds none. Stable only with preemption off."""
        return context(self).pcpu

    @property
    def current(self):
        """The VCpu whose thread this is, or None."""
        cdef mk_ctx *c = context(self)
        return None if c.vcpu == NULL else self.vcpu(c.vcpu.idx)

    def get_vcpu(self, idx):
        """The vCPU at place *idx*, None in a hole or past the end (kvm_get_vcpu())."""
        cdef mk_ctx *c = context(self)
        if not isinstance(idx, int) or not 0 <= idx < c.vm.nr_vcpus or c.vm.vcpus[<uint32_t>idx].id == MK_NO_VCPU:
            return None
        return self.vcpu(idx)

    def vcpu(self, idx):
        """The vCPU at place *idx*; IndexError in a hole or past the end."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, idx)
        if self.places is None:
            self.places = [None] * c.vm.nr_vcpus
        found = self.places[v.idx]
        if found is None:
            found = self.places[v.idx] = view_of(v, None, self.binding)
        return found

    @property
    def vcpus(self):
        """All vCPUs, ascending, without holes."""
        cdef mk_ctx *c = context(self)
        cdef uint32_t i
        return tuple([self.vcpu(i) for i in range(c.vm.nr_vcpus) if c.vm.vcpus[i].id != MK_NO_VCPU])

    def for_each_vcpu(self, targets=None):
        """Iterate over the vCPUs of a mask (None: all), ascending, skipping holes."""
        cdef mk_ctx *c = context(self)
        cdef Bitmap mask = target_mask(c.vm, targets)
        cdef uint32_t count = c.vm.nr_vcpus, i = 0
        if mask is not None:
            i = bm_find_next(mask.words, count, 0)
        while i < count:
            c = context(self)
            if c.vm.vcpus[i].id != MK_NO_VCPU:
                yield self.vcpu(i)
            i = i + 1 if mask is None else bm_find_next(mask.words, count, i + 1)

    def cluster_of(self, pcpu):
        """The x2APIC cluster of a pCPU."""
        cdef mk_vm *vm = context(self).vm
        return vm.cluster_of[pcpu_number(vm, pcpu, 0)]

    def node_of(self, pcpu):
        """The NUMA node of a pCPU."""
        cdef mk_vm *vm = context(self).vm
        return vm.node_of[pcpu_number(vm, pcpu, 0)]

    def apic_of(self, pcpu):
        """The APIC id of a pCPU."""
        cdef mk_vm *vm = context(self).vm
        return vm.apic_of[pcpu_number(vm, pcpu, 0)]

    # ---- preemption, barriers, points ----

    def get_cpu(self):
        """Preemption off; the current pCPU."""
        return k.get_cpu(context(self))

    def put_cpu(self):
        """Preemption on again; a deschedule that was asked for meanwhile happens here."""
        cdef mk_ctx *c = context(self)
        if c.preempt_count == 0:
            raise RuntimeError("put_cpu() without get_cpu(): preemption is on")
        with nogil:
            k.put_cpu(c)

    def preempt_disabled(self):
        """``with vm.preempt_disabled() as me:`` is get_cpu() and put_cpu()."""
        cdef PreemptDisabled guard = PreemptDisabled.__new__(PreemptDisabled)
        context(self)
        guard.view = self
        return guard

    def smp_mb(self):
        """A full barrier. Say at each call what it pairs with."""
        mk_fence(context(self), MK_SMP_MB, b"smp_mb")

    def smp_wmb(self):
        """Stores before are seen before stores after it."""
        mk_fence(context(self), MK_SMP_WMB, b"smp_wmb")

    def smp_rmb(self):
        """Loads before are done before loads after it."""
        mk_fence(context(self), MK_SMP_RMB, b"smp_rmb")

    def membarrier(self):
        """A full barrier on every sibling thread, waited for."""
        cdef mk_ctx *c = context(self)
        with nogil:
            c.vm.machine.membarrier(c)

    def point(self, name, vcpu=None):
        """Pass a named point: race injectors are asked. Returns their Verdict."""
        cdef mk_ctx *c = context(self)
        cdef int at = one_of("point", name, POINT_IDS), verdict
        cdef mk_vcpu *v = NULL if vcpu is None else vcpu_of(c.vm, vcpu)
        if v != NULL and c.vcpu == v:
            mk_remember(c, at)
        with nogil:
            verdict = mk_point(c, at, v)
        return Verdict(verdict)

    def choose(self, n, probability=0.5):
        """0 .. n - 1. Live and simulated: 0 with 1 - *probability*, else one of the others; a checked world tries them all."""
        cdef mk_ctx *c = context(self)
        cdef int count = n
        cdef double p = probability
        if count < 1 or not 0.0 <= p <= 1.0:
            raise ValueError(f"choose({n}, {probability}): expected n from 1 up and a probability of 0 to 1")
        if c.world != NULL:
            return c.world.choose(c, count, p, b"choose")
        if count == 1 or mk_random_unit(c) >= p:
            return 0
        return 1 + mk_random(c) % <unsigned>(count - 1)

    def note(self, event, vcpu=None, a=0, b=0):
        """Tell the observer of an event (recorder.EVENTS names them); the code under test cannot see it."""
        cdef mk_ctx *c = context(self)
        mk_note(c, one_of("event", event, EVENT_IDS), NULL if vcpu is None else vcpu_of(c.vm, vcpu), <uint64_t>a, <uint64_t>b)

    # ---- the strategy's own word of each vCPU ----

    def strategy_load(self, vcpu, order="relaxed"):
        """The word of *vcpu* that belongs to the strategy (64 bits, 0 at first)."""
        cdef mk_ctx *c = context(self)
        cdef uint64_t value = 0
        mk_load64(c, &vcpu_of(c.vm, vcpu).strategy, one_of("order", order, ORDERS), b"vcpu.strategy", &value)
        return value

    def strategy_store(self, vcpu, value, order="relaxed"):
        """Store it."""
        cdef mk_ctx *c = context(self)
        mk_store64(c, &vcpu_of(c.vm, vcpu).strategy, one_of("order", order, ORDERS), b"vcpu.strategy", <uint64_t>value)

    def strategy_rmw(self, vcpu, op, operand, expected=0, order="full"):
        """or, and, add, xchg or cmpxchg (which stores only where it finds *expected*). The old value."""
        cdef mk_ctx *c = context(self)
        cdef uint64_t old = 0
        mk_rmw64(c, &vcpu_of(c.vm, vcpu).strategy, one_of("operation", op, RMWS), one_of("order", order, ORDERS), b"vcpu.strategy",
                 <uint64_t>operand, <uint64_t>expected, &old)
        return old

    def lock(self, vcpu):
        """Take the vCPU's word as a spin lock: acquire, no full barrier."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        with nogil:
            mk_lock(c, &v.strategy, b"vcpu.strategy")

    def unlock(self, vcpu):
        """Give it back: release."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        with nogil:
            mk_unlock(c, &v.strategy, b"vcpu.strategy")
