"""Budgets, interrupts, checkpoints: a search that was stopped anywhere and continued finds what one in one piece finds."""

import json
import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest
from small_programs import MODELS, some_programs

from minikvm.check import programs
from minikvm.check.checkpoint import Checkpoint, CheckpointError
from minikvm.check.program import Program, explore
from minikvm.check.search import Interrupted

LARGE = programs.fib_bench(8)
"""Hours."""


def totals(result):
    return result.executions, result.blocked, result.discarded, result.outcomes, result.errors


def test_a_budget_of_executions_is_exact():
    result = explore(programs.handshake(3, 2), max_executions=1_000)
    assert (result.executions, result.exhausted) == (1_000, False)
    result = explore(programs.handshake(3, 2), max_executions=4_728)
    assert result.executions == 4_728
    assert explore(programs.handshake(3, 2), max_executions=4_729).exhausted


@pytest.mark.parametrize("model", MODELS)
def test_a_budget_of_seconds(model):
    started = time.monotonic()
    result = explore(LARGE, model, seconds=0.2, outcomes=False)
    assert not result.exhausted
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_search_with_its_result(number, tmp_path):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    file = tmp_path / "checkpoint"
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), number))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(Interrupted) as interrupted:
        explore(LARGE, outcomes=False, checkpoint=file)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    result = interrupted.value.result
    assert interrupted.value.signal == number
    assert result.executions > 0
    assert not result.exhausted
    again = explore(LARGE, outcomes=False, resume=file, max_executions=result.executions + 10)
    assert again.executions == result.executions + 10
    assert again.seconds > 0.25


def stopped_and_continued(program, model, rng, file):
    """The result of many runs, each of a few executions; and the graphs."""
    graphs, limit, resume = [], 0, None
    while True:
        limit += rng.choice((1, 2, 3, 7, 20))
        result = explore(program, model, max_executions=limit, on_execution=lambda g: graphs.append(g.canonical()), checkpoint=file,
                         resume=resume)
        resume = file
        if result.exhausted:
            return result, graphs


def compare(model, seeds, file):
    rng = Random(2)
    for program in some_programs(model, seeds):
        graphs = []
        result = explore(program, model, on_execution=lambda g, graphs=graphs: graphs.append(g.canonical()), max_executions=300)
        if not result.exhausted:
            continue
        again, in_pieces = stopped_and_continued(program, model, rng, file)
        assert in_pieces == graphs, program.name
        assert totals(again) == totals(result), program.name


@pytest.mark.parametrize("model", MODELS)
def test_what_is_stopped_and_continued_ends_with_the_same(model, tmp_path):
    compare(model, range(20, 26), tmp_path / "checkpoint")


@pytest.mark.nightly
@pytest.mark.parametrize("model", MODELS)
def test_what_is_stopped_and_continued_ends_with_the_same_for_many(model, tmp_path):
    compare(model, range(6000, 6150), tmp_path / "checkpoint")


CHILD = """
import sys
from minikvm.check import programs
from minikvm.check.program import explore
file, jobs = sys.argv[1], int(sys.argv[2])
def tell(progress):
    print(progress.executions, flush=True)
explore(programs.handshake(4, 2), "rc11", on_execution=lambda graph: None, checkpoint=file, save_every=0.2, progress=tell, jobs=jobs,
        resume=file if len(sys.argv) > 3 else None)
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_kill_loses_no_more_than_the_interval(jobs, tmp_path):
    file = tmp_path / "checkpoint"
    done = []
    for _ in range(2):  # the second one continues, and is killed as well
        command = [sys.executable, "-I", "-c", CHILD, str(file), str(jobs), *(["resume"] if done else [])]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        began = file.stat().st_mtime_ns if file.exists() else 0
        until = time.monotonic() + 30
        while not (file.exists() and file.stat().st_mtime_ns > began) and time.monotonic() < until:
            time.sleep(0.01)
        child.kill()
        child.communicate()
        done.append(json.loads(file.read_text())["found"]["executions"])
    assert 0 < done[0] < done[1] < 540_000
    result = explore(programs.handshake(4, 2), "rc11", resume=file, outcomes=True)
    assert (result.executions, result.exhausted) == (540_000, True)
    assert not list(tmp_path.glob("*.tmp"))[2:]


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    file = tmp_path / "checkpoint"
    explore(programs.handshake(2, 2), checkpoint=file, max_executions=10)
    with pytest.raises(CheckpointError, match="something else"):
        explore(programs.handshake(2, 1), resume=file)
    with pytest.raises(CheckpointError, match="something else"):
        explore(programs.handshake(2, 2), "tso", resume=file)
    data = json.loads(file.read_text())
    changes = ({"minikvm": "0.0.0"}, "written by minikvm 0.0.0"), ({"minikvm_checkpoint": 2}, "format 2"), ({"parts": 3}, "damaged")
    for change, words in changes:
        file.write_text(json.dumps({**data, **change}))
        with pytest.raises(CheckpointError, match=words):
            explore(programs.handshake(2, 2), resume=file)
    file.write_text("{}")
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        explore(programs.handshake(2, 2), resume=file)


def test_a_function_that_was_changed_is_something_else():
    def program(number):
        def thread(w):
            w.store("x", number)

        result = Program(init={"x": 0})
        result.thread(thread)
        return result

    assert program(1).fingerprint("sc") == program(1).fingerprint("sc")
    assert program(1).fingerprint("sc") != program(2).fingerprint("sc")
    assert program(1).fingerprint("sc") != program(1).fingerprint("tso")


def test_a_finished_checkpoint_has_the_result(tmp_path):
    file = tmp_path / "checkpoint"
    result = explore(programs.ainc(4), checkpoint=file)
    graphs = []
    again = explore(programs.ainc(4), resume=file, on_execution=graphs.append)
    assert totals(again) == totals(result)
    assert again.exhausted
    assert not graphs


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path):
    file = tmp_path / "checkpoint"
    Checkpoint("a", [([(1, 0)], 0, False)], {"executions": 1}).write(file)
    with pytest.raises(TypeError):
        Checkpoint("a", [], {"executions": object()}).write(file)
    assert Checkpoint.read(file, "a").parts == [([(1, 0)], 0, False)]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_progress_is_told():
    told = []
    explore(LARGE, seconds=1.2, outcomes=False, progress=told.append)
    assert len(told) >= 2
    assert [p.share for p in told] == sorted(p.share for p in told)
    assert all(0 < p.share < 1 for p in told)
    assert told[-1].executions > told[0].executions > 0
    explore(programs.ainc(3), progress=told.append)
    assert (told[-1].share, told[-1].executions) == (1.0, 6)
