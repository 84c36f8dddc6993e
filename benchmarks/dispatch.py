"""The compiled strategies against the same loops by hand (kickloop.c), and the set-bit walk against the linear one."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measure import Row, Timed, in_turns, row_of
from native import address_of, build, pointer

from minikvm.core.requests import RequestRegistry
from minikvm.plugins import Manager

FORMS = ("linear", "v1-bitmap", "upstream", "upstream-linear")
C_FILES = Path(__file__).parents[1] / "plugins" / "minikvm-c-strategies" / "minikvm_c_strategies"
IN_C = {"linear in C": "linear", "v1-bitmap in C": "v1-bitmap", "upstream in C": "upstream"}
"""Kernel-style C files against the same loops by hand."""
SIZES = (64, 288, 1024, 4096)
BITS = (1, 4, 16, 64, None)
"""How many targets; None: all, which a caller says with no bitmap at all."""
BOUND = 1.10
SPARSE = ((288, 10.0), (4096, 20.0))
"""vCPUs, and how many times faster than the linear walk the set-bit walk must be there with one target."""
ROUND_NS = 60_000
OTHERS = 8
"""Other processes in which a line that misses its bound is measured again."""


@dataclass(frozen=True)
class Case:
    """The state in which the targets are found, and the request: *in_guest* and *asleep* are "every n-th target", 0 for none."""

    name: str
    request: str
    in_guest: int
    asleep: int


CASES = (
    Case("outside", "TLB_FLUSH", 0, 0),
    Case("half in guest", "TLB_FLUSH", 2, 0),
    Case("wake-up leg", "CLOCK_UPDATE", 2, 4),
)


@dataclass(frozen=True)
class Pair:
    """Two that are compared: *form* and, where *against* is "", the same by hand, else another form, which *form* beats *times* times."""

    form: str
    against: str
    vcpus: int
    bits: int | None
    case: str
    times: float | None = None

    @property
    def what(self) -> str:
        """The line's name."""
        scene = f"{self.vcpus} vCPUs, {'all' if self.bits is None else self.bits} target{'' if self.bits == 1 else 's'}"
        return f"{self.form} against {self.against}, {scene}" if self.against else f"{self.form}, {scene}, {self.case}"

    def row(self, pairs: list[tuple[float, float]]) -> Row:
        """The line, of the times of both."""
        if self.times is None:
            return row_of("dispatch", self.what, pairs, BOUND)
        return row_of("sparse", self.what, pairs, self.times, at_least=True)


class Scene:
    """A VM of kickloop.c in one case's state. Close it."""

    def __init__(self, library: ctypes.CDLL, case: Case, vcpus: int, bits: int | None) -> None:
        self.library = library
        self.bench = library.bench_new(vcpus)
        if not self.bench:
            raise MemoryError(f"no memory for {vcpus} vCPUs")
        # Spread over the table, and never the first: the caller is on its pCPU.
        chosen = range(vcpus) if bits is None else [min(vcpus - 1, (2 * i + 1) * vcpus // (2 * bits)) for i in range(bits)]
        words = (vcpus + 63) // 64
        self.targets = None if bits is None else (ctypes.c_uint64 * words)()
        for n, idx in enumerate(chosen):
            if self.targets is not None:
                self.targets[idx >> 6] |= 1 << (idx & 63)
            asleep = case.asleep > 0 and n % case.asleep == case.asleep - 1
            in_guest = case.in_guest > 0 and n % case.in_guest == 0
            library.bench_state(self.bench, idx, in_guest, asleep)
        self.request = RequestRegistry()[case.request].value

    def effect(self, strategy: int) -> int:
        """What one call does, as a number."""
        return int(self.library.bench_effect(self.bench, strategy, self.request, self.targets))

    def timed(self, strategy: int) -> Timed:
        """Rounds of as many calls as fill ROUND_NS."""
        calls = self._calls_a_round(strategy)
        return lambda: self.library.bench_run(self.bench, strategy, self.request, self.targets, calls) / calls

    def _calls_a_round(self, strategy: int) -> int:
        self.library.bench_run(self.bench, strategy, self.request, self.targets, 20)
        once = self.library.bench_run(self.bench, strategy, self.request, self.targets, 20) / 20
        return max(3, min(20_000, int(ROUND_NS / max(once, 1))))

    def close(self) -> None:
        self.library.bench_free(self.bench)


class Dispatch:
    """The library, and both tables of each form. Keeps the strategies' objects alive."""

    def __init__(self, folder: Path, manager: Manager) -> None:
        self.library = build("kickloop", folder)
        lib = self.library
        lib.bench_new.restype = ctypes.c_void_p
        lib.bench_free.argtypes = [ctypes.c_void_p]
        lib.bench_state.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_int]
        for function, last in ((lib.bench_run, [ctypes.c_uint64]), (lib.bench_effect, [])):
            function.restype = ctypes.c_uint64
            function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, *last]
        self.objects: list[Any] = []
        self.compiled = {form: self._compiled(manager, form) for form in FORMS}
        self.by_hand = {form: address_of(lib, "by_hand_" + form.replace("-", "_")) for form in FORMS}
        for form, twin in IN_C.items():
            self.compiled[form] = self._compiled(manager, str(C_FILES / f"{twin}.c"))
            self.by_hand[form] = self.by_hand[twin]

    def _compiled(self, manager: Manager, form: str) -> int:
        strategy = manager.create("strategy", form, {})
        capsule = strategy.native()
        self.objects += [strategy, capsule]
        return pointer(capsule, "strategy")

    def against_c(self, rounds: int, sizes: tuple[int, ...] = SIZES, forms: tuple[str, ...] = (*FORMS, *IN_C)) -> Iterator[Row]:
        """Every form, size, number of targets and case. RuntimeError when the two do not do the same."""
        for form in forms:
            for vcpus in sizes:
                for bits in BITS:
                    for case in CASES:
                        yield self.row(Pair(form, "", vcpus, bits, case.name), rounds)

    def sparse(self, rounds: int) -> Iterator[Row]:
        """What the set-bit walk brings with one target."""
        for vcpus, times in SPARSE:
            yield self.row(Pair("upstream", "upstream-linear", vcpus, 1, CASES[0].name, times), rounds)

    def row(self, pair: Pair, rounds: int) -> Row:
        """Of one pair: a miss is not believed before it was measured in OTHERS other processes, too; then the median of all counts."""
        pairs = self.timed(pair, rounds)
        row = pair.row(pairs)
        return row if row.met else pair.row(pairs + in_other_processes(pair, rounds))

    def timed(self, pair: Pair, rounds: int) -> list[tuple[float, float]]:
        """Both sides' times, in this process."""
        case = next(case for case in CASES if case.name == pair.case)
        scene = Scene(self.library, case, pair.vcpus, pair.bits)
        ours, other = self.compiled[pair.form], self.compiled[pair.against] if pair.against else self.by_hand[pair.form]
        try:
            if scene.effect(ours) != scene.effect(other):
                raise RuntimeError(f"{pair.what}: the two leave different states behind")
            both = scene.timed(ours), scene.timed(other)
            in_turns(*both, 2)
            return in_turns(*both, rounds)
        finally:
            scene.close()


def in_other_processes(pair: Pair, rounds: int) -> list[tuple[float, float]]:
    """The same in OTHERS fresh ones: where code and memory come to lie decides which branches a predictor mixes up, for a whole process."""
    pairs = []
    for _ in range(OTHERS):
        asked = json.dumps([asdict(pair), rounds])
        done = subprocess.run([sys.executable, __file__, asked], capture_output=True, text=True, check=True)
        pairs += [(ours, other) for ours, other in json.loads(done.stdout)]
    return pairs


if __name__ == "__main__":  # one of these processes
    with tempfile.TemporaryDirectory(prefix="minikvm-bench-") as scratch:
        asked_pair, asked_rounds = json.loads(sys.argv[1])
        print(json.dumps(Dispatch(Path(scratch), Manager()).timed(Pair(**asked_pair), asked_rounds)))
