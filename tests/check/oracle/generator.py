"""Random small programs, from a seed: the same seed gives the same program for ever (random.Random's promise)."""
from __future__ import annotations

from random import Random
from typing import NamedTuple

REGISTERS = tuple("abcdefghijklmnop")
LOAD_ORDERS = ("plain", "relaxed", "relaxed", "acquire", "acquire", "sc")
STORE_ORDERS = ("plain", "relaxed", "relaxed", "release", "release", "sc")
RMW_ORDERS = ("relaxed", "relaxed", "acquire", "release", "acq_rel", "sc", "full")
KERNEL = {"plain", "relaxed", "acquire", "release", "acq_rel", "full"}
KERNEL_FENCES = ("mb", "wmb", "rmb", "before_atomic", "after_atomic", "barrier")
C_FENCES = ("acquire", "release", "acq_rel", "sc")


class RandomProgram(NamedTuple):
    text: str
    init: dict
    seed: int


class _Thread:
    def __init__(self, rng, locs, registers, kernel, features):
        self.rng, self.locs, self.free, self.kernel, self.features = rng, locs, registers, kernel, features
        self.read = []      # registers that hold what was read
        self.known = []     # registers that hold something
        self.rows = []
        self.label = None

    def order(self, orders):
        orders = [o for o in orders if not self.kernel or o in KERNEL]
        return self.rng.choice(orders)

    def register(self):
        name = self.free.pop(0)
        self.known.append(name)
        return name

    def value(self):
        if self.known and self.rng.random() < 0.15:
            return self.rng.choice(self.known)
        return str(self.rng.choice((1, 1, 2, 3)))

    def deps(self, names):
        if not self.read or self.rng.random() > self.features["deps"]:
            return ""
        chosen = self.rng.sample(names, self.rng.choice((1, 1, 2)) if len(names) > 1 else 1)
        return "".join(f" {d}={','.join(self.rng.sample(self.read, min(len(self.read), self.rng.choice((1, 1, 2)))))}" for d in chosen)

    def access(self):
        rng, loc = self.rng, self.rng.choice(self.locs)
        kind = rng.choices(("R", "W", "rmw", "noreturn", "CAS", "AWAIT"), self.features["weights"])[0]
        if kind == "W":
            return f"W {loc} {self.value()} {self.order(STORE_ORDERS)}{self.deps(('addr', 'data', 'ctrl'))}"
        if kind == "noreturn":
            op, value = rng.choice((("ADD", "1"), ("OR", "2"), ("AND", "1")))
            return f"{op} {loc} _ {value} relaxed{self.deps(('addr', 'data', 'ctrl'))}"
        value, expected = self.value(), rng.choice(("0", "0", "1", "2"))
        deps = self.deps(("addr", "data", "ctrl") if kind in ("rmw", "CAS") else ("addr", "ctrl"))
        if kind == "AWAIT":
            sign = rng.choice(("==", "!=", "&", "!&"))
            reg = self.register() if rng.random() < 0.5 else "_"
            row = f"AWAIT {loc} {reg} {sign} {rng.choice(('0', '1', '2')) if '=' in sign else '1'} {self.order(LOAD_ORDERS)}{deps}"
        else:
            reg = self.register()
            if kind == "R":
                row = f"R {loc} {reg} {self.order(LOAD_ORDERS)}{deps}"
            elif kind == "CAS":
                row = f"CAS {loc} {reg} {expected} {value} {self.order(RMW_ORDERS)}{deps}"
            else:
                row = f"{rng.choice(('ADD', 'OR', 'XCHG'))} {loc} {reg} {value} {self.order(RMW_ORDERS)}{deps}"
        if reg != "_":
            self.read.append(reg)
        return row

    def statement(self):
        rng = self.rng
        fences = KERNEL_FENCES if self.kernel else KERNEL_FENCES + C_FENCES
        if rng.random() < self.features["fences"]:
            self.rows.append(f"F {rng.choice(fences)}")
        special = rng.random()
        if special < self.features["choose"] and self.free:
            self.rows.append(f"CHOOSE {self.register()} {rng.choice((2, 2, 3))}")
        if special > 1 - self.features["if"] and self.known and self.label is None:
            self.label = len(self.rows) + rng.choice((2, 3))
            self.rows.append(f"IF {rng.choice(self.known)} {rng.choice(('==', '!=', '<', '>'))} {rng.choice((0, 0, 1, 2))} GOTO end")
        elif special > 1 - 2 * self.features["if"] and self.known:
            a, b = rng.choice(self.known), rng.choice((1, 2, *self.known))
            self.rows.append(f"CALC {self.register()} {a} {rng.choice('+-&|^')} {b}")
        self.rows.append(self.access())
        if self.label is not None and len(self.rows) >= self.label:
            self.rows.append("end:")
            self.label = 1 << 30

    def fill(self, length):
        for _ in range(length):
            self.statement()
        if self.label is not None and self.label < 1 << 30:
            self.rows.append("end:")
        if self.rng.random() < self.features["lock"]:
            first = self.rng.randrange(len(self.rows))
            self.rows.insert(first, "LOCK lock")
            self.rows.insert(self.rng.randint(first + 1, len(self.rows)), "UNLOCK lock")

    def spawn(self, thread):
        first = self.rng.randint(0, len(self.rows))
        self.rows.insert(first, f"SPAWN {thread}")
        if self.rng.random() < 0.7:
            self.rows.insert(self.rng.randint(first + 1, len(self.rows)), f"JOIN {thread}")


def random_program(seed, kernel=False):
    """kernel: only what LKMM has a meaning for (no seq_cst accesses, no C11 fences)."""
    rng = Random(f"{seed} {kernel}")
    features = {
        "weights": rng.choice(((4, 4, 0, 0, 0, 0), (4, 4, 1, 1, 1, 0), (2, 2, 3, 2, 2, 0), (4, 4, 1, 1, 1, 2))),
        "fences": rng.choice((0, 0.2, 0.5)), "deps": rng.choice((0, 0.3, 0.7)) if kernel else rng.choice((0, 0, 0.3)),
        "choose": rng.choice((0, 0, 0.1)), "if": rng.choice((0, 0, 0.1, 0.2)),
        "lock": rng.choice((0, 0, 0, 0, 0.8)),
    }
    threads = rng.choice((2, 2, 3, 3))
    locs = rng.choice((("x",), ("x", "y"), ("x", "y"), ("x", "y"), ("x", "y", "z")))
    lengths = rng.choice(((2, 4), (3, 4), (3, 5)) if threads == 2 else ((1, 2), (1, 3), (2, 3), (1, 4)))
    bodies = [_Thread(rng, locs, list(REGISTERS), kernel, features) for _ in range(threads)]
    for body in bodies:
        body.fill(rng.randint(*lengths))
    if rng.random() < 0.1:
        bodies[0].spawn(threads - 1)
    init = {loc: 1 for loc in locs if rng.random() < 0.15}
    return RandomProgram(" || ".join("; ".join(body.rows) for body in bodies), init, seed)
