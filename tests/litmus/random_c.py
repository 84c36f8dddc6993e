"""Random litmus tests in C, each with the same program in the statements of minikvm.check, whose dependencies are written out.

The statements are for the oracle of tests/check, which knows nothing of C: what the translator makes of the C is what is tested.
"""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

LOADS = (("READ_ONCE(*{})", "relaxed"), ("READ_ONCE(*{})", "relaxed"), ("smp_load_acquire({})", "acquire"), ("*{}", "plain"))
STORES = (("WRITE_ONCE(*{}, {})", "relaxed"), ("WRITE_ONCE(*{}, {})", "relaxed"), ("smp_store_release({}, {})", "release"),
          ("*{} = {}", "plain"))
FENCES = ("smp_mb", "smp_rmb", "smp_wmb", "smp_mb__before_atomic", "smp_mb__after_atomic", "smp_mb__after_spinlock",
          "smp_mb__after_unlock_lock")
SUFFIXES = (("", "full"), ("_relaxed", "relaxed"), ("_acquire", "acquire"), ("_release", "release"))


class RandomC(NamedTuple):
    text: str
    rows: str
    init: dict
    registers: list  # "0:r1"


@dataclass
class Value:
    """In C and as an operand of rows; deps: registers of loads."""

    c: str
    row: str
    deps: frozenset = frozenset()


@dataclass
class Thread:
    rng: Random
    number: int
    c: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    loads: list = field(default_factory=list)
    made: int = 0
    ctrl: frozenset = frozenset()

    def new(self, prefix="r"):
        self.made += 1
        return f"{prefix}{self.number}{self.made}"

    def deps(self, addr=frozenset(), data=frozenset()):
        kinds = (("addr", addr), ("data", data), ("ctrl", self.ctrl))
        return "".join(f" {kind}={','.join(sorted(regs))}" for kind, regs in kinds if regs)

    def value(self):
        """A constant; a load's value; or one computed from it."""
        constant = Value(str(n := self.rng.choice((1, 1, 2, 3))), str(n))
        if not self.loads or self.rng.random() < 0.5:
            return constant
        reg = self.rng.choice(self.loads)
        if self.rng.random() < 0.5:
            return Value(reg, reg, frozenset((reg,)))
        made = self.new("c")
        sign = self.rng.choice("+^&")
        self.rows.append(f"CALC {made} {reg} {sign} {constant.row}")
        return Value(f"({reg} {sign} {constant.c})", made, frozenset((reg,)))

    def place(self):
        """Where an access goes, in C and in rows, and by what address dependency."""
        if self.rng.random() < 0.2:
            pointer = self.new("p")
            self.c.append(f"int *{pointer} = READ_ONCE(*p);")
            self.rows.append(f"R p {pointer} relaxed{self.deps()}")
            return pointer, f"*{pointer}", frozenset((pointer,))
        loc = self.rng.choice("xy")
        return loc, loc, frozenset()

    def load(self):
        c, row, addr = self.place()
        (form, order), reg = self.rng.choice(LOADS), self.new()
        self.c.append(f"int {reg} = {form.format(c)};")
        self.rows.append(f"R {row} {reg} {order}{self.deps(addr)}")
        self.loads.append(reg)

    def store(self):
        if self.rng.random() < 0.1:
            loc = self.rng.choice("xy")
            self.c.append(f"rcu_assign_pointer(*p, {loc});")
            self.rows.append(f"W p &{loc} release{self.deps()}")
            return
        c, row, addr = self.place()
        (form, order), value = self.rng.choice(STORES), self.value()
        self.c.append(f"{form.format(c, value.c)};")
        self.rows.append(f"W {row} {value.row} {order}{self.deps(addr, value.deps)}")

    def rmw(self):
        c, row, addr = self.place()
        value, reg, (suffix, order) = self.value(), self.new(), self.rng.choice(SUFFIXES)
        deps = self.deps(addr, value.deps)
        forms = {
            f"int {reg} = xchg{suffix}({c}, {value.c});": f"XCHG {row} {reg} {value.row} {order}{deps}",
            f"int {reg} = cmpxchg{suffix}({c}, 0, {value.c});": f"CAS {row} {reg} 0 {value.row} {order}{deps}",
            f"int {reg} = atomic_fetch_add{suffix}({value.c}, {c});": f"ADD {row} {reg} {value.row} {order}{deps}",
            f"int {reg} = atomic_fetch_xor{suffix}({value.c}, {c});": f"XOR {row} {reg} {value.row} {order}{deps}",
            f"int {reg} = atomic_fetch_add_unless({c}, {value.c}, 1);": f"ADD_UNLESS {row} {reg} 1 {value.row} full{deps}",
            f"atomic_add({value.c}, {c});": f"ADD {row} _ {value.row} relaxed{deps}",
        }
        code, statement = self.rng.choice(list(forms.items()))
        self.c.append(code)
        self.rows.append(statement)
        if code.startswith("int"):
            self.loads.append(reg)

    def fence(self):
        name = self.rng.choice(FENCES)
        self.c.append(f"{name}();")
        self.rows.append(f"F {name.removeprefix('smp_').removeprefix('mb__')}")

    def branch(self, depth):
        if not self.loads or depth > 1:
            return self.load()
        reg, other, end = self.rng.choice(self.loads), self.new("else"), self.new("end")
        outer = self.ctrl
        condition, inverse = self.rng.choice(((reg, f"{reg} == 0"), (f"!{reg}", f"{reg} != 0"), (f"{reg} == 1", f"{reg} != 1")))
        self.c.append(f"if ({condition}) {{")
        self.rows.append(f"IF {inverse} GOTO {other}")
        self.ctrl = outer | {reg}
        known = len(self.loads)
        self.statement(depth + 1)
        del self.loads[known:]  # not there on every way
        self.c.append("} else {")
        self.rows += [f"GOTO {end}", f"{other}:"]
        if self.rng.random() < 0.5:
            self.statement(depth + 1)
            del self.loads[known:]
        self.c.append("}")
        self.rows.append(f"{end}:")
        self.ctrl = outer
        return None

    def locked(self, depth):
        if self.rng.random() < 0.3:
            reg = self.new("t")
            self.c.append(f"int {reg} = spin_trylock(s);")
            self.rows.append(f"TRYLOCK s {reg}{self.deps()}")
            self.c.append(f"if ({reg}) {{")
            end = self.new("end")
            self.rows.append(f"IF {reg} != 0 GOTO {end}")
            outer, known = self.ctrl, len(self.loads)
            self.ctrl = outer | {reg}
            self.statement(depth + 1)
            del self.loads[known:]
            self.c += ["spin_unlock(s);", "}"]
            self.rows += [f"UNLOCK s{self.deps()}", f"{end}:"]
            self.ctrl = outer
            return
        self.c.append("spin_lock(s);")
        self.rows.append(f"LOCK s{self.deps()}")
        self.statement(depth + 2)
        self.c.append("spin_unlock(s);")
        self.rows.append(f"UNLOCK s{self.deps()}")

    def statement(self, depth=0):
        kinds = (self.load, self.load, self.store, self.store, self.rmw, self.fence)
        chance = self.rng.random()
        if chance < 0.15:
            self.branch(depth)
        elif chance < 0.25 and depth == 0:
            self.locked(depth)
        else:
            self.rng.choice(kinds)()


def random_c(seed):
    """The same seed gives the same test for ever."""
    rng = Random(f"litmus {seed}")
    threads = [Thread(rng, t) for t in range(rng.choice((2, 2, 3)))]
    for thread in threads:
        for _ in range(rng.choice((2, 3, 4) if len(threads) == 2 else (1, 2, 3))):
            thread.statement()
    registers = [f"{t.number}:{line.split()[1]}" for t in threads for line in t.c if line.startswith("int r")]
    code = "\n\n".join(f"P{t.number}(int *x, int *y, int **p, spinlock_t *s)\n{{\n\t" + "\n\t".join(t.c) + "\n}" for t in threads)
    text = f"C random-{seed}\n\n{{ p = x; }}\n\n{code}\n\nlocations [{' '.join(f'{name};' for name in [*registers, 'x', 'y', 'p'])}]\n"
    return RandomC(text, " || ".join("; ".join(t.rows) for t in threads), {"p": "&x"}, registers)
