"""A litmus file, read: a program for the explorer and a question about its final states."""

from __future__ import annotations

from dataclasses import dataclass

from minikvm.check.program import Program
from minikvm.litmus.buffering import Buffering, load_buffering
from minikvm.litmus.cparse import function
from minikvm.litmus.errors import LitmusError
from minikvm.litmus.source import Source, cut, read
from minikvm.litmus.statement import Condition, Initial, Item, condition, initial
from minikvm.litmus.thread import Code
from minikvm.litmus.translate import Translator

MAX_SHOWN_NAMES = 8


@dataclass
class LitmusTest:
    """One test. result: what a comment of the file expects (Never, Sometimes, Always, DEADLOCK), or None; races: it expects a data race.

    buffering: whether there may be executions that the explorer does not look at. places: (line, column) of each thread's rows.
    """

    file: str
    name: str
    program: Program
    condition: Condition
    result: str | None
    races: bool
    buffering: Buffering
    places: list[list[tuple[int, int]]]

    @property
    def shown(self) -> list[Item]:
        """What its states are made of: registers by thread and name, then locations."""
        items = {*self.condition.shown, *self.condition.prop.items()}
        return sorted(items, key=lambda item: (item.thread < 0, item.thread, item.name))

    @property
    def observed(self) -> list[Item]:
        """What has to be known of an execution: what is shown, and what the filter asks for."""
        more = self.condition.filter.items() if self.condition.filter else []
        return list(dict.fromkeys([*self.shown, *more]))


def load(file: str, text: str | None = None) -> LitmusTest:
    """Read the file (or *text*, which is then its text). LitmusError, with the file in it; OSError."""
    try:
        return _test(file, cut(read(file) if text is None else text))
    except RecursionError:
        raise LitmusError("code too deeply nested", "a litmus test, which is a page of text", 0, 0, file) from None
    except LitmusError as error:
        error.file = file
        raise


def _test(file: str, source: Source) -> LitmusTest:
    state = initial(source)
    asked = condition(source)
    trees = [function(source, begin, text) for begin, text in source.threads]
    shared = {parameter.name for tree in trees if tree.decl.type.args for parameter in tree.decl.type.args.params
              if getattr(parameter, "name", None)}
    shared |= set(state.locations) | set(state.arrays)
    codes = [Translator(source, t, tree, state, shared).run() for t, tree in enumerate(trees)]
    _registers(source, state, codes, asked)
    names = _locations(source, state, codes, shared, asked)
    _locks(codes, asked, source)
    program = Program(source.name, {name: state.locations.get(name, 0) for name in names})
    program.threads = [code.rows for code in codes]
    test = LitmusTest(file, source.name, program, asked, source.result, source.races, load_buffering([code.accesses for code in codes]),
                      [code.places for code in codes])
    if len(test.observed) > 64:
        raise LitmusError(f"a condition about {len(test.observed)} values", "at most 64")
    program.observe(*(item.observed for item in test.observed))
    return test


def _asked(asked: Condition) -> list[Item]:
    return [*asked.shown, *asked.prop.items(), *(asked.filter.items() if asked.filter else ())]


def _registers(source: Source, state: Initial, codes: list[Code], asked: Condition) -> None:
    """Registers that are asked for are there; one that is only declared, or only initialised, gets its row."""
    for (thread, _), _value in state.registers.items():
        if thread >= len(codes):
            raise LitmusError(f"a register of thread {thread}", f"one of the threads 0 to {len(codes) - 1}")
    for item in _asked(asked):
        if item.thread < 0:
            continue
        if item.thread >= len(codes):
            raise source.error(item.at, str(item), f"a register of the threads 0 to {len(codes) - 1}")
        code = codes[item.thread]
        if item.name not in code.variables:
            known = sorted(code.variables)
            these = f"one of {', '.join(known[:MAX_SHOWN_NAMES])}" if known else "a thread with local variables"
            raise source.error(item.at, f"{item}, to which P{item.thread} assigns nothing", these)


def _locations(source: Source, state: Initial, codes: list[Code], shared: set[str], asked: Condition) -> list[str]:
    names = [name for name in shared if name not in state.arrays]
    known = sorted({*names, *state.locations})
    pointed = [(name, at) for name, at in state.pointed]
    asked_for = [(item.name, item.at) for item in _asked(asked) if item.thread < 0]
    extra: list[str] = []
    for name, at in [*pointed, *asked_for]:
        if name not in known and name not in extra:
            if (name, at) in asked_for:
                these = f"one of {', '.join(known[:MAX_SHOWN_NAMES])}" if known else "a test with shared variables"
                raise source.error(at, f"{name}, which is no shared variable", these)
            extra.append(name)
    for prop in (asked.prop, asked.filter):
        for value in _values(prop) if prop else ():
            if value not in known and value not in extra:
                extra.append(value)  # an address that nothing has
    return sorted({*known, *extra})


def _values(prop: object) -> list[str]:
    value = getattr(prop, "value", 0)
    own = [value[1:]] if isinstance(value, str) else []
    return [*own, *(found for part in getattr(prop, "parts", ()) for found in _values(part))]


def _locks(codes: list[Code], asked: Condition, source: Source) -> None:
    """As lock.cat: a spinlock is nothing else, and its final value is nobody's business."""
    locks = {name for code in codes for name in code.locks}
    for code in codes:
        for name, place in code.others.items():
            if name in locks:
                raise LitmusError(f"an access to {name}, which is a spinlock", "spin_lock(), spin_unlock(), spin_trylock(), "
                                  "spin_is_locked(): nothing else", *place)
    for item in _asked(asked):
        if item.thread < 0 and item.name in locks:
            raise source.error(item.at, f"the final value of {item.name}, which is a spinlock", "a condition without it")


__all__ = ["LitmusTest", "load"]
