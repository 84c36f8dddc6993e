"""Small programs for tests of how searches are run: RMWs, revisits, awaits, locks, chooses, joins; rows and functions."""

from oracle.generator import random_program

from minikvm.check import programs
from minikvm.check.program import Program

MODELS = ("sc", "tso", "rc11", "lkmm")


def of_functions():
    program = Program("functions", init={"x": 0, "y": 0})

    def thread(w):
        a = w.load("x")
        w.rmw("add", "y", 1 + a)
        w.store("x", w.choose(2))
        w.await_("y", "!=", 0)

    program.thread(thread)
    program.thread(thread)
    program.thread("R y a; W x 3; AWAIT x b != 3")
    return program


def some_programs(model, seeds):
    """The standard ones, one of functions, and random ones."""
    yield from (programs.handshake(2, 1), programs.handshake(1, 2), programs.ainc(4), programs.fib_bench(1), programs.lastzero(3),
                programs.sb(3), programs.mp(2), of_functions())
    for seed in seeds:
        source = random_program(seed, kernel=model == "lkmm" or seed % 2 == 1)
        yield Program.parse(source.text, init=source.init, name=f"random program {seed}: {source.text}")
