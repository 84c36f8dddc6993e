"""The interactive examples in docstrings are true."""

import doctest

import pytest

from minikvm import plugins, requestdefs


@pytest.mark.parametrize("module", [plugins, requestdefs], ids=lambda module: module.__name__)
def test_the_interactive_examples_of_a_module_are_true(module):
    result = doctest.testmod(module, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert result.attempted > 0 and result.failed == 0
