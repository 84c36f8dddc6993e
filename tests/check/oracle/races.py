"""Data races of one execution: conflicting accesses of two threads, one of them plain, that nothing orders. As pairs of (thread, place)."""
from __future__ import annotations

from .axioms import Execution, Kernel, happens_before
from .relations import Rel


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


def kernel_races(graph):
    """The data-race part of linux-kernel.cat, without RCU."""
    x = Execution(graph, around="mb")
    plain = x["R:plain", "W:plain"]
    marked = x.M - plain
    k = Kernel(x, marked)
    rfe = x.rf & x.ext
    r4rmb, returns = x.R - x["Noreturn"], x.M - x["Noreturn"]
    xbstar = (k.hb | k.pb).star()
    vis = k.cumul_fence.star() @ rfe.optional() @ marked @ ((k.strong_fence @ marked @ xbstar) | (xbstar & x.int))
    w_pre = marked @ (k.addr | k.fence).optional()
    r_pre = marked @ (k.addr | k.nonrw_fence | (r4rmb @ x.fencerel("rmb") @ returns)).optional()
    w_post = k.fence.optional() @ marked @ k.rmw_sequence
    r_post = (k.nonrw_fence | (returns @ x.fencerel("rmb") @ r4rmb)).optional() @ marked
    ww_vis = k.fence | (k.strong_fence @ xbstar @ w_pre) | (w_post @ vis @ w_pre)
    wr_vis = k.fence | (k.strong_fence @ xbstar @ r_pre) | (w_post @ vis @ r_pre)
    rw_xbstar = k.fence | (r_post @ xbstar @ w_pre)
    pre_race = x.ext & (product(plain, x.M) | product(x.M, plain))
    ww_nonrace = ww_vis & (product(marked, x.W) | rw_xbstar) & (product(x.W, marked) | wr_vis)
    ww_race = (pre_race & x.co) - ww_nonrace
    wr_race = (pre_race & (x.co.optional() @ x.rf)) - wr_vis - rw_xbstar.inverse()
    rw_race = (pre_race & x.fr) - rw_xbstar
    return places(x, ww_race | wr_race | rw_race)


RACES = {"sc": c11_races, "tso": c11_races, "rc11": c11_races, "lkmm": kernel_races}
