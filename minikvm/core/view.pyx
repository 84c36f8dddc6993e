"""CurrentVM: what a Python strategy, injector, back end or run loop gets as ``vm``."""
cimport cython
from libc.stdint cimport int32_t, uint64_t
from minikvm.core cimport entry as e
from minikvm.core.arguments cimport one_of, pcpu_number, vcpu_of
from minikvm.core.kickview cimport KickView
from minikvm.core.vmview cimport context, expire, prepare
from minikvm.core.world cimport MK_RELAXED, MK_RELEASE, MK_SMP_MB, mk_ctx, mk_fence, mk_store32, mk_strategy, mk_vcpu

from minikvm.core.vcpu import Mode as _Mode

cdef dict STORE_ORDERS = {"plain": 0, "relaxed": 1, "release": 3, "seq_cst": 5}
cdef dict ARCHITECTURES = {"arm64": 0, "x86": 1}


@cython.final
cdef class CurrentVM(KickView):
    """The VM, seen from the context that calls the plugin: its ``current`` vCPU (if any) and its ``this_cpu``.

    Valid during the call that it was given to, with everything that it gives out (vCPUs, kick masks): after that, RuntimeError. Where
    a vCPU is asked for, a VCpu of this VM or its place in the table will do (IndexError: a hole, or past the end; ValueError:
    another VM's); where a request is asked for, a Request or an int with its id and flags. The names are the kernel's.

    Thread-safety: it belongs to its context, thus to one thread at a time.
    """

    # ---- the vCPU's side (entry.pxd), for run loops ----

    def irq_disable(self):
        """IRQs off: IPIs stay pending. No barrier."""
        cdef mk_ctx *c = context(self)
        with nogil:
            c.vm.machine.irq_disable(c)

    def irq_enable(self):
        """IRQs on, and what came meanwhile is handled here. No barrier."""
        cdef mk_ctx *c = context(self)
        with nogil:
            c.vm.machine.irq_enable(c)

    def enter_guest(self, vcpu):
        """Unmask IRQs and run the guest, atomically, until it exits. True: a fast-path exit, repeat the last check and enter again."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef int again
        with nogil:
            again = c.vm.machine.enter_guest(c, v)
        return again != 0

    def handle_requests(self, vcpu):
        """Check and handle every request that is not a gate or sticky; how many there were."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef int consumed
        with nogil:
            consumed = e.handle_requests(c, v)
        return consumed

    def last_check(self, vcpu, checks_exiting=True):
        """kvm_vcpu_exit_request(): (must the guest not be entered?, the request bits that were seen).

        checks_exiting: x86 also looks for EXITING_GUEST_MODE, arm64 does not (R19).
        """
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef bint exiting = checks_exiting
        cdef uint64_t seen = 0
        cdef int aborts
        with nogil:
            aborts = e.last_check(c, v, exiting, &seen)
        return aborts != 0, seen

    def work_pending(self):
        """Do IPIs, a deschedule or the VM's end wait for this pCPU?"""
        cdef mk_ctx *c = context(self)
        cdef int work
        with nogil:
            work = c.vm.machine.work_pending(c)
        return work != 0

    def await_requests(self, vcpu, seen):
        """After an entry that only a gate aborted: wait until the requests are not *seen* any more, or for other work (P5)."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef uint64_t bits = seen
        with nogil:
            c.vm.machine.await_requests(c, v, bits)

    def set_mode(self, vcpu, mode, order="relaxed"):
        """Store vcpu.mode; order: plain, relaxed, release or seq_cst. Only the vCPU's own thread may (R8)."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        if c.vcpu != NULL and c.vcpu != v:
            raise ValueError(f"vCPU {c.vcpu.idx} stores the mode of vCPU {v.idx}: expected its own (R8)")
        mk_store32(c, &v.mode, one_of("order", order, STORE_ORDERS), b"vcpu.mode", _Mode(mode))

    def enter_barrier(self, vcpu):
        """What follows mode = IN_GUEST_MODE: the strategy's own barrier, or smp_mb(). Pairs with exiting_guest_mode()'s."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef const mk_strategy *s = c.vm.strategy
        with nogil:
            if s.enter_barrier != NULL:
                s.enter_barrier(c, s, v)
            else:
                mk_fence(c, MK_SMP_MB, b"enter_barrier")

    def vcpu_enter_guest(self, vcpu, arch="x86"):
        """One whole pass of the run loop: True after the guest was entered and left, False after an aborted entry. arch: x86 or arm64."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef bint x86 = one_of("architecture", arch, ARCHITECTURES)
        cdef int entered
        with nogil:
            entered = e.vcpu_enter_guest(c, v, x86, MK_RELEASE if x86 else MK_RELAXED)
        return entered != 0

    def shadow_walk(self, vcpu):
        """A shadow walk: no table page that it reads is freed before its end."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        with nogil:
            e.shadow_walk(c, v)

    def vcpu_block(self, vcpu):
        """kvm_vcpu_block(): sleep unless something is to be done. True when it slept."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef int slept
        with nogil:
            slept = e.vcpu_block(c, v)
        return slept != 0

    def vcpu_load(self, vcpu):
        """kvm_arch_vcpu_load(): vcpu.cpu = this_cpu, then the strategy's on_load. For engines; the slot must have been taken."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        with nogil:
            e.vcpu_load(c, v)

    def vcpu_put(self, vcpu):
        """kvm_arch_vcpu_put(): the strategy's on_put, then (arm64) vcpu.cpu = -1. Only with mode OUTSIDE_GUEST_MODE."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        with nogil:
            e.vcpu_put(c, v)

    # ---- the environment, for race injectors. True: it acted; False: the protocol would not have allowed it ----

    @property
    def point_pcpu(self):
        """The pCPU that the point is about (ipi.send), else -1."""
        return context(self).point_pcpu

    def migrate(self, vcpu, walk=False):
        """The host moves *vcpu* to another pCPU, where it first walks shadow pages if asked; waits for it."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef bint walks = walk
        cdef int acted
        with nogil:
            acted = c.vm.machine.migrate(c, v, walks)
        return acted != 0

    def preempt(self):
        """Deschedule the caller, here or at the next place that allows it."""
        cdef mk_ctx *c = context(self)
        cdef int acted
        with nogil:
            acted = c.vm.machine.preempt(c)
        return acted != 0

    def delay(self, ns):
        """Let *ns* nanoseconds pass."""
        cdef mk_ctx *c = context(self)
        cdef uint64_t time
        cdef int acted
        if ns < 0:
            raise ValueError(f"delay({ns}): expected nanoseconds from 0 up")
        time = <uint64_t>ns
        with nogil:
            acted = c.vm.machine.delay(c, time)
        return acted != 0

    def spurious_ipi(self, pcpu=-1):
        """A function-call IPI that nobody needs, to *pcpu* or (-1) to any."""
        cdef mk_ctx *c = context(self)
        cdef int32_t to = pcpu_number(c.vm, pcpu, -1)
        cdef int acted
        with nogil:
            acted = c.vm.machine.spurious_ipi(c, to)
        return acted != 0

    def spurious_wakeup(self, vcpu=None):
        """Wake *vcpu*, or (None) any sleeper, for no reason."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = NULL if vcpu is None else vcpu_of(c.vm, vcpu)
        cdef int acted
        with nogil:
            acted = c.vm.machine.spurious_wakeup(c, v)
        return acted != 0


cdef CurrentVM current_vm(mk_ctx *c):
    """A view that stays bound until its owner calls expire()."""
    cdef CurrentVM vm = CurrentVM.__new__(CurrentVM)
    prepare(vm, c)
    return vm


cdef CurrentVM entered(dict views, mk_ctx *c):
    """The view of a context, bound for one more call."""
    cdef CurrentVM vm = views.get(<size_t>c)
    if vm is None or vm.serial != c.vm.serial:  # the context of another VM may have stood at the same address
        vm = CurrentVM.__new__(CurrentVM)
        views[<size_t>c] = vm
    prepare(vm, c)
    vm.depth += 1
    return vm


cdef int left(CurrentVM vm) except -1:
    """The end of a call: of the outermost one, the end of all that was given out."""
    vm.depth -= 1
    if vm.depth == 0:
        expire(vm)
    return 0
