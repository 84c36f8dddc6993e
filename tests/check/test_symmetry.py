"""Symmetry reduction: every orbit of executions is explored, and by one execution each."""

from collections import Counter
from itertools import permutations, product
from random import Random

import pytest
from oracle.generator import random_program
from small_programs import MODELS

from minikvm.check import programs
from minikvm.check.program import Program, ProgramError, explore, groups_of

LIMIT = 3_000


def renamed(graph, order):
    """A graph's events, reads-from and coherence order when thread t is called order[t]."""
    def place(p):
        return (order[p[0]], p[1]) if isinstance(p, tuple) else p

    threads = [()] * len(graph.threads)
    for t, events in enumerate(graph.threads):
        threads[order[t]] = tuple((e.kind, e.loc, e.rval, e.wval, place(e.rf), e.blocked) for e in events)
    return repr((threads, sorted((loc, [place(w) for w in writes]) for loc, writes in graph.co.items())))


def renamings(groups):
    """All permutations of threads within their groups."""
    members = [[t for t, group in enumerate(groups) if group == number] for number in sorted(set(groups) - {-1})]
    for orders in product(*(permutations(ts) for ts in members)):
        order = list(range(len(groups)))
        for ts, images in zip(members, orders, strict=True):
            for t, image in zip(ts, images, strict=True):
                order[t] = image
        yield order


class Orbits:
    """How often each orbit was met."""

    def __init__(self, program, model, symmetry, groups):
        self.orders = list(renamings(groups))
        self.met = Counter()
        self.result = explore(program, model, symmetry=symmetry, on_execution=self.meet, max_executions=LIMIT)

    def meet(self, graph):
        self.met[min(renamed(graph, order) for order in self.orders)] += 1


def compare(program, model, symmetry=True):
    """None for a program that is too large; how many executions were saved."""
    groups = groups_of(program, symmetry)
    full = Orbits(program, model, False, groups)
    if not full.result.exhausted:
        return None
    reduced = Orbits(program, model, symmetry, groups)
    text = f"{program.name} under {model}: {len(full.met)} orbits, {len(reduced.met)} explored"
    assert reduced.result.exhausted
    assert set(reduced.met) == set(full.met), text
    assert not once(program, groups) or set(reduced.met.values()) <= {1}, f"{text}, some twice"
    return sum(full.met.values()) - sum(reduced.met.values())


def once(program, groups):
    """Is each orbit explored once: does nothing but fences come before an RMW of a thread that has others like it?"""
    for rows, group in zip(program.threads, groups, strict=True):
        if group < 0 or not isinstance(rows, list):
            continue
        chose = False
        for row in rows:
            if chose and row.op in ("ADD", "OR", "AND", "XCHG", "CAS", "LOCK"):
                return False
            chose = chose or row.op not in ("F", "SET", "CALC", "IF", "GOTO", "LABEL", "ASSERT")
    return True


def symmetric_program(seed, kernel):
    """The threads of a random program, some of them several times."""
    rng = Random(f"symmetric {seed}")
    source = random_program(seed, kernel=kernel)
    bodies = [body.strip() for body in source.text.split("||")]
    if any("SPAWN" in body for body in bodies):
        return None
    first, others = bodies[0], bodies[1:]
    shape = rng.choice(("aa", "aa", "aab", "aab", "baa", "aba", "aaa", "aabb"))
    rows = {"a": first, "b": others[0]}
    if "b" in shape and rng.random() < 0.3:
        rows["a"], rows["b"] = rows["b"], rows["a"]
    for letter in "ab":
        parts = rows[letter].split(";")
        if len(shape) > 2 and not any("GOTO" in part or "LOCK" in part for part in parts):
            rows[letter] = ";".join(parts[: rng.choice((2, 3, 4))])
    try:
        return Program.parse(" || ".join(rows[letter] for letter in shape), init=source.init, name=f"{seed} {shape}: {rows}")
    except ProgramError:
        return None


def hold(model, seeds):
    saved = compared = 0
    for seed in seeds:
        program = symmetric_program(seed, model == "lkmm" or seed % 2 == 1)
        less = None if program is None else compare(program, model)
        compared += less is not None
        saved += less or 0
    assert compared > len(seeds) / 3
    assert saved > 0


@pytest.mark.parametrize("model", MODELS)
def test_random_programs(model):
    hold(model, range(60))


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(10_000, 12_000, 250))
@pytest.mark.parametrize("model", MODELS)
def test_many_random_programs(model, first):
    hold(model, range(first, first + 250))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", range(1, 6))
def test_counters(model, n):
    compare(programs.ainc(n), model)
    assert explore(programs.ainc(n), model, symmetry=True).executions == 1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", range(1, 7))
def test_readers(model, n):
    compare(programs.readers(n), model)
    assert explore(programs.readers(n), model, symmetry=True).executions == n + 1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", [
    "R x a; W x 1 || R x a; W x 1 || R x a; W x 1",
    "R f r || W x 1 || R x a; W f 1 || R x a; W f 1",
    "LOCK l; ADD x a 1; UNLOCK l || LOCK l; ADD x a 1; UNLOCK l || LOCK l; ADD x a 1; UNLOCK l",
    "AWAIT x a != 0; W y a || AWAIT x a != 0; W y a || W x 1; R y b; W x 2",
    "AWAIT x a == 2; ADD y _ 1 || AWAIT x a == 2; ADD y _ 1 || W x 1; R y b || W x 2",
    "CHOOSE c 3; R x a; W x c || CHOOSE c 3; R x a; W x c",
    "R x a; IF a == 0 GOTO end; ADD y _ 1; end: || R x a; IF a == 0 GOTO end; ADD y _ 1; end: || W x 1; XCHG y b 3",
    "W x 1; F mb; R y a || W x 1; F mb; R y a || W y 1; F mb; R x b || W y 1; F mb; R x b",
    "R y r; ADD x a 1; W z 1 || ADD x a 1; W y a || ADD x a 1; W y a || W x 7",
])  # fmt: skip
def test_small_programs(model, text):
    assert compare(Program.parse(text, name=text), model) > 0


CAS = "CAS x a 0 1; R y b || CAS x a 0 1; R y b || W y 1; ADD x _ 1"


@pytest.mark.parametrize("model", MODELS)
def test_threads_whose_rmw_may_fail_are_explored_in_full(model):
    assert compare(Program.parse(CAS, name=CAS), model) == 0


def test_they_cannot_be_declared_to_be_identical_either():
    with pytest.raises(ProgramError, match=r"thread 0 has an RMW that may fail \(CAS, TRYLOCK, ADD_UNLESS\): it is in no group"):
        explore(Program.parse(CAS), model="sc", symmetry=[[0, 1]])


@pytest.mark.parametrize("symmetry", [True, [[0, 1]]], ids=["asked for", "declared"])
def test_a_function_whose_rmw_may_fail_is_refused_in_a_group(symmetry):
    def one(w):
        w.rmw("cas", "x", 1)

    program = Program(init={"x": 0})
    program.thread(one)
    program.thread(one)
    with pytest.raises(ProgramError, match="cas: an RMW that may fail, in a thread of a group of identical ones"):
        explore(program, model="sc", symmetry=symmetry)


def test_functions_in_declared_groups():
    def one(w):
        w.store("y", w.rmw("add", "x", 1))

    def other(w):
        w.store("y", w.rmw("add", "x", 1))

    program = Program(init={"x": 0, "y": 0})
    for function in (one, one, other):
        program.thread(function)
    assert groups_of(program, True) == [0, 0, -1]
    assert compare(program, "rc11") > 0
    assert compare(program, "rc11", ((0, 1, 2),)) > 0
    assert explore(program, "rc11", symmetry=((0, 1, 2),)).executions < explore(program, "rc11", symmetry=True).executions


def test_what_is_no_group():
    program = Program.parse("R x a; SPAWN 1 || W x 1 || W x 1 || R x b; R y c || R x c; R y a || R x c; R y c")
    assert groups_of(program, True) == [-1, -1, -1, 3, 3, -1]
    wrong = (((1, 2),), "spawned"), (((3, 9),), "not there"), (((2, 3),), "other statements"), (((3, 4), (3, 4)), "two groups")
    for groups, words in wrong:
        with pytest.raises(ProgramError, match=words):
            explore(program, symmetry=groups)


def test_reduced_searches_are_split_and_continued_like_others(tmp_path):
    program = Program.parse("R x a; ADD y b 1; W x 1 || R x a; ADD y b 1; W x 1 || R x a; ADD y b 1; W x 1 || W x 2; R y c")
    expected = explore(program, "rc11", symmetry=True)
    result = explore(program, "rc11", symmetry=True, jobs=2)
    assert (result.executions, result.outcomes) == (expected.executions, expected.outcomes)
    file = tmp_path / "checkpoint"
    resume = None
    for limit in range(10, 10_000, 37):
        result = explore(program, "rc11", symmetry=True, max_executions=limit, checkpoint=file, resume=resume)
        resume = file
        if result.exhausted:
            break
    assert (result.executions, result.outcomes) == (expected.executions, expected.outcomes)
    met, every = set(), set()
    explore(program, "rc11", symmetry=True, on_execution=lambda g: every.add(g.canonical()))
    explore(program, "rc11", symmetry=True, on_execution=lambda g: met.add(g.canonical()), random=300)
    assert met <= every
