from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, final

from minikvm.core.bitmap import Bitmap
from minikvm.core.cpumask import CpuMask
from minikvm.core.recorder import Op, Recorder
from minikvm.core.requests import Request, RequestRegistry
from minikvm.core.vcpu import Mode, VCpu, VcpuTable
from minikvm.core.view import CurrentVM

class Ipi(NamedTuple):
    mask: CpuMask
    wait: bool

@final
class Standalone:
    this_cpu: int
    need_resched: bool
    def __init__(
        self,
        nr_vcpus: int,
        nr_pcpus: int | None = None,
        *,
        strategy: Any = None,
        loop: Any = "x86",
        injectors: Sequence[Any] = (),
        world: bool = False,
        record: bool = False,
        ids: Sequence[int] | None = None,
        holes: Iterable[int] = (),
        cluster_of: Sequence[int] | None = None,
        node_of: Sequence[int] | None = None,
        apic_of: Sequence[int] | None = None,
        this_cpu: int = 0,
        vcpu: int | VCpu | None = None,
        registry: RequestRegistry | None = None,
        seed: int = 1,
    ) -> None: ...
    @property
    def table(self) -> VcpuTable: ...
    @property
    def recorder(self) -> Recorder: ...
    @property
    def registry(self) -> RequestRegistry: ...
    @property
    def vm(self) -> CurrentVM: ...
    @property
    def visited(self) -> int: ...
    @property
    def preempt_count(self) -> int: ...
    @property
    def irqs_off(self) -> int: ...
    def set_vcpu(
        self,
        vcpu: int | VCpu,
        *,
        mode: int | None = None,
        cpu: int | None = None,
        wait: bool | None = None,
        requests: int | Iterable[int | Request] | None = None,
    ) -> None: ...
    def state(self, vcpu: int | VCpu) -> tuple[Mode, int, bool, int]: ...
    def dispatch(self, req: int | Request, targets: Bitmap | Iterable[int] | None = None) -> bool: ...
    def dispatch_many(self, req: int | Request, targets: Bitmap | Iterable[int] | None, n: int, mode: int | None = None) -> int: ...
    def enter(self, vcpu: int | VCpu) -> bool: ...
    @property
    def trace(self) -> list[Op]: ...
    @property
    def ops(self) -> list[Op]: ...
    @property
    def points(self) -> list[str]: ...
    @property
    def calls(self) -> list[Op]: ...
    @property
    def events(self) -> list[Op]: ...
    @property
    def ipis(self) -> list[Ipi]: ...
    @property
    def woken(self) -> list[int]: ...
    @property
    def rescheduled(self) -> list[int]: ...
    def clear(self) -> None: ...
