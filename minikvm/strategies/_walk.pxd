# cython: language_level=3
"""The targets of a call, walked by their set bits: what most strategies begin with. Holes of the table are skipped.

    cdef target_walk t = begin_targets(c, targets)
    cdef mk_vcpu *v = next_target(c, &t)
    while v is not NULL:
        ...
        v = next_target(c, &t)

The walk holds the current word in a register, as the kernel's for_each_set_bit() over a word does; at its
end it adds the places that it looked at to ``c.visited``.
"""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.bits cimport ctz64
from minikvm.core.world cimport MK_NO_VCPU, mk_ctx, mk_vcpu

cdef struct target_walk:
    const uint64_t *targets  # vcpu_words words; NULL: every vCPU
    uint64_t word            # what is left of the current word
    uint32_t at              # its place
    # The table does not move or grow. Read once: after an atomic operation a compiler would read the VM's members again.
    uint32_t nr_vcpus
    mk_vcpu *vcpus
    uint64_t visited


cdef inline uint64_t targets_word(const target_walk *t) noexcept nogil:
    """The current word of the targets, without the bits past the table's end (which a caller's bitmap may have)."""
    cdef uint64_t word = ~(<uint64_t>0) if t.targets == NULL else t.targets[t.at]
    cdef uint32_t left = t.nr_vcpus - t.at * 64
    return word if left >= 64 else word & (((<uint64_t>1) << left) - 1)


cdef inline target_walk begin_targets(mk_ctx *c, const uint64_t *targets) noexcept nogil:
    cdef target_walk t
    t.targets = targets
    t.at = 0
    t.nr_vcpus = c.vm.nr_vcpus
    t.vcpus = c.vm.vcpus
    t.visited = 0
    t.word = targets_word(&t)
    return t


cdef inline mk_vcpu *next_target(mk_ctx *c, target_walk *t) noexcept nogil:
    """The next target, NULL at the end. Not to be called again after that."""
    cdef mk_vcpu *v
    while True:
        while t.word == 0:
            t.at += 1
            if t.at * 64 >= t.nr_vcpus:
                c.visited += t.visited
                return NULL
            t.word = targets_word(t)
        v = &t.vcpus[t.at * 64 + ctz64(t.word)]
        t.word &= t.word - 1
        t.visited += 1
        if v.id != MK_NO_VCPU:
            return v


cdef extern from *:
    """
    #include <minikvm/minikvm.h>
    MK_INLINE int mk_is_target(const uint64_t *targets, size_t i)
    {
        return mk_unlikely(targets[i >> 6] >> (i & 63) & 1); /* few of many: laid out for the others */
    }
    """
    bint is_target "mk_is_target"(const uint64_t *targets, size_t i) noexcept nogil
