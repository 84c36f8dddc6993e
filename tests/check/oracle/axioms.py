"""The four memory models, written down as their papers and cat files do, over graphs whose RMWs are two events and a link, rmw.

sc, tso: Alglave, Maranget, Tautschnig, TOPLAS 2014 (TSO as a machine: Owens, Sarkar, Sewell, TPHOLs 2009). rc11: Lahav et al., PLDI 2017,
as herd7's rc11.cat has it. lkmm: tools/memory-model/linux-kernel.{bell,cat,def} as of Linux 6.3, without RCU; locks as lock.cat.
Initial writes are no events here: nothing comes before them, so they are in no cycle; from-read knows them.
"""
from __future__ import annotations

from .relations import Rel, acyclic, empty, irreflexive
from .statements import INIT, RMWS

LIVES = ("SPAWN", "JOIN")
SC_FENCES = ("mb", "sc", "before_atomic", "after_atomic", "after_spinlock", "after_unlock_lock")


class Execution:
    """A graph as sets and relations. `around`: fences that stand around a fully ordered RMW that wrote, in the models that see them so."""

    def __init__(self, graph, around=None):
        self.sets = {}
        self._n = 0
        self._pairs = {name: [] for name in ("po", "loc", "int", "rmw", "rf", "co", "addr", "data", "ctrl")}
        self._reader, self._writer = {}, {}  # (thread, place) -> event
        self._locs, self._threads = [], []
        self._lives = []  # SPAWN or JOIN, event, thread
        self._locked = {}
        for t, events in enumerate(graph.threads):
            for i, event in enumerate(events):
                self._add(t, i, event, around)
        for t, rfs in enumerate(graph.rf):
            for i, rf in enumerate(rfs):
                if rf not in (None, INIT):
                    self._pairs["rf"].append((self._writer[rf], self._reader[t, i]))
        for _, order in graph.co:
            events = [self._writer[w] for w in order]
            self._pairs["co"] += [(a, b) for k, a in enumerate(events) for b in events[k + 1:]]
        self._finish(graph)

    def _event(self, t, loc, *members):
        n = self._n
        self._n += 1
        self._pairs["po"] += [(a, n) for a, other in enumerate(self._threads) if other == t]
        self._threads.append(t)
        self._locs.append(loc)
        for name in members:
            self.sets.setdefault(name, []).append(n)
        return n

    def _add(self, t, i, event, around):
        s = event.statement
        if event.kind == "F":
            self._event(t, None, "F", "F:" + s.order)
            return
        if event.kind in ("SPAWN", "JOIN"):
            self._lives.append((event.kind, self._event(t, None, "F", "F:" + event.kind), s.args[0]))
            return
        if event.kind == "CHOOSE":
            return
        rmw = s.op in RMWS or s.op == "LOCK"
        locks = s.op == "LOCK" or (s.op == "TRYLOCK" and event.kind == "RMW")
        if locks:
            self._locked.setdefault(t, []).append(event.loc)
        unlocks = s.op == "UNLOCK" and event.loc in self._locked.get(t, ())
        marks = [mark for mark, holds in (("RMW", rmw and (locks or s.op != "TRYLOCK")), ("LKR", locks), ("UL", unlocks),
                                          ("Noreturn", s.op in RMWS and s.reg is None)) if holds]
        fences = ["F", "F:" + around] if event.kind == "RMW" and s.order == "full" and around else None
        if fences:
            self._event(t, None, *fences)
        if event.kind in ("R", "RMW"):
            # An RMW that failed is a relaxed read, in every model that knows orders.
            order = "relaxed" if rmw and event.kind == "R" else s.order
            self._reader[t, i] = self._event(t, event.loc, "M", "R", "R:" + order, *marks)
        if event.kind in ("W", "RMW"):
            self._writer[t, i] = self._event(t, event.loc, "M", "W", "W:" + s.order, *marks)
        if event.kind == "RMW":
            self._pairs["rmw"].append((self._reader[t, i], self._writer[t, i]))
        if fences:
            self._event(t, None, *fences)
        mine = [events[t, i] for events in (self._reader, self._writer) if (t, i) in events]
        for name, places in zip(("addr", "data", "ctrl"), event.deps, strict=True):
            self._pairs[name] += [(self._reader[t, p], e) for p in places for e in mine]

    def _finish(self, graph):
        n = self._n
        ids = range(n)
        self._pairs["loc"] = [(a, b) for a in ids for b in ids if self._locs[a] is not None and self._locs[a] == self._locs[b]]
        self._pairs["int"] = [(a, b) for a in ids for b in ids if self._threads[a] == self._threads[b]]
        for kind, event, thread in self._lives:
            self._pairs["po"] += [(event, e) if kind == "SPAWN" else (e, event) for e in ids if self._threads[e] == thread]
        for name, pairs in self._pairs.items():
            setattr(self, name, Rel.pairs(n, pairs))
        if self._lives:
            self.po = self.po.plus()  # the life of a thread is part of its parent's, from spawn to join
        self.M, self.R, self.W = self["M"], self["R"], self["W"]
        self.data = self.data @ self.W
        from_init = [(self._reader[t, i], w) for t, rfs in enumerate(graph.rf) for i, rf in enumerate(rfs) if rf == INIT
                     for w in self.sets.get("W", ()) if self._locs[w] == graph.threads[t][i].loc]
        self.fr = ((self.rf.inverse() @ self.co) | Rel.pairs(n, from_init)) - self.po.identity()
        self.po_loc = self.po & self.loc
        self.place = {e: place for events in (self._reader, self._writer) for place, e in events.items()}
        self.ext = Rel(~row & (1 << n) - 1 for row in self.int.rows)

    def __getitem__(self, names):
        """[A | B | ...]"""
        names = names if isinstance(names, tuple) else (names,)
        return Rel.diagonal(self._n, (e for name in names for e in self.sets.get(name, ())))

    def fencerel(self, *kinds):
        return self.po @ self[tuple("F:" + kind for kind in kinds)] @ self.po


def coherent(x):
    """What all models share: one order per location, atomic RMWs, and (a restriction of minikvm's) nothing out of thin air."""
    return (acyclic(x.po_loc | x.rf | x.co | x.fr)
            and empty(x.rmw & ((x.fr & x.ext) @ (x.co & x.ext)))
            and acyclic(x.po | x.rf))


def sc(graph):
    x = Execution(graph)
    return coherent(x) and acyclic(x.po | x.rf | x.co | x.fr)


def tso(graph):
    x = Execution(graph)
    if not coherent(x):
        return False
    # A thread's start and a join drain the buffer, as the system calls they are.
    ppo = (x.M @ x.po @ x.M) - (x.W @ x.po @ x.R)
    locked = x["RMW", "W:sc"]  # RMWs that fail, too: they drain the buffer although they write nothing; a seq_cst store is an xchg
    implied = (x.W @ x.po @ (locked & x.R)) | ((locked & x.W) @ x.po @ x.R)
    return acyclic(ppo | x.fencerel(*SC_FENCES, *LIVES) | implied | (x.rf & x.ext) | x.co | x.fr)


ACQUIRE = ("acquire", "acq_rel", "sc")
RELEASE = ("release", "acq_rel", "sc")


def happens_before(x):
    """C11's hb. Plain accesses count as relaxed ones (minikvm's own)."""
    acquire = x[tuple("R:" + k for k in ACQUIRE) + tuple("F:" + k for k in ("rmb", *ACQUIRE, *SC_FENCES))]
    release = x[tuple("W:" + k for k in RELEASE) + tuple("F:" + k for k in ("wmb", *RELEASE, *SC_FENCES))]
    sb = x.po
    rs = x.W @ (sb & x.loc).optional() @ x.W @ (x.rf @ x.rmw).star()
    sw = release @ (x["F"] @ sb).optional() @ rs @ x.rf @ x.R @ (sb @ x["F"]).optional() @ acquire
    return (sb | sw).plus()


def rc11(graph):
    x = Execution(graph, around="sc")
    if not coherent(x):
        return False
    sc_fence = x[tuple("F:" + k for k in SC_FENCES)]
    seq_cst = x["R:sc", "W:sc"] | sc_fence
    hb, sb, mo, rb = happens_before(x), x.po, x.co, x.fr
    eco = (x.rf | mo | rb).plus()
    sbl = sb - x.loc
    scb = sb | (sbl @ hb @ sbl) | (hb & x.loc) | mo | rb
    pscb = (seq_cst | (sc_fence @ hb.optional())) @ scb @ (seq_cst | (hb.optional() @ sc_fence))
    pscf = sc_fence @ (hb | (hb @ eco @ hb)) @ sc_fence
    return irreflexive(hb @ eco.optional()) and irreflexive(x.rmw @ eco) and acyclic(pscb | pscf)


class Kernel:
    """The relations of linux-kernel.cat. marked: [Marked]; with all accesses in it, plain ones count as marked."""

    def __init__(self, x, marked):
        m, po = x.M, x.po
        acq_po = (x["R:acquire", "R:acq_rel"] - x["Noreturn"]) @ po @ m
        po_rel = m @ po @ x["W:release", "W:acq_rel"]
        r4rmb = x.R - x["Noreturn"]
        self.rmb = r4rmb @ x.fencerel("rmb") @ r4rmb
        wmb = x.W @ x.fencerel("wmb") @ x.W
        rmw = x["RMW"] - x["LKR"]
        unlock_lock = po @ x["UL"] @ (po | x.rf) @ (x["LKR"] & x.R) @ po
        lkw = x["LKR"] & x.W
        lives = x.po & x.ext  # from before a thread's start to the thread, from the thread to after its join: minikvm's own
        self.strong_fence = m @ (x.fencerel("mb", "sc") | lives
                                 | (x.fencerel("before_atomic") @ rmw @ po.optional())
                                 | (po.optional() @ rmw @ x.fencerel("after_atomic"))
                                 | (po.optional() @ lkw @ x.fencerel("after_spinlock"))
                                 | (po @ x["UL"] @ (x.co | po) @ lkw @ x.fencerel("after_unlock_lock"))) @ m
        self.nonrw_fence = self.strong_fence | po_rel | acq_po
        self.fence = self.nonrw_fence | wmb | self.rmb
        carry_dep = (x.data @ (x.rf & x.int)).star()  # linux-kernel.bell, since 6.3
        self.addr = addr = carry_dep @ x.addr
        data, ctrl = carry_dep @ x.data, carry_dep @ x.ctrl
        dep = addr | data
        rwdep = (dep | ctrl) @ x.W
        overwrite = x.co | x.fr
        rfe, rfi = x.rf & x.ext, x.rf & x.int
        to_w = rwdep | (overwrite & x.int) | (addr @ (m - marked) @ wmb)
        to_r = addr | (dep @ marked @ rfi)
        ppo = to_r | to_w | self.fence | (unlock_lock & x.int)
        self.rmw_sequence = (x.rf @ x.rmw).star()  # since 6.3
        cumulative = (rfe @ marked).optional() @ (self.strong_fence | po_rel)
        self.cumul_fence = marked @ (cumulative | wmb | unlock_lock) @ marked @ self.rmw_sequence
        prop = marked @ (overwrite & x.ext).optional() @ self.cumul_fence.star() @ marked @ rfe.optional() @ marked
        self.hb = marked @ (ppo | rfe | ((prop - prop.identity()) & x.int)) @ marked
        self.pb = prop @ self.strong_fence @ self.hb.star() @ marked


def lkmm(graph):
    x = Execution(graph, around="mb")
    if not coherent(x):
        return False
    k = Kernel(x, x.M)
    return acyclic(k.hb) and acyclic(k.pb)


MODELS = {"sc": sc, "tso": tso, "rc11": rc11, "lkmm": lkmm}
