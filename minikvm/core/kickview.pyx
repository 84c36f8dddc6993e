"""The kick path's Python face (requests.pxd, kick.pxd): the same steps in the same order, each one call."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core cimport kick as k
from minikvm.core cimport requests as r
from minikvm.core.arguments cimport cpu_mask, pcpu_number, request_value, target_mask, vcpu_of
from minikvm.core.bitmap cimport Bitmap
from minikvm.core.vmview cimport VmView, context, lent_mask
from minikvm.core.world cimport MK_PLAIN, MK_RELAXED, mk_ctx, mk_vcpu

from enum import IntEnum as _IntEnum

from minikvm.core.vcpu import Mode as _Mode


class Kicked(_IntEnum):
    """What one kick did: exactly one of these (R5)."""

    NOTHING = 0
    WOKEN = 1
    SENT = 2


cdef class KickView(VmView):
    """A VmView with the requests and the kick path, for whoever runs in one context."""

    # ---- requests ----

    def make_request(self, req, vcpu):
        """kvm_make_request(): write barrier, then set the bit (R9)."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef uint32_t word = request_value(req)
        with nogil:
            r.make_request(c, word, v)

    def test_request(self, req, vcpu):
        """kvm_test_request(): is the bit set? No barrier."""
        cdef mk_ctx *c = context(self)
        return r.test_request(c, request_value(req), vcpu_of(c.vm, vcpu)) != 0

    def clear_request(self, req, vcpu):
        """kvm_clear_request(): no barrier. For the requester that opens its gate again (R23)."""
        cdef mk_ctx *c = context(self)
        r.clear_request(c, request_value(req), vcpu_of(c.vm, vcpu))

    def check_request(self, req, vcpu):
        """kvm_check_request(): test, clear, full barrier. True when it was made and is now the caller's to handle."""
        cdef mk_ctx *c = context(self)
        return r.check_request(c, request_value(req), vcpu_of(c.vm, vcpu)) != 0

    def request_pending(self, vcpu):
        """kvm_request_pending(): all request bits, read once, no barrier."""
        cdef mk_ctx *c = context(self)
        cdef uint64_t bits = 0
        r.request_pending(c, vcpu_of(c.vm, vcpu), &bits)
        return bits

    # ---- one target ----

    def wake_up(self, vcpu):
        """kvm_vcpu_wake_up(): True when it was asleep and this call woke it."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef int woken
        with nogil:
            woken = k.wake_up(c, v)
        return woken != 0

    def exiting_guest_mode(self, vcpu):
        """kvm_vcpu_exiting_guest_mode(): full barrier, IN_GUEST_MODE becomes EXITING_GUEST_MODE. The old Mode."""
        cdef mk_ctx *c = context(self)
        cdef uint32_t mode = 0
        k.exiting_guest_mode(c, vcpu_of(c.vm, vcpu), &mode)
        return _Mode(mode)

    def needs_ipi(self, vcpu, req):
        """kvm_request_needs_ipi(): move the mode on; does the old one ask for an IPI (the truth table of docs/protocol.md)?"""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef uint32_t word = request_value(req)
        cdef int needs
        with nogil:
            needs = k.needs_ipi(c, v, word)
        return needs != 0

    def read_cpu(self, vcpu, plain=False):
        """vcpu.cpu, -1 for none: READ_ONCE, or the plain read of older forms; then the point kick.cpu_read."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef int order = MK_PLAIN if plain else MK_RELAXED
        cdef int32_t cpu = -1
        with nogil:
            k.read_cpu(c, v, order, &cpu)
        return cpu

    def mask_cpu(self, vcpu, cpu, me, mask):
        """Add pCPU *cpu* of *vcpu* to the mask unless it is none (-1) or the current one (*me*). True when added; the report counts it."""
        cdef mk_ctx *c = context(self)
        cdef Bitmap words = cpu_mask(c.vm, mask)
        return k.mask_cpu(c, vcpu_of(c.vm, vcpu), pcpu_number(c.vm, cpu, -1), pcpu_number(c.vm, me, -1), words.words) != 0

    def make_vcpu_request(self, vcpu, req, mask, me):
        """kvm_make_vcpu_request(): all steps for one target in the final order. True when its pCPU was added to the mask."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef Bitmap words = cpu_mask(c.vm, mask)
        cdef uint32_t word = request_value(req)
        cdef int32_t here = pcpu_number(c.vm, me, -1)
        cdef int asked
        with nogil:
            asked = k.make_vcpu_request(c, v, word, words.words, here)
        return asked != 0

    # ---- all targets ----

    def kick_mask(self):
        """The current pCPU's own kick mask, cleared: memory of the VM, so only with preemption off and until put_cpu()."""
        return lent_mask(self, k.kick_mask(context(self)))

    def zalloc_cpumask(self):
        """A cleared mask of the caller's own, or None when an injector makes the allocation fail (as before Linux 5.16)."""
        cdef mk_ctx *c = context(self)
        cdef uint64_t *words = NULL
        with nogil:
            k.zalloc_cpumask(c, &words)
        return None if words == NULL else lent_mask(self, words)

    def kick_many(self, mask, wait=False):
        """kvm_kick_many_cpus(): a function-call IPI to each pCPU of the mask (None: all online). False when it is empty."""
        cdef mk_ctx *c = context(self)
        cdef Bitmap words = None if mask is None else cpu_mask(c.vm, mask)
        cdef const uint64_t *at = NULL if words is None else words.words
        cdef bint waits = wait
        cdef int sent
        with nogil:
            sent = k.kick_many(c, at, waits)
        return sent != 0

    def send_call(self, mask, wait=False):
        """Send to each pCPU of the mask but the current one, without awaiting acknowledgements; with *wait*, call_wait() awaits them."""
        cdef mk_ctx *c = context(self)
        cdef Bitmap words = cpu_mask(c.vm, mask)
        cdef bint waits = wait
        with nogil:
            k.send_call(c, words.words, waits)

    def call_wait(self):
        """Wait for all acknowledgements that send_call() asked for, serving the own pCPU meanwhile."""
        cdef mk_ctx *c = context(self)
        with nogil:
            c.vm.machine.call_wait(c)

    def kick(self, vcpu):
        """kvm_vcpu_kick(): wake it, or make it leave the guest (a promise that it will, not that it has: R21). What was done: Kicked."""
        cdef mk_ctx *c = context(self)
        cdef mk_vcpu *v = vcpu_of(c.vm, vcpu)
        cdef int done
        with nogil:
            done = k.kick(c, v)
        return Kicked(done)

    def reschedule(self, pcpu):
        """The IPI of a plain kick, without an acknowledgement (R25)."""
        cdef mk_ctx *c = context(self)
        cdef int32_t to = pcpu_number(c.vm, pcpu, 0)
        with nogil:
            c.vm.machine.reschedule(c, to)

    def make_vcpus_request_mask(self, req, targets):
        """kvm_make_vcpus_request_mask(): the request to each vCPU of the mask (Bitmap or ints). True when an IPI was sent."""
        cdef mk_ctx *c = context(self)
        cdef Bitmap words
        cdef uint32_t word = request_value(req)
        cdef int sent
        if targets is None:
            raise TypeError("targets is None: expected a mask; make_all_cpus_request() is for all")
        words = target_mask(c.vm, targets)
        with nogil:
            sent = k.make_vcpus_request_mask(c, word, words.words)
        return sent != 0

    def make_all_cpus_request(self, req):
        """kvm_make_all_cpus_request(): the request to every vCPU. True when an IPI was sent."""
        cdef mk_ctx *c = context(self)
        cdef uint32_t word = request_value(req)
        cdef int sent
        with nogil:
            sent = k.make_all_cpus_request(c, word)
        return sent != 0
