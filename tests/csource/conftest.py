"""C strategies and loops for the tests here: the final form with a place to put something into, and how to run and check one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minikvm.check.cells import Checker
from minikvm.config import loads
from minikvm.core.standalone import Standalone
from minikvm.csource.plugin import class_for
from minikvm.plugins import Manager

needs_cc = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")

FINAL = """\
static DEFINE_PER_CPU(cpumask_var_t, cpu_kick_mask);
{before}
bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req)
{{
	struct kvm_vcpu *vcpu;
	struct cpumask *cpus;
	unsigned long i;
	bool called;
	int me = get_cpu();
	{inside}
	cpus = this_cpu_cpumask_var_ptr(cpu_kick_mask);
	cpumask_clear(cpus);
	kvm_for_each_vcpu(i, vcpu, kvm)
		kvm_make_vcpu_request(vcpu, req, cpus, me);
	called = kvm_kick_many_cpus(cpus, !!(req & KVM_REQUEST_WAIT));
	put_cpu();
	return called;
}}
"""
INSIDE = 1 + FINAL[: FINAL.index("{inside}")].replace("{before}", "").count("\n")
"""The line of what is put inside, where nothing is put before."""

SCENE = """\
vm: {name: scene, vcpus: 1}
host: {sockets: 1, cores: 4, threads: 1}
guest: {enter_us: forever}
workload:
  - {request: TLB_FLUSH, wait: true, targets: all, from: {pcpu: 2}, count: 1}
  - {request: TLB_FLUSH, wait: true, targets: all, from: {pcpu: 3}, count: 1}
check: {vcpus: 1, pcpus: 1, entries: 1, calls: 1, initiators: INITIATORS, faults: 0, models: [sc]}
"""


@pytest.fixture(scope="session", autouse=True)
def cache(session_folder: Path) -> Iterator[None]:
    """A cache of this test run's own, so that nothing that an earlier one compiled decides."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(session_folder / "cache"))
        yield


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a C file: the final form with something inside and before it, or a whole text."""

    def write(inside: str = "", before: str = "", name: str = "mine.c", text: str | None = None) -> Path:
        path = tmp_path / name
        path.write_text(FINAL.format(inside=inside, before=before) if text is None else text)
        return path

    return write


@pytest.fixture(params=["gcc", "clang"])
def compiler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each C compiler in turn: what is compiled in the test is compiled by it."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    monkeypatch.setenv("CC", request.param)
    return request.param


@pytest.fixture
def standalone() -> Callable[..., Standalone]:
    """A VM without threads around a C file."""

    def make(path: Path, vcpus: int = 4, **options: Any) -> Standalone:
        return Standalone(vcpus, strategy=class_for("strategy", str(path))(), **options)

    return make


@pytest.fixture
def check() -> Callable[..., Any]:
    """Explore a C strategy or loop in a small scene: its cell."""

    def check(
        strategy: Path | str = "upstream",
        loop: Path | str = "x86",
        *,
        models: tuple[str, ...] = ("sc",),
        initiators: int = 1,
        wait: bool = True,
    ) -> Any:
        text = SCENE.replace("INITIATORS", str(initiators)).replace("wait: true", f"wait: {str(wait).lower()}")
        manager = Manager(no_plugins=True)
        checker = Checker(
            loads(text, registry=manager), manager, "scene.yaml", text, strategies=[str(strategy)], loop=str(loop), models=models
        )
        checker.run()
        return checker.cells[0]

    return check


@pytest.fixture(scope="session")
def manager() -> Manager:
    return Manager(no_plugins=True)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start `minikvm ARGUMENT...` in the test's folder; keywords are environment variables."""

    def start(*arguments: object, cwd: Path = tmp_path, **environment: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "minikvm", *map(str, arguments)]
        return subprocess.Popen(line, cwd=cwd, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.fixture
def call(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., tuple[int, str, str]]:
    """The same, run to its end: (exit code, stdout, stderr)."""

    def call(*arguments: object, **options: Any) -> tuple[int, str, str]:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    return call


@pytest.fixture
def refused(call: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """What a command that is to end with exit code 2 writes to stderr."""

    def refused(*arguments: object, **options: Any) -> str:
        code, out, err = call(*arguments, **options)
        assert (code, "Traceback" in err) == (2, False), f"exit code {code}\n{out}{err}"
        return err

    return refused
