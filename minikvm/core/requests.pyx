"""The registry of request ids: the kernel's table and a plugin's own ids. The operations on vcpu.requests are in requests.pxd."""
from minikvm.core.world cimport MK_MAX_REQUESTS, MK_REQ_MASK, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT

from dataclasses import dataclass as _dataclass
from difflib import get_close_matches as _get_close_matches

KVM_REQUEST_MASK = MK_REQ_MASK
KVM_REQUEST_NO_WAKEUP = MK_REQ_NO_WAKEUP
KVM_REQUEST_WAIT = MK_REQ_WAIT
KVM_REQUEST_NO_ACTION = MK_REQ_NO_ACTION
FLAGS = {"wait": KVM_REQUEST_WAIT, "no_wakeup": KVM_REQUEST_NO_WAKEUP, "no_action": KVM_REQUEST_NO_ACTION}
FIRST_ARCH_REQUEST = 8
LAST_REQUEST = MK_MAX_REQUESTS - 1
PREFIX = "KVM_REQ_"


@_dataclass(frozen=True)
class Request:
    """A request id (R1): the bit number and, above it, the flags.

    name: without KVM_REQ_; nr: its bit in vcpu.requests, 0..63; flags: KVM_REQUEST_WAIT | NO_WAKEUP | NO_ACTION.
    gate: only the requester clears it, and the vCPU stays out of the guest until then (R23); sticky: it is never cleared.
    """

    name: str
    nr: int
    flags: int = 0
    gate: bool = False
    sticky: bool = False

    @property
    def value(self):
        """nr | flags: what make_request() and a strategy's dispatch() take."""
        return self.nr | self.flags

    @property
    def has_bit(self):
        """Is a bit logged? Not with NO_ACTION, where the IPI is the whole effect."""
        return not self.flags & KVM_REQUEST_NO_ACTION

    @property
    def bit(self):
        """Its bit in vcpu.requests as a mask, 0 when it has none."""
        return 1 << self.nr if self.has_bit else 0

    def but(self, wait=None, no_wakeup=None, no_action=None):
        """The same request with other flags; None keeps one."""
        flags = self.flags
        for asked, flag in ((wait, KVM_REQUEST_WAIT), (no_wakeup, KVM_REQUEST_NO_WAKEUP), (no_action, KVM_REQUEST_NO_ACTION)):
            if asked is not None:
                flags = flags | flag if asked else flags & ~flag
        return Request(self.name, self.nr, flags, self.gate, self.sticky)

    def __str__(self):
        named = [name for name, flag in FLAGS.items() if self.flags & flag]
        return self.name if not named else f"{self.name}[{','.join(named)}]"


_WN = KVM_REQUEST_WAIT | KVM_REQUEST_NO_WAKEUP
# include/linux/kvm_host.h and arch/x86/include/asm/kvm_host.h, v6.18 (KVM_ARCH_REQ(n) is bit 8 + n).
_LINUX = (
    Request("TLB_FLUSH", 0, _WN), Request("VM_DEAD", 1, _WN, sticky=True), Request("UNBLOCK", 2), Request("DIRTY_RING_SOFT_FULL", 3),
    Request("OUTSIDE_GUEST_MODE", 0, _WN | KVM_REQUEST_NO_ACTION),
    Request("MIGRATE_TIMER", 8), Request("REPORT_TPR_ACCESS", 9), Request("TRIPLE_FAULT", 10), Request("MMU_SYNC", 11),
    Request("CLOCK_UPDATE", 12), Request("LOAD_MMU_PGD", 13), Request("EVENT", 14), Request("APF_HALT", 15), Request("STEAL_UPDATE", 16),
    Request("NMI", 17), Request("PMU", 18), Request("PMI", 19), Request("SMI", 20), Request("MASTERCLOCK_UPDATE", 21),
    Request("MCLOCK_INPROGRESS", 22, _WN, gate=True), Request("SCAN_IOAPIC", 23, _WN), Request("GLOBAL_CLOCK_UPDATE", 24),
    Request("APIC_PAGE_RELOAD", 25, _WN), Request("HV_CRASH", 26), Request("IOAPIC_EOI_EXIT", 27), Request("HV_RESET", 28),
    Request("HV_EXIT", 29), Request("HV_STIMER", 30), Request("LOAD_EOI_EXITMAP", 31), Request("GET_NESTED_STATE_PAGES", 32),
    Request("APICV_UPDATE", 33, _WN), Request("TLB_FLUSH_CURRENT", 34), Request("TLB_FLUSH_GUEST", 35, _WN), Request("APF_READY", 36),
    Request("RECALC_INTERCEPTS", 37), Request("UPDATE_CPU_DIRTY_LOGGING", 38, _WN), Request("MMU_FREE_OBSOLETE_ROOTS", 39, _WN),
    Request("HV_TLB_FLUSH", 40, _WN),
)


def flags_of(names):
    """The flags word of *names* (wait, no_wakeup, no_action); ValueError for another name."""
    flags = 0
    for name in names:
        if name not in FLAGS:
            raise ValueError(f"request flag {name!r}: expected one of {', '.join(FLAGS)}")
        flags |= FLAGS[name]
    return flags


class RequestRegistry:
    """Request ids by name. It starts with those of KVM on x86 (v6.18), to which register() adds.

    Looking up takes a name with or without KVM_REQ_; an unknown one is a ValueError with the closest ones.
    Thread-safety: register before the VM starts; after that it is only read.
    """

    def __init__(self):
        self._by_name = {request.name: request for request in _LINUX}
        self._by_bit = {request.nr: request for request in _LINUX if request.has_bit}

    def register(self, name, nr, flags=0, gate=False, sticky=False):
        """Add a request of one's own and return it.

        nr: 8..63 (0..7 are common to all architectures, and the kernel's). flags: a word of KVM_REQUEST_* or names (wait, no_wakeup,
        no_action). With no_action no bit is logged, so that a bit may be shared. A taken name or bit is a ValueError that names the holder.
        """
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"request name {name!r}: expected letters, digits and underscores")
        short = name.removeprefix(PREFIX)
        if not isinstance(flags, int):
            flags = flags_of(flags)
        if flags & ~(KVM_REQUEST_WAIT | KVM_REQUEST_NO_WAKEUP | KVM_REQUEST_NO_ACTION):
            raise ValueError(f"request {short}: flags {flags:#x}: expected WAIT, NO_WAKEUP and NO_ACTION only, {sum(FLAGS.values()):#x}")
        if isinstance(nr, bool) or not isinstance(nr, int):
            raise ValueError(f"request {short}: id {nr!r}: expected an int from {FIRST_ARCH_REQUEST} to {LAST_REQUEST}")
        if not FIRST_ARCH_REQUEST <= nr <= LAST_REQUEST:
            raise ValueError(f"request {short}: id {nr}: expected {FIRST_ARCH_REQUEST} to {LAST_REQUEST}")
        request = Request(short, nr, flags, bool(gate), bool(sticky))
        if request.gate and request.sticky:
            raise ValueError(f"request {short}: a gate is cleared by its requester, a sticky request never: expected one of the two")
        if not request.has_bit and (gate or sticky):
            raise ValueError(f"request {short}: with no_action there is no bit that could be a gate or sticky")
        if short in self._by_name:
            raise ValueError(f"request {short} (id {nr}): the name is taken by {short} (id {self._by_name[short].nr})")
        if request.has_bit and nr in self._by_bit:
            raise ValueError(f"request {short} (id {nr}): the id is taken by {self._by_bit[nr].name}")
        self._by_name[short] = request
        if request.has_bit:
            self._by_bit[nr] = request
        return request

    def __getitem__(self, name):
        short = str(name).removeprefix(PREFIX)
        if short in self._by_name:
            return self._by_name[short]
        close = _get_close_matches(short.upper(), self._by_name, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"expected one of {', '.join(self.names())}"
        raise ValueError(f"unknown request {name!r}: {hint}")

    def __contains__(self, name):
        return isinstance(name, str) and name.removeprefix(PREFIX) in self._by_name

    def __iter__(self):
        return iter(self._by_name.values())

    def __len__(self):
        return len(self._by_name)

    def names(self):
        """All names, without KVM_REQ_, in the order of registration."""
        return list(self._by_name)

    def by_bit(self, nr):
        """The request that logs bit *nr*, or None."""
        return self._by_bit.get(nr)

    def describe(self, bits):
        """The names of the requests that are set in *bits*; an id of nobody's is its number."""
        return [self._by_bit[nr].name if nr in self._by_bit else str(nr) for nr in range(LAST_REQUEST + 1) if bits >> nr & 1]

    @property
    def wake_mask(self):
        """The bits that end a sleep: those of requests without NO_WAKEUP."""
        return sum(request.bit for request in self if not request.flags & KVM_REQUEST_NO_WAKEUP)

    @property
    def gate_mask(self):
        """The bits that only their requester clears."""
        return sum(request.bit for request in self if request.gate)

    @property
    def sticky_mask(self):
        """The bits that stay for ever."""
        return sum(request.bit for request in self if request.sticky)
