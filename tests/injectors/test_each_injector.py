"""What is particular to one injector."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from minikvm.core.standalone import Standalone
from minikvm.testing._plugs import ask, injector_points


def acts(vm: Standalone, capsule: Any, point: str, subject: int | None = None) -> Any:
    """Ask with the answer yes; the one call of the machine."""
    vm.clear()
    vm.recorder.answers = [1]
    ask(vm, capsule, point, subject)
    (call,) = vm.calls
    return call


@pytest.mark.parametrize("walk", [False, True])
def test_stale_cpu_makes_the_target_migrate_and_walk_if_asked(vm: Standalone, injector: Any, walk: bool) -> None:
    plug = injector("stale-cpu", walk=walk)
    call = acts(vm, plug.native(), "kick.cpu_read", 1)
    assert (call.name, call.vcpu, call.value) == ("migrate", 1, walk)


def test_stale_cpu_leaves_a_point_without_a_vcpu_alone(vm: Standalone, injector: Any) -> None:
    plug = injector("stale-cpu")
    vm.recorder.answers = [1]
    ask(vm, plug.native(), "kick.cpu_read", None)
    assert vm.trace == []


def test_preempt_does_not_ask_inside_load_and_put(injector: Any) -> None:
    plug = injector("preempt")
    assert not {"vcpu.loaded", "vcpu.put"} & set(injector_points(plug.native()))


@pytest.mark.parametrize(("point", "pcpu"), [("kick.begin", -1), ("kick.mode", -1), ("kick.end", -1), ("entry.mode", 2), ("walk.begin", 2)])
def test_spurious_ipi_strikes_any_pcpu_from_a_kicker_and_its_own_on_entry(vm: Standalone, injector: Any, point: str, pcpu: int) -> None:
    plug = injector("spurious-ipi")
    assert acts(vm, plug.native(), point).value == pcpu


@pytest.mark.parametrize(("point", "sleeper"), [("kick.wake", 1), ("kick.begin", 0)])
def test_spurious_wakeup_strikes_the_target_before_the_kickers_test(vm: Standalone, injector: Any, point: str, sleeper: int) -> None:
    for idx in (0, 1):
        vm.set_vcpu(idx, wait=True)
    plug = injector("spurious-wakeup")
    assert acts(vm, plug.native(), point, 1).vcpu == sleeper


def test_a_mask_that_fails_at_start_never_fails_in_a_call(vm: Standalone, injector: Any) -> None:
    plug = injector("mask-alloc-failure", when="start")
    vm.recorder.answers = [1]
    assert (ask(vm, plug.native(), "kick.alloc_mask", None), vm.trace) == (0, [])


def test_a_constant_delay_is_its_mean(vm: Standalone, injector: Any) -> None:
    plug = injector("delay", distribution="constant", mean_ns=250)
    capsule = plug.native()
    assert [acts(vm, capsule, "kick.made").value for _ in range(5)] == [250] * 5


def delays(vm: Standalone, plug: Any, count: int = 2000) -> list[int]:
    capsule = plug.native()
    return [acts(vm, capsule, "kick.made").value for _ in range(count)]


def test_uniform_delays_fill_zero_to_twice_the_mean(vm: Standalone, injector: Any) -> None:
    drawn = delays(vm, injector("delay", distribution="uniform", mean_ns=1000))
    assert 0 <= min(drawn) < 100
    assert 1900 < max(drawn) < 2000
    assert 930 < sum(drawn) / len(drawn) < 1070


def test_exponential_delays_have_their_mean_and_a_tail(vm: Standalone, injector: Any) -> None:
    drawn = delays(vm, injector("delay", distribution="exponential", mean_ns=1000))
    assert 900 < sum(drawn) / len(drawn) < 1100
    assert 0.33 < sum(d > 1000 for d in drawn) / len(drawn) < 0.41, "1/e of an exponential distribution is above its mean"
    assert max(drawn) > 4000


def test_an_unknown_point_is_an_error_with_the_nearest_name(injector: Any) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"unknown point 'kick.cpu-read': did you mean kick.cpu_read\?"):
        injector("delay", points=["kick.cpu-read"])


def test_a_point_like_no_other_is_an_error_with_all_names(injector: Any) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"unknown point 'zzz': expected some of kick.begin, "):
        injector("delay", points=["zzz"])


@pytest.mark.parametrize("options", [{"mean_ns": -1}, {"mean_ns": float("nan")}, {"mean_ns": 1e12}, {"points": []},
                                     {"distribution": "normal"}, {"mean": 5}])
def test_delay_refuses_options_that_make_no_sense(injector: Any, options: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        injector("delay", **options)
