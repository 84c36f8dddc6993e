"""The vCPU table (struct kvm's vcpu_array, kvm_get_vcpu() and kvm_get_vcpu_by_id(), virt/kvm/kvm_main.c, v6.18)."""
cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset
from minikvm.core.bitmap cimport bm_fill, bm_words
from minikvm.core.kick cimport get_vcpu, read_cpu
from minikvm.core.world cimport (
    MK_ABI, MK_CACHELINE, MK_MAX_PCPUS, MK_MAX_VCPUS, MK_NO_VCPU, MK_RELAXED, mk_bare_load32, mk_bare_load64, mk_bare_store32, mk_load32,
    mk_load64)

import errno as _errno
import operator as _operator
import os as _os
from enum import IntEnum as _IntEnum

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void **memory, size_t alignment, size_t size)

cdef uint64_t last_serial = 0  # under the GIL

MAX_VCPUS = MK_MAX_VCPUS
MAX_PCPUS = MK_MAX_PCPUS
CACHELINE = MK_CACHELINE


class Mode(_IntEnum):
    """vcpu.mode (enum kvm_vcpu_mode, include/linux/kvm_host.h has the first three and READING_SHADOW_PAGE_TABLES)."""

    OUTSIDE_GUEST_MODE = 0
    IN_GUEST_MODE = 1
    EXITING_GUEST_MODE = 2
    READING_SHADOW_PAGE_TABLES = 3


cdef void *zalloc_lines(size_t size) except NULL:
    """Zeroed memory of whole cache lines, shared with nothing else."""
    cdef void *memory = NULL
    size = (max(size, 1) + MK_CACHELINE - 1) // MK_CACHELINE * MK_CACHELINE
    if posix_memalign(&memory, MK_CACHELINE, size) != 0:
        raise MemoryError(f"no memory for {size} bytes of the vCPU table")
    memset(memory, 0, size)
    return memory


cdef long long checked(object number, str what, long long low, long long high) except? -1:
    """*number* as an int from *low* to *high*; TypeError or ValueError with *what* it is."""
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"{what} is {number!r}: expected an int from {low} to {high}")
    number = _operator.index(number)
    if not low <= number <= high:
        shown = number if number.bit_length() < 256 else f"a number of {number.bit_length()} bits"
        raise ValueError(f"{what} is {shown}: expected {low} to {high}")
    return number


cdef list numbers(object sequence, str what, unsigned count, str each, long long high):
    """*sequence* as *count* ints from 0 to *high*, one an *each*."""
    cdef list found = list(sequence)
    if len(found) != count:
        raise ValueError(f"{what} has {len(found)} entries: expected one a {each}, {count}")
    return [checked(number, f"{what}[{i}]", 0, high) for i, number in enumerate(found)]


cdef uint32_t *array_of(list values) except NULL:
    cdef uint32_t *array = <uint32_t *>zalloc_lines(len(values) * sizeof(uint32_t))
    cdef Py_ssize_t i
    for i in range(len(values)):
        array[i] = values[i]
    return array


cdef int place(VcpuTable self, object ids, object holes) except -1:
    """Allocate the vCPUs, and name those that are no holes."""
    cdef mk_vm *vm = self.vm
    cdef uint32_t idx
    cdef set empty = {checked(hole, "hole", 0, vm.nr_vcpus - 1) for hole in holes}
    cdef list names = list(range(vm.nr_vcpus)) if ids is None else numbers(ids, "ids", vm.nr_vcpus, "vCPU", MK_NO_VCPU - 1)
    cdef dict places = {}
    vm.vcpus = <mk_vcpu *>zalloc_lines(<size_t>vm.nr_vcpus * sizeof(mk_vcpu))
    for idx in range(vm.nr_vcpus):
        vm.vcpus[idx].idx = idx
        vm.vcpus[idx].id = MK_NO_VCPU
        vm.vcpus[idx].vm = vm
        mk_bare_store32(&vm.vcpus[idx].cpu, MK_RELAXED, <uint32_t>-1)
        if idx in empty:
            continue
        if names[idx] in places:
            raise ValueError(f"ids[{idx}] is {names[idx]}: vCPU {places[names[idx]]} has this id already")
        places[names[idx]] = idx
        vm.vcpus[idx].id = names[idx]
    self.present = len(places)
    if not places:
        raise ValueError(f"{len(empty)} holes in a table of {vm.nr_vcpus}: expected at least one vCPU")
    return 0


@cython.final
cdef class Binding:
    """The context that views read through; an expired one makes each of them say so."""


@cython.final
cdef class VcpuTable:
    """The vCPUs of one VM, at places 0 .. nr_vcpus - 1, and what kickers need beside them. ``VcpuTable(288, 144)``.

    nr_vcpus: places in the table, 1..4096; nr_pcpus: 1..4096. ids: the id of each place (sparse, like APIC ids; default: the
    place); holes: places that stay empty. apic_of: the x2APIC id of each pCPU (default: its number); cluster_of: its x2APIC cluster
    (default: APIC id / 16); node_of: its NUMA node (default: 0).

    kick_masks: one cpumask for each pCPU is allocated here, because the kick path must not allocate. False models that this fails: the
    constructor raises OSError with ENOMEM, as since Linux 5.16 loading the kvm module fails with -ENOMEM (kvm_init()). What the
    kernel did before, which is to kick every online pCPU, is the broadcast strategy's and mask-alloc-failure's business.

    ``table[idx]`` is a VCpu, IndexError past the end or in a hole; ``get(idx)`` is None there. Iteration and ``len()`` skip holes.
    Raises ValueError for a size, index or id out of range and for an id given twice; TypeError for what is no int.

    Thread-safety: the table's shape never changes; the vCPUs' fields are atomics, which each VCpu reads once.
    """

    def __cinit__(self, nr_vcpus, nr_pcpus, ids=None, holes=(), cluster_of=None, node_of=None, apic_of=None, kick_masks=True):
        cdef unsigned count = checked(nr_vcpus, "nr_vcpus", 1, MK_MAX_VCPUS)
        cdef unsigned pcpus = checked(nr_pcpus, "nr_pcpus", 1, MK_MAX_PCPUS)
        cdef mk_vm *vm
        if not kick_masks:
            raise OSError(_errno.ENOMEM, f"{_os.strerror(_errno.ENOMEM)} (the per-pCPU kick masks)")
        self.vm = vm = <mk_vm *>zalloc_lines(sizeof(mk_vm))
        global last_serial
        last_serial += 1
        vm.abi = MK_ABI
        vm.serial = last_serial
        vm.nr_vcpus = count
        vm.nr_pcpus = pcpus
        vm.vcpu_words = bm_words(count)
        vm.mask_words = bm_words(pcpus)
        vm.mask_stride = (vm.mask_words + 7) & ~7  # no two kick masks share a cache line
        vm.kick_masks = <uint64_t *>zalloc_lines(<size_t>vm.mask_stride * pcpus * sizeof(uint64_t))
        vm.online = <uint64_t *>zalloc_lines(vm.mask_words * sizeof(uint64_t))
        bm_fill(vm.online, pcpus)
        apics = list(range(pcpus)) if apic_of is None else numbers(apic_of, "apic_of", pcpus, "pCPU", MK_NO_VCPU - 1)
        clusters = [apic >> 4 for apic in apics] if cluster_of is None else numbers(cluster_of, "cluster_of", pcpus, "pCPU", MK_NO_VCPU - 1)
        nodes = [0] * pcpus if node_of is None else numbers(node_of, "node_of", pcpus, "pCPU", MK_NO_VCPU - 1)
        vm.apic_of = array_of(apics)
        vm.cluster_of = array_of(clusters)
        vm.node_of = array_of(nodes)
        place(self, ids, holes)

    def __dealloc__(self):
        if self.vm != NULL:
            free(self.vm.vcpus)
            free(self.vm.kick_masks)
            free(self.vm.online)
            free(<void *>self.vm.apic_of)
            free(<void *>self.vm.cluster_of)
            free(<void *>self.vm.node_of)
            free(self.vm)

    @property
    def nr_vcpus(self):
        """Places in the table, holes included."""
        return self.vm.nr_vcpus

    @property
    def nr_pcpus(self):
        return self.vm.nr_pcpus

    @property
    def cluster_of(self):
        """The x2APIC cluster of each pCPU."""
        return tuple([self.vm.cluster_of[i] for i in range(self.vm.nr_pcpus)])

    @property
    def node_of(self):
        """The NUMA node of each pCPU."""
        return tuple([self.vm.node_of[i] for i in range(self.vm.nr_pcpus)])

    @property
    def apic_of(self):
        """The x2APIC id of each pCPU."""
        return tuple([self.vm.apic_of[i] for i in range(self.vm.nr_pcpus)])

    @property
    def holes(self):
        """The places without a vCPU, ascending."""
        return tuple([i for i in range(self.vm.nr_vcpus) if self.vm.vcpus[i].id == MK_NO_VCPU])

    @property
    def addresses(self):
        """Where each place's struct lies in memory: each at a cache line (64 bytes) of its own."""
        return tuple([<size_t>&self.vm.vcpus[i] for i in range(self.vm.nr_vcpus)])

    def use_requests(self, registry):
        """Take the masks of requests that end a sleep, that are gates and that are sticky from a RequestRegistry."""
        self.vm.wake_mask = registry.wake_mask
        self.vm.gate_mask = registry.gate_mask
        self.vm.sticky_mask = registry.sticky_mask

    def get(self, idx):
        """The VCpu at place *idx*, or None where there is none (kvm_get_vcpu())."""
        idx = _operator.index(idx)
        cdef mk_vcpu *v = get_vcpu(self.vm, idx) if 0 <= idx < self.vm.nr_vcpus else NULL
        return None if v == NULL else view_of(v, self, None)

    def by_id(self, id):
        """The VCpu with this id, or None: the place of that number first, then a search (kvm_get_vcpu_by_id())."""
        cdef uint32_t i, wanted
        cdef mk_vcpu *v
        id = _operator.index(id)
        if not 0 <= id < MK_NO_VCPU:
            return None
        wanted = id
        v = get_vcpu(self.vm, wanted)
        if v != NULL and v.id == wanted:
            return view_of(v, self, None)
        for i in range(self.vm.nr_vcpus):
            if self.vm.vcpus[i].id == wanted:
                return view_of(&self.vm.vcpus[i], self, None)
        return None

    def __getitem__(self, idx):
        found = self.get(idx)
        if found is None:
            why = "a hole" if 0 <= idx < self.vm.nr_vcpus else f"expected 0 to {self.vm.nr_vcpus - 1}"
            raise IndexError(f"vCPU {idx}: {why}")
        return found

    def __iter__(self):
        cdef uint32_t i
        for i in range(self.vm.nr_vcpus):
            if self.vm.vcpus[i].id != MK_NO_VCPU:
                yield view_of(&self.vm.vcpus[i], self, None)

    def __len__(self):
        return self.present

    def __repr__(self):
        return f"<VcpuTable of {self.present} vCPUs in {self.vm.nr_vcpus} places, {self.vm.nr_pcpus} pCPUs>"


cdef VCpu view_of(mk_vcpu *v, VcpuTable table, Binding binding):
    """A Python view of a vCPU. Exactly one of *table* and *binding* answers for the memory."""
    cdef VCpu view = VCpu.__new__(VCpu)
    view.v = v
    view.idx = v.idx
    view.id = v.id
    view.table = table
    view.binding = binding
    return view


cdef mk_vcpu *followed(VCpu vcpu) except NULL:
    """The struct, if it is still there."""
    if vcpu.binding is not None and vcpu.binding.c == NULL:
        raise RuntimeError(f"this view of vCPU {vcpu.idx} has expired: it was valid during the call that it was given to")
    if vcpu.v == NULL:
        raise RuntimeError("a VCpu comes from a table or a VM, it is not made")
    return vcpu.v


@cython.final
cdef class VCpu:
    """One vCPU, to be read. Bound to a context (``vm.vcpus``) a read is a READ_ONCE in its world; from a table it is a bare one.

    idx: its place in the table and its bit in bitmaps of vCPUs. id: what user space named it.
    RuntimeError once the call that it was given to has ended.
    """

    @property
    def requests(self):
        """The request bits, of 64."""
        cdef mk_vcpu *v = followed(self)
        cdef uint64_t bits = 0
        if self.binding is None:
            return mk_bare_load64(&v.requests, MK_RELAXED)
        mk_load64(self.binding.c, &v.requests, MK_RELAXED, b"vcpu.requests", &bits)
        return bits

    @property
    def mode(self):
        """Its Mode."""
        cdef mk_vcpu *v = followed(self)
        cdef uint32_t mode = 0
        if self.binding is None:
            mode = mk_bare_load32(&v.mode, MK_RELAXED)
        else:
            mk_load32(self.binding.c, &v.mode, MK_RELAXED, b"vcpu.mode", &mode)
        return Mode(mode)

    @property
    def cpu(self):
        """The pCPU it is loaded on, -1 when none. Bound, READ_ONCE and then the point kick.cpu_read (not in a race injector)."""
        cdef mk_vcpu *v = followed(self)
        cdef mk_ctx *c
        cdef uint32_t raw = 0
        cdef int32_t cpu = -1
        if self.binding is None:
            return <int32_t>mk_bare_load32(&v.cpu, MK_RELAXED)
        c = self.binding.c
        if self.binding.quiet:
            mk_load32(c, &v.cpu, MK_RELAXED, b"vcpu.cpu", &raw)
            return <int32_t>raw
        with nogil:
            read_cpu(c, v, MK_RELAXED, &cpu)
        return cpu

    @property
    def wait(self):
        """Is it blocked?"""
        cdef mk_vcpu *v = followed(self)
        cdef uint32_t wait = 0
        if self.binding is None:
            wait = mk_bare_load32(&v.wait, MK_RELAXED)
        else:
            mk_load32(self.binding.c, &v.wait, MK_RELAXED, b"vcpu.wait", &wait)
        return wait != 0

    def __eq__(self, other):
        return self.v == (<VCpu>other).v if isinstance(other, VCpu) else NotImplemented

    def __hash__(self):
        return hash(<size_t>self.v)

    def __repr__(self):
        return f"<VCpu {self.idx}>" if self.idx == self.id else f"<VCpu {self.idx}, id {self.id}>"
