"""Litmus tests by their file's name, and small ones from a text."""

from pathlib import Path

import pytest

from minikvm.litmus import LitmusError, decide, load

HERE = Path(__file__).parent


@pytest.fixture
def verdict():
    """Of one of the shipped tests, under a model."""

    def verdict(name, model="lkmm"):
        return decide(load(str(HERE / f"{name}.litmus")), model)

    return verdict


@pytest.fixture
def read():
    """A test from its text."""
    return lambda text: load("test.litmus", text)


@pytest.fixture
def program(read):
    """A test from its threads' code: each has the parameters that are named, and the condition comes last."""

    def program(*threads, parameters="int *x, int *y", init="", condition="exists (true)"):
        bodies = "\n".join(f"P{t}({parameters}) {{ {code} }}" for t, code in enumerate(threads))
        return read(f"C test\n{{ {init} }}\n{bodies}\n{condition}\n")

    return program


@pytest.fixture
def complaint(read):
    """What is wrong with a text: one line."""

    def complaint(text):
        with pytest.raises(LitmusError) as caught:
            decide(read(text))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return complaint
