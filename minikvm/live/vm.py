"""class VM: what `minikvm run` and notebooks use."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from minikvm.core.requests import KVM_REQUEST_NO_WAKEUP, KVM_REQUEST_WAIT, Request
from minikvm.live.build import Built, Thread, beat_ns, build, kind_of
from minikvm.live.figures import RunReport, dump_of, report_of
from minikvm.live.judge import all_checks, final_checks, sentence_of
from minikvm.live.start import open_backend, start_thread
from minikvm.live.watchdog import Suspicion, Watchdog
from minikvm.pluginload import PluginError

if TYPE_CHECKING:
    from minikvm.config.model import VMConfig
    from minikvm.plugins import Manager

_T = TypeVar("_T")

LOOK_NS = 50_000_000
"""How often, at the least, the supervisor looks at the VM."""
JOIN_S = 30.0
SETTLE_S = 5.0
JUDGE_TRIES = 3
JUDGE_S = 0.02
DRAIN_S = 30.0


class VMError(RuntimeError):
    """The VM is not in a state for what was asked: not started, already run, stopped."""


class VM:
    """A VM on OS threads.

    Example::

        from minikvm import VM, load

        with VM(load("quickstart.yaml")) as vm:
            vm.request("TLB_FLUSH", targets=[1, 3], wait=True)
            vm.run()
        print(vm.report.as_dict()["totals"]["ipis"])

    Entering starts a thread for each vCPU; leaving ends all of them, whatever happened. ``run()`` makes the calls of the workload.
    Raises ConfigError for a configuration that cannot be started, PluginError when a plugin raises.
    Thread-safety: one thread uses a VM.
    """

    def __init__(self, config: VMConfig, manager: Manager | None = None, progress: Callable[[Any], None] | None = None) -> None:
        if manager is None:
            from minikvm.plugins import Manager as _Manager

            manager = _Manager()
        self.config = config
        self.manager = manager
        self._progress = progress
        self._built: Built | None = None
        self._threads: list[threading.Thread] = []
        self._errors: list[tuple[str, BaseException]] = []
        self._violations: list[dict[str, Any]] = []
        self._report: RunReport | None = None
        self._watchdog: Watchdog | None = None
        self._watchdog_bad: dict[str, int] = {}
        self._started_at = 0.0
        self._started = ""
        self._t0_ns = 0
        self._ran = False
        self._notified = False
        self._open = self._began = False
        self._undrained = False

    # ---- life ----

    def __enter__(self) -> VM:
        if self._built is not None:
            raise VMError("this VM was started already")
        self._built = build(self.config, self.manager)
        core = self._built.core
        self._watchdog = Watchdog(core, round(self.config.watchdog.suspect_ms * 1e6))
        self._started = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._started_at = time.monotonic()
        self._t0_ns = core.now()
        try:
            core.pause(True)
            self._open = True
            open_backend(core, self.config, self.manager)
            self._start(self._built.threads)
            self._began = True
            self.manager.vm_started(self)
            self._notified = True
        except BaseException:
            self._end_threads()
            if not self._began:
                self._built = None  # nothing ran, and there is nothing to report
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._report is None:
                self._finish("interrupted" if kind is not None else "finished")
        finally:
            self._end_threads()
        if self._notified and not self._errors:
            self._notified = False
            self.manager.vm_stopped(self, self._report)
        if kind is None:
            self._raise_plugin_error()

    @property
    def report(self) -> RunReport | None:
        """The report of ``run()``, also when it was cut short; of the requests so far while the VM runs; None before it starts."""
        if self._report is None and self._built is not None:
            return self._make_report("finished")
        return self._report

    @property
    def vcpus(self) -> Any:
        """The vCPU table: ``vm.vcpus[2].mode``; reads are of this moment."""
        return self._core.table

    def _require(self) -> Built:
        if self._built is None:
            raise VMError("the VM is not started: use it in a with statement")
        return self._built

    @property
    def _core(self) -> Any:
        return self._require().core

    def _start(self, threads: Iterable[Thread]) -> None:
        for thread in threads:
            self._threads.append(start_thread(thread.name, partial(self._be, thread), self.config))

    def _be(self, thread: Thread) -> None:
        """A thread's body. A plugin's exception ends the whole VM."""
        try:
            self._core.run(thread.number, thread.what)
        except BaseException as error:
            self._errors.append((thread.name, error))
            self._stop()

    def _stop(self) -> None:
        """End every wait in the VM.

        A back end that raises when it is to ring cannot prevent it: who is not rung looks again at its next beat.
        """
        try:
            self._core.stop()
        except Exception as error:
            if not self._errors:
                self._errors.append(("stopping", error))

    def _end_threads(self) -> None:
        if self._built is None:
            return
        self._stop()
        end = time.monotonic() + JOIN_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < end:
                thread.join(0.2)
                self._stop()
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        if stuck:
            raise VMError(f"threads that did not end within {JOIN_S:.0f} s: {', '.join(stuck)}")
        self._threads.clear()
        if self._open:
            self._open = False
            self._core.close()

    # ---- requests ----

    def request(
        self, request: str | Request, targets: Iterable[int] | None = None, wait: bool | None = None, no_wakeup: bool | None = None,
        no_action: bool | None = None, pcpu: int = 0,
    ) -> None:
        """One call through the VM's strategy, as a task on *pcpu*; returns when the strategy does.

        request: a name, with or without KVM_REQ_, or a Request; targets: table indices, None for all; wait, no_wakeup, no_action: None
        keeps the request's own flag. Raises ValueError for an unknown name, IndexError for a target or pCPU that is not there.
        """
        core = self._core
        assert self._built is not None
        known = self._built.registry[request] if isinstance(request, str) else request
        known = known.but(wait=wait, no_wakeup=no_wakeup, no_action=no_action)
        chosen = None if targets is None else sorted(set(targets))
        for idx in chosen or ():
            if idx not in self._built.vcpu_thread:
                raise IndexError(f"no vCPU {idx}: the table has {len(self._built.vcpus)} vCPUs")
        if not 0 <= pcpu < self._built.topology.nr_pcpus:
            raise IndexError(f"no pCPU {pcpu}: the host has {self._built.topology.nr_pcpus}")
        if core.stopping:
            raise VMError("the VM has stopped")
        self._built.kinds.setdefault(kind_of(known), [])
        if known not in self._built.kinds[kind_of(known)]:
            self._built.kinds[kind_of(known)].append(known)
        self._report = None
        if not known.flags & KVM_REQUEST_NO_WAKEUP:
            core.add_wake_mask(known.bit)
        core.set_call(known.value, kind_of(known), chosen, bool(known.flags & KVM_REQUEST_WAIT), known.gate)
        try:
            core.call(pcpu)
        except Exception as error:
            self._errors.append(("python", error))
            self._stop()
        self._raise_plugin_error()

    # ---- the workload ----

    def run(self) -> RunReport:
        """Make the calls of the workload, wait until they are done (or the duration is over), and let the vCPUs handle what is left.

        Returns the report; a violated property is in it, with exit code 1, and is no exception. KeyboardInterrupt and PluginError pass
        through, with the report so far in ``vm.report``.
        """
        core = self._core
        assert self._built is not None
        if self._ran:
            raise VMError("the workload of this VM has run already")
        self._ran = True
        ended = "interrupted"
        try:
            core.pause(False)
            self._start(self._built.initiators)
            ended = self._supervise()
        finally:
            self._finish(ended)
        self._raise_plugin_error()
        assert self._report is not None
        return self._report

    def _supervise(self) -> str:
        """Look at the VM until it is done. Returns how it ended."""
        core = self._core
        duration = self.config.duration
        end = math.inf if duration is None else time.monotonic() + duration / 1e6
        phase = "running"
        drained_by = math.inf
        look_ns = min(LOOK_NS, beat_ns(self.config))  # as often as there may be something new to see
        while True:
            core.wait_event(look_ns if phase == "running" else LOOK_NS // 10)
            self._show_progress(phase)
            if self._errors:
                return "plugin-error"
            if core.nr_found or self._look():
                return "violation"
            now = time.monotonic()
            if phase == "running" and (core.active == 0 or now >= end):
                phase = "finished" if core.active == 0 else "duration"
                core.end_calls()
                drained_by = now + DRAIN_S
            if phase != "running" and self._quiet():
                return phase
            if now >= drained_by:
                self._undrained = True
                return phase

    def _look(self) -> bool:
        assert self._watchdog is not None
        suspicion = self._watchdog.look()
        if suspicion is None:
            return False
        self._watchdog_bad[suspicion.property] = self._watchdog_bad.get(suspicion.property, 0) + 1
        self._note_suspicion(suspicion)
        return True

    def _quiet(self) -> bool:
        """Have the vCPUs handled all that they will handle without a further call?"""
        core = self._core
        return bool(core.active == 0 and core.in_flight == 0 and core.nothing_owed())

    def _show_progress(self, phase: str) -> None:
        if self._progress is None or self._built is None:
            return
        elapsed = time.monotonic() - self._started_at
        done = self._core.calls_done()
        duration = self.config.duration
        self._progress({
            "calls_done": done, "calls_total": self._built.calls_total, "elapsed_s": elapsed,
            "duration_s": None if duration is None or math.isinf(duration) else duration / 1e6,
            "rate": done / elapsed if elapsed else 0.0, "phase": "running" if phase == "running" else "draining",
        })

    # ---- the end ----

    def _finish(self, ended: str) -> None:
        """Judge what can only be judged at the end, stop, and make the report. A violation outranks a good end."""
        if self._built is None or (self._report is not None and self._ran and not self._threads):
            return
        core = self._core
        fine = ended in ("finished", "duration") and not self._errors
        if fine:
            core.pause(True)
            for _ in range(JUDGE_TRIES):  # what is wrong for good is wrong again; a request whose count is a moment behind its bit is not
                self._final, bad = self._settled(lambda: final_checks(self._require()))
                if not bad:
                    break
                time.sleep(JUDGE_S)
            for prop, vcpu, sentence in bad:
                self._add(prop, vcpu, sentence)
        self._note_found()
        if self._errors:
            ended = "plugin-error"
        elif self._violations and ended != "interrupted":
            ended = "violation"
        why = ended
        self._report = self._settled(lambda: self._make_report(why)) if fine else self._make_report(why)
        for violation in self._violations:
            self.manager.violation(self, violation)

    def _settled(self, read: Callable[[], _T]) -> _T:
        """What *read* returns when no vCPU handled a request, or made one, while it read: figures that belong together.

        No call is made any more, but a sleeper may wake by its own timer and handle what was made with NO_WAKEUP: its bit would be counted
        neither as handled nor as pending. A vCPU may also make itself a request when it is loaded (deferred-flush). Each can do so once, so
        this comes to an end; SETTLE_S bounds it for a VM that did not drain.
        """
        built = self._require()
        core = self._core

        def made() -> list[int]:
            return [core.kind(kind)["made"] for kind in built.kinds]

        end = time.monotonic() + SETTLE_S
        while True:
            before, requests = core.handlings(), made()
            result = read()
            if (before is not None and made() == requests and core.handlings() == before) or time.monotonic() >= end:
                return result

    def _make_report(self, ended: str) -> RunReport:
        assert self._built is not None and self._watchdog is not None
        return report_of(
            self.config, self._built, started=self._started, elapsed_s=time.monotonic() - self._started_at, ended=ended,
            checks=all_checks(self._built, self._watchdog, self._watchdog_bad, self._final),
            violations=self._violations, errors=self._error_rows(),
        )

    _final: dict[str, tuple[int, int]] = {}  # noqa: RUF012 (replaced, never changed in place)

    def _error_rows(self) -> list[dict[str, Any]]:
        rows = [error_row(where, error) for where, error in self._errors]
        if self._undrained:
            message = f"not every request was handled within {DRAIN_S:.0f} s after the last call, and the watchdog found no reason"
            rows.append({"where": "end of the run", "message": message, "traceback": None})
        return rows

    def _add(self, prop: str, vcpu: int | None, sentence: str, at_ns: int | None = None) -> None:
        assert self._built is not None
        at = ((self._core.now() if at_ns is None else at_ns) - self._t0_ns) / 1e9
        self._violations.append({"property": prop, "sentence": sentence, "vcpu": vcpu, "at_s": max(at, 0.0), "dump": dump_of(self._built)})

    def _note_suspicion(self, suspicion: Suspicion) -> None:
        core = self._core
        thread = core.thread(suspicion.number)
        who = f"vCPU {thread['vcpu']}" if thread["vcpu"] is not None else thread["name"]
        pending = self._built.registry.describe(thread["requests"]) if self._built is not None else []
        made = f" (pending: {', '.join(pending)})" if pending else ""
        self._add(suspicion.property, thread["vcpu"], f"{who} {suspicion.sentence}{made}")

    def _note_found(self) -> None:
        """What the calls themselves found."""
        assert self._built is not None
        known = {(v["property"], v["vcpu"], v["at_s"]) for v in self._violations}
        for found in self._built.core.found():
            at = (found["at"] - self._t0_ns) / 1e9
            if (found["property"], found["vcpu"], at) in known:
                continue
            request = self._built.kinds.get(found["kind"], [None])[0]
            self._add(found["property"], found["vcpu"], sentence_of(found, request.name if request else "a request"), found["at"])

    def _raise_plugin_error(self) -> None:
        if self._errors:
            where, error = self._errors[0]
            if isinstance(error, KeyboardInterrupt):
                raise error
            raise PluginError(f"{where}: {type(error).__name__}: {error}", where) from error


def error_row(where: str, error: BaseException) -> dict[str, Any]:
    """A plugin's exception, for the report."""
    return {"where": where, "message": f"{type(error).__name__}: {error}", "traceback": "".join(traceback.format_exception(error))}


__all__ = ["VM", "VMError"]
