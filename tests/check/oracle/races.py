"""Data races of one execution: conflicting accesses of two threads, one of them plain, that nothing orders. As pairs of (thread, place)."""
from __future__ import annotations

from .axioms import Execution, Kernel, coherent, happens_before
from .relations import Rel, acyclic, empty


def product(a, b):
    """A * B, of sets written as relations."""
    column = 0
    for row in b.rows:
        column |= row
    return Rel(column if row else 0 for row in a.rows)


def places(x, pairs):
    return {frozenset((x.place[a], x.place[b])) for a, b in pairs}


def c11_races(graph):
    """Not ordered by C11's happens-before."""
    x = Execution(graph, around="sc")
    plain = x["R:plain", "W:plain"]
    conflicts = (product(x.W, x.M) | product(x.M, x.W)) & x.loc & x.ext & (product(plain, x.M) | product(x.M, plain))
    hb = happens_before(x)
    return places(x, conflicts - hb - hb.inverse())


class Bounds:
    """The relations of linux-kernel.cat's part on plain accesses, without RCU."""

    def __init__(self, x):
        plain = x["R:plain", "W:plain"]
        self.marked = marked = x.M - plain
        self.kernel = k = Kernel(x, marked)
        rfe = x.rf & x.ext
        r4rmb, returns = x.R - x["Noreturn"], x.M - x["Noreturn"]
        xbstar = (k.hb | k.pb).star()
        vis = k.cumul_fence.star() @ rfe.optional() @ marked @ ((k.strong_fence @ marked @ xbstar) | (xbstar & x.int))
        w_pre = marked @ (k.addr | k.fence).optional()
        r_pre = marked @ (k.addr | k.nonrw_fence | (r4rmb @ x.fencerel("rmb") @ returns)).optional()
        w_post = k.fence.optional() @ marked @ k.rmw_sequence
        r_post = (k.nonrw_fence | (returns @ x.fencerel("rmb") @ r4rmb)).optional() @ marked
        self.ww_vis = k.fence | (k.strong_fence @ xbstar @ w_pre) | (w_post @ vis @ w_pre)
        self.wr_vis = k.fence | (k.strong_fence @ xbstar @ r_pre) | (w_post @ vis @ r_pre)
        self.rw_xbstar = k.fence | (r_post @ xbstar @ w_pre)
        self.pre_race = x.ext & (product(plain, x.M) | product(x.M, plain))


def kernel_races(graph):
    """The data-race part of linux-kernel.cat, without RCU."""
    x = Execution(graph, around="mb")
    b = Bounds(x)
    ww_nonrace = b.ww_vis & (product(b.marked, x.W) | b.rw_xbstar) & (product(x.W, b.marked) | b.wr_vis)
    ww_race = (b.pre_race & x.co) - ww_nonrace
    wr_race = (b.pre_race & (x.co.optional() @ x.rf)) - b.wr_vis - b.rw_xbstar.inverse()
    rw_race = (b.pre_race & x.fr) - b.rw_xbstar
    return places(x, ww_race | wr_race | rw_race)


def lkmm_with_plain(graph):
    """The kernel's model with its rules for plain accesses, instead of counting them as marked ones."""
    x = Execution(graph, around="mb")
    if not coherent(x):
        return False
    b = Bounds(x)
    incoherent = (x.rf & b.rw_xbstar.inverse()) | (x.fr & b.wr_vis.inverse()) | (x.co & b.ww_vis.inverse())
    return acyclic(b.kernel.hb) and acyclic(b.kernel.pb) and empty(b.pre_race & incoherent)


RACES = {"sc": c11_races, "tso": c11_races, "rc11": c11_races, "lkmm": kernel_races}
