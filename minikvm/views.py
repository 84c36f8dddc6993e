"""What a Python plugin sees: types for its annotations. The objects themselves come from the live VM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class VcpuView(Protocol):
    """What a Python plugin sees of a vCPU."""

    @property
    def idx(self) -> int:
        """The table index, 0..n-1: the position that bitmaps use."""

    @property
    def cpu(self) -> int:
        """The pCPU that it is loaded on, -1 when none; each access reads it anew, once."""

    @property
    def mode(self) -> int:
        """OUTSIDE_GUEST_MODE, IN_GUEST_MODE, EXITING_GUEST_MODE or READING_SHADOW_PAGE_TABLES (0..3)."""


class MaskView(Protocol):
    """What a Python plugin sees of a cpumask: a set of pCPU numbers without allocation."""

    def set(self, pcpu: int, /) -> Any:
        """Add *pcpu*."""

    def __iter__(self) -> Iterator[int]: ...


class VMView(Protocol):
    """What a Python plugin sees of the VM: the kick path's steps, each the same compiled function that native plugins call."""

    @property
    def vcpus(self) -> Any:
        """All vCPUs, ascending, without the table's holes: to count or to go through, not to look one up."""

    def vcpu(self, idx: int) -> VcpuView:
        """The vCPU at place *idx* of the table; IndexError in a hole."""

    def preempt_disabled(self) -> Any:
        """``with vm.preempt_disabled() as me:`` no deschedule within; *me* is the current pCPU. A kick mask is good for that long."""

    def make_request(self, request: int, vcpu: Any) -> None:
        """Write barrier, then set the bit (step 1 of the protocol)."""

    def wake_up(self, vcpu: Any) -> bool:
        """Wake *vcpu* if it sleeps; True if that woke it (step 2)."""

    def needs_ipi(self, vcpu: Any, request: int) -> bool:
        """Full barrier, cmpxchg of the mode; True if the old mode asks for an IPI (step 3)."""

    def read_cpu(self, vcpu: Any) -> int:
        """``vcpu.cpu``, read once, -1 when none; then the point kick.cpu_read, where injectors are asked (step 4)."""

    def kick_mask(self) -> Any:
        """This pCPU's own preallocated cpumask, emptied. Only with preemption off."""

    def mask_cpu(self, vcpu: Any, cpu: int, me: int, mask: Any) -> bool:
        """Add *cpu* to *mask* unless it is none or the caller's own; True when added. The report's accounts see it."""

    def kick_many(self, mask: Any, wait: bool) -> bool:
        """One function-call IPI to the whole mask; waits for the acknowledgements if *wait*. False if the mask is empty."""
