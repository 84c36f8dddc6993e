"""The Linux kernel's memory model, without RCU and SRCU.

Sources: tools/memory-model/linux-kernel.{cat,bell,def}, lock.cat and Documentation/explanation.txt, Linux 6.1 and later (with the rmw-sequences
of 6.3); Alglave, Maranget, McKenney, Parri and Stern, Frightening Small Children and Disconcerting Grown-ups, ASPLOS 2018. The axioms:
  acyclic(po-loc U rf U co U fr)         (coherence)         empty(rmw & (fre; coe))    (atomic: the explorer's own)
  acyclic(hb)                            (happens-before)    acyclic(pb)                (propagation)
  ppo = to-r U to-w U fence U (po-unlock-lock-po & int)
  to-w = ((addr U data U ctrl); [W]) U ((co U fr) & int)     to-r = (addr; [R]) U ((addr U data); [Marked]; rfi)
  cumul-fence = (rfe?; (strong-fence U po-rel) U wmb U po-unlock-lock-po); (rf; rmw)*
  prop = ((co U fr) & ext)?; cumul-fence*; rfe?
  hb = ppo U rfe U ((prop \\ id) & int)   pb = prop; strong-fence; hb*

What each operation is: docs/protocol.md. In particular an RMW is two events: smp_wmb orders only its write, smp_rmb only its read, and not even that
when it returns no value; smp_mb__before_atomic orders what is before it against the next RMW and what follows that, smp_mb__after_atomic the
last RMW and what is before that against what follows; an RMW that fails is a relaxed read, ordered by those two as any RMW. A seq_cst
fence is smp_mb; C11's other fences are nothing. A seq_cst access, which the kernel has not, is an acquire or a release.
spin_unlock is a release store to what the thread has locked.

Not as in the kernel's: executions with a cycle in po and rf are not looked at (the explorer finds none). Plain accesses count as marked
ones, untorn and unrepeated (plain-coherence therefore asks nothing new); races.pyx takes them as what they are. A compiled program
states no dependencies and has none here: more is allowed, never less.
"""
from libc.stdint cimport int32_t
from minikvm.check.graph cimport NONE, mk_graph
from minikvm.check.model cimport mk_model, model_capsule
from minikvm.check.models._kernel cimport kernel_base, kernel_derive, kernel_graph
from minikvm.check.models._places cimport coherent
from minikvm.check.models.sc cimport closes_cycle
from minikvm.check.scratch cimport SCRATCH_MODEL
from minikvm.core.world cimport MK_ABI

from minikvm.kinds import MemoryModel


cdef int consistent(const mk_model *m, const mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    cdef kernel_graph k
    if not coherent(g, e) or (r != NONE and not coherent(g, r)):
        return 0
    # hb and pb are made of po, rf, co and fr: without a cycle of these there is none of those.
    if not closes_cycle(g, e, r):
        return 1
    kernel_base(&k, g, SCRATCH_MODEL, True)
    return kernel_derive(&k)


# Not MONOTONE: reading an older write gives less order through rfe.
cdef mk_model table
table.abi = MK_ABI
table.size = sizeof(mk_model)
table.consistent = consistent


class LKMM(MemoryModel):
    """The Linux kernel's memory model (tools/memory-model), without RCU and without load buffering.

    Source: linux-kernel.cat, Linux 6.1 and later; Alglave et al., ASPLOS 2018. What each operation is here: docs/protocol.md.
    """

    name = "lkmm"

    def native(self):
        """The mk_model capsule; its struct is the module's own."""
        return model_capsule(&table)
