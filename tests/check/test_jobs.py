"""Several processes find what one finds, and end together."""

import os
import signal
import threading
from pathlib import Path

import pytest
from small_programs import MODELS, of_functions, some_programs

from minikvm.check import jobs, programs, search
from minikvm.check.program import Program, explore
from minikvm.check.search import Interrupted


@pytest.fixture(autouse=True)
def nobody_is_left(monkeypatch):
    """At once several processes, with little to do between two messages; and none of them is left at the end."""
    monkeypatch.setattr(search, "ALONE", 0.0)
    monkeypatch.setattr(jobs, "SLICE", 0.0005)
    monkeypatch.setattr(jobs, "FEW", 3)
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def graphs_of(program, model, **options):
    graphs = []
    result = explore(program, model, on_execution=lambda graph: graphs.append(graph.canonical()), **options)
    assert result.exhausted
    assert len(set(graphs)) == len(graphs) == result.executions + result.blocked
    return set(graphs), (result.executions, result.blocked, result.discarded, result.outcomes, result.errors)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_same_graphs_and_results(model, count):
    for program in (programs.handshake(2, 2), programs.fib_bench(2), of_functions()):
        assert graphs_of(program, model, jobs=count) == graphs_of(program, model)


@pytest.mark.nightly
@pytest.mark.parametrize("model", MODELS)
def test_the_same_graphs_for_many_programs(model):
    for program in some_programs(model, range(7000, 7100)):
        if explore(program, model, max_executions=2_000).exhausted:
            assert graphs_of(program, model, jobs=3) == graphs_of(program, model), program.name


def test_a_checkpoint_of_several_processes(tmp_path):
    file = tmp_path / "checkpoint"
    program = programs.handshake(3, 2)
    expected = explore(program, "tso")
    resume, limit = None, 0
    while True:
        limit += 2_000
        result = explore(program, "tso", jobs=3, checkpoint=file, resume=resume, save_every=0.001, max_executions=limit)
        resume = file
        if result.exhausted:
            break
    assert (result.executions, result.outcomes) == (expected.executions, expected.outcomes)
    again = explore(program, "tso", resume=file)
    assert (again.executions, again.outcomes) == (expected.executions, expected.outcomes)


def test_an_exception_of_a_process_is_raised_here():
    def thread(w):
        if w.load("x") == 3:
            raise ZeroDivisionError("three")

    program = Program(init={"x": 0})
    program.thread(thread)
    program.thread("W x 1; W x 2; W x 3")
    with pytest.raises(ZeroDivisionError, match="three") as error:
        explore(program, jobs=2)
    assert "in process" in str(error.value.__cause__)


def test_an_exception_of_the_callback_ends_all():
    def shown(graph):
        raise LookupError("shown")

    with pytest.raises(LookupError, match="shown"):
        explore(programs.handshake(3, 2), jobs=2, on_execution=shown)


def test_the_death_of_a_process_is_told():
    def thread(w):
        if w.load("x") == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    program = Program(init={"x": 0})
    program.thread(thread)
    program.thread("W x 1; W x 2; W x 3")
    with pytest.raises(jobs.WorkerError, match="was killed by SIGKILL"):
        explore(program, jobs=2)


def children():
    """The CPU time of each process that this one has started and that has not ended, in s."""
    times = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, *fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended since
        if int(parent) == os.getpid() and state != "Z":
            times.append((int(fields[9]) + int(fields[10])) / os.sysconf("SC_CLK_TCK"))
    return times


@pytest.fixture
def interrupted_at_work():
    """Ctrl-C as soon as the processes have worked, however slow the machine is."""

    def look(*_):
        if sum(children()) >= 0.5:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("interrupted_at_work")
def test_an_interrupt_ends_all_processes(tmp_path):
    file = tmp_path / "checkpoint"
    with pytest.raises(Interrupted) as interrupted:
        explore(programs.fib_bench(8), outcomes=False, jobs=2, checkpoint=file)
    assert interrupted.value.result.executions > 0
    again = explore(programs.fib_bench(8), outcomes=False, resume=file, seconds=0.05)
    assert again.executions >= interrupted.value.result.executions


def test_a_process_with_threads_is_not_forked():
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="somebody")
    thread.start()
    try:
        with pytest.raises(jobs.WorkerError, match="somebody"):
            explore(programs.handshake(3, 2), jobs=2)
    finally:
        go.set()
        thread.join()


def test_no_jobs_are_an_error():
    with pytest.raises(ValueError, match="jobs=0"):
        explore(programs.ainc(2), jobs=0)
