"""A kicker against a vCPU that is put and loaded all the time, on two threads: is every request seen?"""
cimport cython
from libc.stdint cimport uint64_t
from minikvm.core.entry cimport vcpu_load, vcpu_put
from minikvm.core.kick cimport dispatch
from minikvm.core.standalone cimport Standalone
from minikvm.core.vcpu cimport VCpu
from minikvm.core.world cimport (
    MK_CTX_TASK, MK_CTX_VCPU, MK_RELAXED, MK_SEQ_CST, MK_XCHG, mk_atomic64, mk_bare_load64, mk_bare_rmw64, mk_bare_store64, mk_ctx, mk_vcpu)

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef enum:
    PATIENCE = 20_000_000  # looks until a request counts as lost


@cython.final
cdef class Race:
    """``Race(vm, idx)``: run vcpu() and kicker() on two threads. *vm* has at least two pCPUs, and does nothing else meanwhile."""

    cdef Standalone vm
    cdef mk_vcpu *v
    cdef mk_ctx ctx[2]
    cdef mk_atomic64 made, seen, over
    cdef uint64_t targets

    def __cinit__(self, Standalone vm not None, unsigned idx):
        cdef VCpu view = vm.table[idx]
        cdef int i
        if idx >= 64:
            raise ValueError(f"vCPU {idx}: expected 0..63")
        self.vm = vm
        self.v = view.v
        self.targets = (<uint64_t>1) << idx
        for i in range(2):
            self.ctx[i].vm = vm.c.vm
            self.ctx[i].priv = vm.c.priv
            self.ctx[i].pcpu = i
            self.ctx[i].kind = MK_CTX_TASK if i else MK_CTX_VCPU

    def vcpu(self):
        """Put and load until the kicker is done; what a load finds requested counts as seen. Returns the number of loads."""
        cdef uint64_t loads = 0
        with nogil:
            while not mk_bare_load64(&self.over, MK_RELAXED):
                vcpu_put(&self.ctx[0], self.v)
                vcpu_load(&self.ctx[0], self.v)
                loads += 1
                if mk_bare_rmw64(&self.v.requests, MK_XCHG, MK_SEQ_CST, 0, 0):
                    mk_bare_store64(&self.seen, MK_SEQ_CST, mk_bare_load64(&self.made, MK_SEQ_CST))
        return loads

    def kicker(self, unsigned req, uint64_t rounds):
        """Make *rounds* requests, each after the one before was seen. Returns how many were seen."""
        cdef uint64_t i = 0, looks
        with nogil:
            while i < rounds:
                mk_bare_store64(&self.made, MK_SEQ_CST, i + 1)
                dispatch(&self.ctx[1], req, &self.targets)
                looks = 0
                while mk_bare_load64(&self.seen, MK_SEQ_CST) <= i and looks < PATIENCE:
                    looks += 1
                    if looks % 64 == 0:
                        sched_yield()
                if looks == PATIENCE:
                    break
                i += 1
            mk_bare_store64(&self.over, MK_SEQ_CST, 1)
        return i
