"""Random programs that are made to tell models apart: a ring of threads over a ring of locations, as diy's critical cycles have it.

Each thread has an access to one location, something that may order it, and an access to the next location (Alglave et al., TACAS 2011).
"""
from __future__ import annotations

from random import Random

from .generator import KERNEL, LOAD_ORDERS, RMW_ORDERS, STORE_ORDERS, RandomProgram

DEVICES = ("nothing", "fence", "fence", "fence", "fences", "full", "fails", "before", "after", "before failing", "acquire", "release",
           "lock", "forward", "forward", "same again", "overwritten")


class _Link:
    """One thread of the ring. Registers: a what the first access read, t what stands between, b what the second read."""

    def __init__(self, rng, first, second, spare, kernel):
        self.rng, self.first, self.second, self.spare, self.kernel = rng, first, second, spare, kernel

    def order(self, orders):
        return self.rng.choice([o for o in orders if not self.kernel or o in KERNEL])

    def access(self, loc, register, value, strong):
        """A row, and whether it gives its register a value."""
        rng = self.rng
        loads, stores, rmws = (LOAD_ORDERS, STORE_ORDERS, RMW_ORDERS) if strong else (("relaxed",),) * 3
        kind = rng.choice(("W", "W", "W", "R", "R", "R", "XCHG", "ADD", "noreturn", "CAS", "AWAIT"))
        if kind == "W":
            return f"W {loc} {value} {self.order(stores)}", False
        if kind == "R":
            return f"R {loc} {register} {self.order(loads)}", True
        if kind == "AWAIT":
            return f"AWAIT {loc} {register} != {rng.choice((0, 5))} {self.order(loads)}", True
        if kind == "noreturn":
            return f"OR {loc} _ {value} relaxed", False
        if kind == "CAS":
            return f"CAS {loc} {register} {rng.choice((0, 0, 1))} {value} {self.order(rmws)}", True
        return f"{kind} {loc} {register} {value} {self.order(rmws)}", True

    def rows(self):
        rng, z = self.rng, self.spare
        strong = rng.random() < 0.3
        first, reads = self.access(self.first, "a", 1, strong)
        second, _ = self.access(self.second, "b", 2, strong)
        addr, data, ctrl = (f" {kind}=a" if reads and not second.startswith("AWAIT") else "" for kind in ("addr", "data", "ctrl"))
        data = "" if second.startswith("R ") else data
        fences = ("mb", "wmb", "rmb", "before_atomic", "after_atomic") + (() if self.kernel else ("acquire", "release", "acq_rel", "sc"))
        between = {
            "nothing": [], "fence": [f"F {rng.choice(fences)}"], "fences": [f"F {rng.choice(fences)}", f"F {rng.choice(fences)}"],
            "full": [f"XCHG {z} t 1 full"], "fails": [f"CAS {z} t 7 1 full"], "before": ["F before_atomic", f"OR {z} _ 1"],
            "after": [f"OR {z} _ 1", "F after_atomic"], "before failing": ["F before_atomic", f"CAS {z} t 7 1 full"],
            "acquire": [f"R {z} t acquire"], "release": [f"W {z} 1 release"], "lock": [f"LOCK {z}", f"UNLOCK {z}"],
            "forward": [f"W {z} 3{' data=a' if reads else ''}", f"R {z} a"],
            "same again": [f"R {self.first} a"], "overwritten": [f"W {self.first} 4 {rng.choice(('relaxed', 'release'))}"],
        }[rng.choice(DEVICES)]
        dependency = rng.choice(("", "", addr, addr, data, ctrl))
        rows = [first, *between, second + (dependency if reads else "")]
        if rng.random() < 0.12:  # two critical regions, of one lock or two
            lock = rng.choice("lm")
            rows = ["LOCK l", first, "UNLOCK l", f"LOCK {lock}", rows[-1], *([f"UNLOCK {lock}"] if rng.random() < 0.7 else [])]
        if rng.random() < 0.1:
            rows.append(f"R {self.second} c")
        return rows


def random_cycle(seed, kernel=False):
    """kernel: only what LKMM has a meaning for."""
    rng = Random(f"cycle {seed} {kernel}")
    n = rng.choice((2, 2, 3, 3, 3, 4))
    threads = [_Link(rng, f"x{i}", f"x{(i + 1) % n}", f"z{i}", kernel).rows() for i in range(n)]
    if rng.random() < 0.2:  # a long release sequence, or what an RMW between two others takes away
        threads.append([f"ADD x{rng.randrange(n)} a 8 {rng.choice(('relaxed', 'acq_rel'))}"])
    return RandomProgram(" || ".join("; ".join(rows) for rows in threads), {}, seed)
