"""Data races from the definitions: C11's (Lahav et al., PLDI 2017), and the kernel's (linux-kernel.cat, Linux 6.3) for lkmm."""
from __future__ import annotations

from .axioms import ACQUIRE, RELEASE, SC_FENCES, Execution


def named(x, races):
    """A relation as unordered pairs of (thread, place)."""
    names = {event: name for table in (x._reader, x._writer) for name, event in table.items()}
    return {frozenset((names[a], names[b])) for a, b in races}


def c11_races(graph):
    x = Execution(graph, around="sc")
    plain, fence = x["R:plain", "W:plain"], x["F"]
    acquire = x[("F:rmb", *(f"{kind}:{order}" for order in ACQUIRE for kind in "RF"), *(f"F:{k}" for k in SC_FENCES))]
    release = x[("F:wmb", *(f"{kind}:{order}" for order in RELEASE for kind in "WF"), *(f"F:{k}" for k in SC_FENCES))]
    rs = x.W @ (x.po & x.loc).optional() @ x.W @ (x.rf @ x.rmw).star()
    sw = release @ (fence @ x.po).optional() @ rs @ x.rf @ x.R @ (x.po @ fence).optional() @ acquire
    hb = (x.po | sw).plus()
    conflict = ((x.W @ x.loc) | (x.loc @ x.W)) & x.ext
    return named(x, ((plain @ conflict) | (conflict @ plain)) - hb - hb.inverse())


def kernel_races(graph):
    x = Execution(graph, around="mb")
    m, po, plain = x.M, x.po, x["R:plain", "W:plain"]
    marked, not_noreturn, r4rmb = m - plain, m - x["Noreturn"], x.R - x["Noreturn"]
    any_rmb, rmw = x.fencerel("rmb"), x["RMW"] - x["LKR"]
    acq_po = (x["R:acquire", "R:acq_rel"] - x["Noreturn"]) @ po @ m
    po_rel = m @ po @ x["W:release", "W:acq_rel"]
    wmb = x.W @ x.fencerel("wmb") @ x.W
    unlock_lock = po @ x["UL"] @ (po | x.rf) @ (x["LKR"] & x.R) @ po
    strong_fence = m @ (x.fencerel("mb", "sc") | (po & x.ext) | (x.fencerel("before_atomic") @ rmw @ po.optional())
                        | (po.optional() @ rmw @ x.fencerel("after_atomic"))) @ m
    nonrw_fence = strong_fence | po_rel | acq_po
    fence = nonrw_fence | wmb | (r4rmb @ any_rmb @ r4rmb)
    rfe, rfi, overwrite = x.rf & x.ext, x.rf & x.int, x.co | x.fr
    carry = (x.data @ rfi).star()
    addr, data, ctrl = carry @ x.addr, carry @ x.data, carry @ x.ctrl
    ppo = ((addr @ x.R) | ((addr | data) @ marked @ rfi) | ((addr | data | ctrl) @ x.W) | (overwrite & x.int) | (addr @ plain @ wmb)
           | fence | (unlock_lock & x.int))
    rmw_sequence = (x.rf @ x.rmw).star()
    cumul_fence = marked @ (((rfe @ marked).optional() @ (strong_fence | po_rel)) | wmb | unlock_lock) @ marked @ rmw_sequence
    prop = marked @ (overwrite & x.ext).optional() @ cumul_fence.star() @ marked @ rfe.optional() @ marked
    hb = marked @ (ppo | rfe | ((prop - prop.identity()) & x.int)) @ marked
    pb = prop @ strong_fence @ hb.star() @ marked
    xbstar = (hb | pb).star()
    vis = cumul_fence.star() @ rfe.optional() @ marked @ ((strong_fence @ marked @ xbstar) | (xbstar & x.int))
    w_pre_bounded = marked @ (addr | fence).optional()
    r_pre_bounded = marked @ (addr | nonrw_fence | (r4rmb @ any_rmb @ not_noreturn)).optional()
    w_post_bounded = fence.optional() @ marked @ rmw_sequence
    r_post_bounded = (nonrw_fence | (not_noreturn @ any_rmb @ r4rmb)).optional() @ marked
    ww_vis = fence | (strong_fence @ xbstar @ w_pre_bounded) | (w_post_bounded @ vis @ w_pre_bounded)
    wr_vis = fence | (strong_fence @ xbstar @ r_pre_bounded) | (w_post_bounded @ vis @ r_pre_bounded)
    rw_xbstar = fence | (r_post_bounded @ xbstar @ w_pre_bounded)
    pre_race = ((plain @ x.loc) | (x.loc @ plain)) & x.ext
    ww_nonrace = ww_vis & ((marked @ ww_vis) | rw_xbstar) & ((ww_vis @ marked) | wr_vis)
    ww_race = (pre_race & x.co) - ww_nonrace
    wr_race = (pre_race & (x.co.optional() @ x.rf)) - wr_vis - rw_xbstar.inverse()
    rw_race = (pre_race & x.fr) - rw_xbstar
    return named(x, ww_race | wr_race | rw_race)
