"""P2 and P4 against callers that learn of a walk's end in other ways than the kernel's: what counts as having seen it, model by model.

A look at vcpu.mode as the call returns decides P2 (check/look.pyx). C11's happens-before would be wrong for lkmm in both directions.
"""

from __future__ import annotations

import pytest

from minikvm.check.cells import Checker
from minikvm.config import load
from minikvm.plugins import Manager

MODELS = ("sc", "tso", "rc11", "lkmm")
FLUSH = "  - {request: TLB_FLUSH, wait: true, targets: [0], from: {pcpu: %d}, count: 1}\n"
SCENE = (
    "vm: {name: looks, vcpus: 1}\nguest: {enter_us: forever, walk_ratio: 1}\nloop: walks\nworkload:\n"
    + "".join(FLUSH % pcpu for pcpu in (1, 2))
    + "check: {vcpus: 1, pcpus: 1, entries: 1, faults: 0, properties: [P2, P4], models: [sc, tso, rc11, lkmm]}\n"
)


@pytest.fixture(scope="module")
def violated_under(tmp_path_factory):
    """(strategy, loop, property) -> the models under which two calls and a walk violate it."""
    manager = Manager(["minikvm.testing._looks"])
    path = tmp_path_factory.mktemp("looks") / "looks.yaml"
    path.write_text(SCENE)
    config = load(path, registry=manager)
    explored = {}

    def violated_under(strategy, loop, name):
        if (strategy, loop) not in explored:
            checker = Checker(config, manager, str(path), SCENE, strategies=[strategy], loop=loop)
            checker.run()
            assert checker.exhausted
            explored[strategy, loop] = {cell.model: set(cell.violations) for cell in checker.cells}
        return {model for model, names in explored[strategy, loop].items() if name in names}

    return violated_under


def test_who_is_told_with_release_has_seen_the_end_even_where_the_end_was_no_release(violated_under):
    """The store that ends the walk is relaxed: it happens before nothing. Its reader's release passes it on all the same."""
    assert violated_under("told-release", "walks-wmb", "P2") == set()


def test_who_is_told_after_smp_wmb_has_not_seen_the_end_under_lkmm(violated_under):
    """smp_rmb(); smp_wmb() orders no read before a store. As C11's fences they do, and the end of the walk happens before the look."""
    assert violated_under("told-wmb", "walks", "P2") == {"lkmm"}


@pytest.mark.parametrize("loop", ["walks", "walks-wmb"])
def test_who_awaits_the_acknowledgement_has_seen_the_end(violated_under, loop):
    assert violated_under("upstream", loop, "P2") == set()


def test_a_walk_that_ends_with_smp_wmb_may_still_read_what_is_freed_under_lkmm(violated_under):
    """smp_wmb() orders the walk's stores only; C11's release fence its reads as well."""
    assert violated_under("upstream", "walks-wmb", "P4") == {"lkmm"}


def test_a_walk_that_ends_with_release_is_over_when_its_page_is_freed(violated_under):
    assert violated_under("upstream", "walks", "P4") == set()


def test_an_end_that_is_told_on_orders_the_walk_before_the_free_as_far_as_the_model_carries_it(violated_under):
    """The first reader of the mode reads it relaxed: nothing to C11, and to the kernel's model enough."""
    assert (violated_under("told-release", "walks", "P4"), violated_under("told-wmb", "walks", "P4")) == ({"rc11"}, {"lkmm"})
