"""Bitmap and CpuMask against Python's set: any sequence of operations, compared after every step."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from minikvm.core.bitmap import Bitmap
from minikvm.core.cpumask import CpuMask
from tests.examples import examples

SIZES = st.one_of(st.sampled_from([0, 1, 63, 64, 65, 4095, 4096]), st.integers(0, 200))


class BitmapMachine(RuleBasedStateMachine):
    kind: type[Bitmap] = Bitmap

    @initialize(nbits=SIZES)
    def begin(self, nbits: int) -> None:
        self.nbits = nbits
        self.bitmap, self.model = self.kind(nbits), set[int]()
        self.other, self.other_model = self.kind(nbits), set[int]()

    def bit(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, self.nbits - 1), label="bit")

    def span(self, data: st.DataObject) -> tuple[int, int]:
        start = data.draw(st.integers(0, self.nbits), label="start")
        return start, data.draw(st.integers(0, self.nbits - start), label="count")

    @precondition(lambda self: self.nbits)
    @rule(data=st.data())
    def set(self, data: st.DataObject) -> None:
        bit = self.bit(data)
        self.bitmap.set(bit)
        self.model.add(bit)

    @precondition(lambda self: self.nbits)
    @rule(data=st.data())
    def clear(self, data: st.DataObject) -> None:
        bit = self.bit(data)
        self.bitmap.clear(bit)
        self.model.discard(bit)

    @precondition(lambda self: self.nbits)
    @rule(data=st.data())
    def test_and_set(self, data: st.DataObject) -> None:
        bit = self.bit(data)
        assert self.bitmap.test_and_set(bit) is (bit in self.model)
        self.model.add(bit)

    @precondition(lambda self: self.nbits)
    @rule(data=st.data())
    def test_and_clear(self, data: st.DataObject) -> None:
        bit = self.bit(data)
        assert self.bitmap.test_and_clear(bit) is (bit in self.model)
        self.model.discard(bit)

    @rule(data=st.data())
    def set_range(self, data: st.DataObject) -> None:
        start, count = self.span(data)
        self.bitmap.set_range(start, count)
        self.model |= set(range(start, start + count))

    @rule(data=st.data())
    def clear_range(self, data: st.DataObject) -> None:
        start, count = self.span(data)
        self.bitmap.clear_range(start, count)
        self.model -= set(range(start, start + count))

    @rule()
    def zero(self) -> None:
        self.bitmap.zero()
        self.model.clear()

    @rule()
    def fill(self) -> None:
        self.bitmap.fill()
        self.model = set(range(self.nbits))

    @rule()
    def complement(self) -> None:
        self.bitmap = ~self.bitmap
        self.model = set(range(self.nbits)) - self.model

    @rule()
    def swap(self) -> None:
        self.bitmap, self.other = self.other, self.bitmap
        self.model, self.other_model = self.other_model, self.model

    @rule()
    def duplicate(self) -> None:
        self.other, self.other_model = self.bitmap.copy(), set(self.model)

    @rule(in_place=st.booleans())
    def conjunction(self, in_place: bool) -> None:
        if in_place:
            self.bitmap &= self.other
        else:
            self.bitmap = self.bitmap & self.other
        self.model = self.model & self.other_model

    @rule(in_place=st.booleans())
    def disjunction(self, in_place: bool) -> None:
        if in_place:
            self.bitmap |= self.other
        else:
            self.bitmap = self.bitmap | self.other
        self.model = self.model | self.other_model

    @rule(in_place=st.booleans())
    def difference(self, in_place: bool) -> None:
        if in_place:
            self.bitmap -= self.other
        else:
            self.bitmap = self.bitmap - self.other
        self.model = self.model - self.other_model

    @rule(in_place=st.booleans())
    def symmetric_difference(self, in_place: bool) -> None:
        if in_place:
            self.bitmap ^= self.other
        else:
            self.bitmap = self.bitmap ^ self.other
        self.model = self.model ^ self.other_model

    @rule()
    def print_and_parse(self) -> None:
        self.bitmap = self.kind.parse(str(self.bitmap), self.nbits)

    @invariant()
    def members_are_those_of_the_set(self) -> None:
        members = sorted(self.model)
        assert list(self.bitmap) == members
        assert self.bitmap.weight() == len(members)
        assert self.bitmap.find_first() == (members[0] if members else self.nbits)
        assert self.bitmap.find_first_zero() == next((b for b in range(self.nbits) if b not in self.model), self.nbits)
        assert (bool(self.bitmap), self.bitmap.empty(), self.bitmap.full()) == (
            bool(members),
            not members,
            len(members) == self.nbits,
        )

    @invariant()
    def words_hold_nothing_else(self) -> None:
        words = memoryview(self.bitmap).tolist()
        assert sum(word << 64 * i for i, word in enumerate(words)) == sum(1 << bit for bit in self.model)

    @invariant()
    def relations_are_those_of_the_sets(self) -> None:
        assert type(self.bitmap) is self.kind
        assert (self.bitmap == self.other) is (self.model == self.other_model)
        assert self.bitmap.subset(self.other) is (self.model <= self.other_model)
        assert self.bitmap.intersects(self.other) is bool(self.model & self.other_model)


class CpuMaskMachine(BitmapMachine):
    kind = CpuMask

    bitmap: CpuMask

    def __init__(self) -> None:
        super().__init__()
        self.picks: list[int] = []

    @rule(data=st.data())
    def next(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(-1, self.nbits - 1), label="n")
        later = min((cpu for cpu in self.model if cpu > n), default=self.nbits)
        assert self.bitmap.next(n) == later
        assert self.bitmap.next_wrap(n) == (later if later < self.nbits else self.bitmap.first())

    @precondition(lambda self: self.nbits)
    @rule(data=st.data())
    def walk_with_wrap(self, data: st.DataObject) -> None:
        start = self.bit(data)
        expected = sorted(self.model, key=lambda cpu: (cpu - start) % self.nbits)
        assert list(self.bitmap.for_each_wrap(start)) == expected

    @precondition(lambda self: self.nbits)
    @rule(data=st.data())
    def any_but(self, data: st.DataObject) -> None:
        cpu = self.bit(data)
        assert self.bitmap.any_but(cpu) == min(self.model - {cpu}, default=self.nbits)

    @rule()
    def any_distribute(self) -> None:
        rotor = self.bitmap.rotor
        after = min((cpu for cpu in self.model if cpu > rotor), default=min(self.model, default=self.nbits))
        first = min(self.model, default=self.nbits)
        assert self.bitmap.any_distribute() == (first if rotor == self.nbits else after)


# The invariants do the comparing, after every step.
TestBitmapMachine = BitmapMachine.TestCase
TestCpuMaskMachine = CpuMaskMachine.TestCase
TestBitmapMachine.settings = TestCpuMaskMachine.settings = settings(max_examples=examples(80), stateful_step_count=30, deadline=None)
