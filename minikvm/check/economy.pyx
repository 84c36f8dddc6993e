"""P9: IPIs that no target asked for, as live runs count them (live/ghost.pyx).

A target asks for an IPI to the pCPU that the caller read for it if the truth table of docs/protocol.md says so for the mode that the caller
read. What a strategy sends to a pCPU for which nobody asked, or once more than was asked, is needless. A mode that was not read asks for
nothing: a strategy that looks at none owes its economy to luck. Function-call IPIs only: reschedule IPIs (kvm_vcpu_kick()), membarriers and
what injectors raise are not the table's.
"""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.check.graph cimport note
from minikvm.check.scene cimport NOTE_MASK
from minikvm.check.stays cimport judging, made_call, next_note
from minikvm.core.kick cimport mode_needs_ipi
from minikvm.core.world cimport MK_EV_MASKED, MK_EV_MODE

cdef enum:
    MASK_PCPUS = 64  # NOTE_MASK holds a mask's first word


cdef void count_askers(const judging *j, const made_call *c, uint8_t *askers) noexcept nogil:
    """Of each pCPU: for how many targets an IPI to it was asked for."""
    cdef uint64_t asks = 0
    cdef int32_t at = c.note_begin
    cdef const note *n = next_note(j, c, &at)
    while n is not NULL:
        if n.kind == MK_EV_MODE and mode_needs_ipi(<uint32_t>n.a, j.s.calls[c.number].request):
            asks |= (<uint64_t>1) << n.subject
        n = next_note(j, c, &at)
    at = c.note_begin
    n = next_note(j, c, &at)
    while n is not NULL:
        if n.kind == MK_EV_MASKED and n.b and asks >> n.subject & 1 and n.a < MASK_PCPUS:
            askers[n.a] += 1
        n = next_note(j, c, &at)


cdef int32_t needless_ipis(const judging *j, const made_call *c) noexcept nogil:
    cdef uint8_t askers[MASK_PCPUS]
    cdef bint counted = False
    cdef int32_t p, needless = 0
    cdef int32_t at = c.note_begin
    cdef const note *n = next_note(j, c, &at)
    while n is not NULL:
        if n.kind == NOTE_MASK:
            if not counted:
                memset(askers, 0, sizeof(askers))
                count_askers(j, c, askers)
                counted = True
            for p in range(min(j.s.all_pcpus, MASK_PCPUS)):
                if not n.a >> p & 1 or <uint64_t>p == n.subject:  # nobody interrupts itself
                    continue
                if askers[p]:
                    askers[p] -= 1
                else:
                    needless += 1
        n = next_note(j, c, &at)
    return needless
