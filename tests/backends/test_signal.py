"""The signal back end is a guest in its process: it takes one signal and gives it back."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import Any

import pydantic
import pytest

NUMBER = signal.SIGRTMIN + 3


@pytest.fixture
def old_handler() -> Any:
    before = signal.getsignal(NUMBER)
    yield before
    signal.signal(NUMBER, before)


def caught(number: int) -> bool:
    """Does the process catch the signal, whoever installed the handler?"""
    with open("/proc/self/status", encoding="ascii") as status:
        (line,) = [text for text in status if text.startswith("SigCgt:")]
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def test_the_old_action_is_back_after_the_last_vm(two_slots: Any) -> None:
    first, second = two_slots("signal", "sleep"), two_slots("signal", "sleep")
    seen = [caught(NUMBER)]
    first.close()
    seen.append(caught(NUMBER))
    second.close()
    seen.append(caught(NUMBER))
    assert seen == [True, True, False]


def test_a_signal_that_has_a_handler_is_refused(two_slots: Any, old_handler: Any) -> None:
    signal.signal(NUMBER, lambda *_: None)
    with pytest.raises(OSError, match=r"signal 37 has a handler already.*choose another with the option `signal`"):
        two_slots("signal", "sleep")


def test_another_signal_can_be_chosen(two_slots: Any, old_handler: Any) -> None:
    signal.signal(NUMBER, lambda *_: None)
    two_slots("signal", "sleep", signal=NUMBER + 1)
    assert caught(NUMBER + 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGRTMIN - 1, signal.SIGRTMAX + 1])
def test_only_real_time_signals_may_be_chosen(backend: Any, number: int) -> None:
    with pytest.raises(pydantic.ValidationError, match="equal to"):
        backend("signal", signal=number)


def test_the_signal_is_blocked_in_a_slots_thread_outside_the_guest(two_slots: Any) -> None:
    pair = two_slots("signal", "spin")
    masks: list[Any] = []

    def thread() -> None:
        pair.take(0)
        pair.wait(0, 1000)
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    runner = threading.Thread(target=thread)
    runner.start()
    runner.join()
    assert NUMBER in masks[0]


FULL_QUEUE = """
import resource, threading
from minikvm.backends.signal import Signal
from minikvm.testing._pingpong import PingPong
pair = PingPong(Signal())
pair.take(0)
resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))
try:
    pair.ring(0)
except OSError as error:
    print(error)
"""


def test_a_queue_of_signals_that_stays_full_is_an_error_that_names_the_call() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", FULL_QUEUE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[Errno 11] tgkill: Resource temporarily unavailable\n", "")
