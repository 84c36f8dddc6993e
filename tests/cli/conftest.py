"""The command line in this process (fast) and as a real process (exit codes, signals), and a VM that does what a test tells it."""

import subprocess
import sys
import textwrap

import pytest
from click.testing import CliRunner

PARTS = """
from minikvm.kinds import Backend, Injector, Loop, GuestEngine, Options, Strategy
from pydantic import Field

class TestOptions(Options):
    batch: int = Field(8, ge=1, le=64, description="how many at once")

class TestStrategy(Strategy):
    '''A strategy for the tests.

    It sends nothing.
    '''
    name = "test-strategy"
    Options = TestOptions
    requires = frozenset({"acknowledges"})
    def dispatch(self, vm, request, targets):
        return False
    def on_put(self, vm, vcpu):
        pass

class TestBackend(Backend):
    '''A back end for the tests.'''
    name = "test-backend"
    capabilities = frozenset({"acknowledges"})
    cost = "memory"
    def ring(self, vm, doorbell): ...
    def wait(self, vm, doorbell, timeout_ns): ...

class TestInjector(Injector):
    '''An injector for the tests.'''
    name = "test-injector"
    benign = False
    points = ("ipi.send",)
    def at(self, vm, point, vcpu): ...

class TestLoop(Loop):
    '''A loop for the tests.'''
    name = "test-loop"
    arch = "arm64"
    def enter(self, vm, vcpu): ...

class TestEngine(GuestEngine):
    '''An engine for the tests.'''
    name = "test-engine"
    def run(self, vm, vcpu): ...
"""

CONFIG = """\
vm: {vcpus: 2, engine: test-engine}
host: {sockets: 1, cores: 2, threads: 1}
strategy: test-strategy
backend: test-backend
loop: test-loop
workload:
  - {request: TLB_FLUSH, targets: all, count: 3}
"""

# Replaces minikvm.live.VM in the process that loads it as a plugin: what a run does is the test's choice, the command line is real.
FAKE_VM = """
import os
import signal
import time

import minikvm.live
from minikvm.hookspecs import hookimpl
from minikvm.plugins import PluginError

class Report:
    def __init__(self, exit_code, config):
        self.exit_code = exit_code
        self.config = config
    def as_dict(self):
        return {"exit_code": self.exit_code, "seed": self.config.seed, "strategy": self.config.strategy.name, "vcpus": self.config.vm.vcpus}

class VM:
    def __init__(self, config, manager=None, progress=None):
        self.config, self.progress, self.report = config, progress, None
    def __enter__(self):
        return self
    def __exit__(self, *exc):
        return None
    def run(self):
        self.report = Report(130, self.config)
        BODY
        self.report = Report(0, self.config)
        return self.report

minikvm.live.VM = VM

@hookimpl
def minikvm_vm_started(vm):
    pass
"""


@pytest.fixture
def parts(tmp_path):
    """A plugin file with one class of each kind that a configuration names."""
    path = tmp_path / "parts.py"
    path.write_text(PARTS)
    return str(path)


@pytest.fixture
def config(tmp_path):
    """A small configuration that uses the parts."""
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def invoke():
    """Run the command line in this process."""
    from minikvm.cli.main import cli

    return lambda *arguments, **options: CliRunner().invoke(cli, [str(argument) for argument in arguments], **options)


@pytest.fixture
def start(tmp_path):
    """Start the command line as a process."""
    processes = []

    def start(*arguments, **options):
        command = [sys.executable, "-m", "minikvm", *map(str, arguments)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path} | options
        processes.append(subprocess.Popen(command, **streams))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def call(start):
    """Run the command line as a process to its end: (exit code, stdout, stderr)."""

    def call(*arguments, **options):
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return call


@pytest.fixture
def fake_vm(tmp_path):
    """A plugin file that makes ``vm.run()`` do *body*."""

    def write(body):
        path = tmp_path / "fake_vm.py"
        path.write_text(FAKE_VM.replace("BODY", textwrap.indent(textwrap.dedent(body), " " * 8).strip()))
        return str(path)

    return write
