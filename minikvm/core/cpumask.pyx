"""CpuMask: a Bitmap over pCPUs. The C API is in cpumask.pxd."""
cimport cython

from minikvm.core.bitmap cimport Bitmap, bit_number, bm_set, new_like

import operator as _operator

CLUSTER_SIZE = 1 << X2APIC_CLUSTER_SHIFT


cdef list numbers(CpuMask mask, object sequence, str what):
    """*sequence* as one non-negative int a pCPU of *mask*; ValueError if it is too short or holds anything less."""
    found = [_operator.index(number) for number in sequence]
    if len(found) < mask.nbits:
        raise ValueError(f"{what} has {len(found)} entries: expected one a pCPU, {mask.nbits}")
    for cpu, number in enumerate(found):
        if number < 0:
            raise ValueError(f"{what}[{cpu}] is {number}: expected 0 or more")
    return found


cdef list split(CpuMask mask, object group_of):
    """(group, its pCPUs) for each group with a pCPU in *mask*, ascending."""
    cdef CpuMask part
    groups = {}
    for cpu in mask:
        group = group_of(cpu)
        if group not in groups:
            groups[group] = new_like(mask)
        part = groups[group]
        bm_set(part.words, cpu)
    return sorted(groups.items())


@cython.final
cdef class CpuMask(Bitmap):
    """A Bitmap over pCPUs 0 .. nbits - 1, with the searches of the kernel's cpumask. ``CpuMask(8, [0, 2])``.

    Every operator and method of Bitmap is here, and gives a CpuMask; a CpuMask equals a Bitmap of the same size and bits.
    Where no pCPU qualifies the answer is ``nr``, the number of pCPUs. Errors are those of Bitmap.

    Thread-safety
    -------------
    As Bitmap. The ``rotor`` of ``any_distribute`` belongs to this object and is stepped under the GIL; native code brings its own.
    """

    def __cinit__(self, nbits, bits=None):
        self.rotor = self.nbits

    @property
    def nr(self):
        """The number of pCPUs: ``nbits``."""
        return self.nbits

    def first(self):
        """The lowest pCPU, else nr."""
        return cpumask_first(self.words, self.nbits)

    def next(self, n):
        """The first pCPU after *n* (-1: the first of all), else nr."""
        return cpumask_next(self.words, self.nbits, self._after(n))

    def next_wrap(self, n, start=None):
        """The pCPU after *n* in the walk ``start .. nr - 1, 0 .. start - 1``; nr at its end.

        Without *start* the walk has no end: the first pCPU after *n* (which may be -1), going on from 0; nr only if the
        mask is empty. That is the kernel's cpumask_next_wrap() since Linux 6.15, the other its for_each_cpu_wrap().
        """
        if start is None:
            return cpumask_next_cyclic(self.words, self.nbits, self._after(n))
        return cpumask_next_wrap(self.words, self.nbits, bit_number(n, self.nbits), bit_number(start, self.nbits))

    def for_each_wrap(self, start):
        """Iterate over the pCPUs in the order ``start .. nr - 1, 0 .. start - 1``."""
        cdef unsigned begin = bit_number(start, self.nbits)
        cdef unsigned cpu = cpumask_first_wrap(self.words, self.nbits, begin)
        while cpu < self.nbits:
            yield cpu
            cpu = cpumask_next_wrap(self.words, self.nbits, cpu, begin)

    def any_but(self, cpu):
        """A pCPU of the mask (the lowest) other than *cpu*, else nr."""
        return cpumask_any_but(self.words, self.nbits, bit_number(cpu, self.nbits))

    def any_distribute(self):
        """A pCPU of the mask, another one at each call, in turn; nr if it is empty. Spreads load as cpumask_any_distribute()."""
        return cpumask_any_distribute(self.words, self.nbits, &self.rotor)

    def any_and_distribute(self, Bitmap other not None):
        """any_distribute() over the pCPUs that are also in *other*."""
        if other.nbits != self.nbits:
            raise ValueError(f"bitmaps of {self.nbits} and {other.nbits} bits: expected two of the same size")
        return cpumask_any_and_distribute(self.words, other.words, self.nbits, &self.rotor)

    def by_node(self, node_of):
        """Split over NUMA nodes: ``[(node, mask)]``, ascending, without empty masks. ``node_of[pcpu]`` is its node.

        ValueError if *node_of* has fewer entries than there are pCPUs, or a negative one.
        """
        return split(self, numbers(self, node_of, "node_of").__getitem__)

    def by_cluster(self, apic_id_of=None):
        """Split over x2APIC clusters of 16: ``[(cluster, mask)]``, ascending, without empty masks.

        ``apic_id_of[pcpu]`` is its x2APIC id, by default the pCPU's own number; a cluster is the ids with equal ``id >> 4``,
        the largest set that one interrupt in logical mode reaches (Intel SDM, volume 3, "Logical Destination Mode in x2APIC Mode").
        ValueError if *apic_id_of* has fewer entries than there are pCPUs, or a negative one.
        """
        apic_ids = range(self.nbits) if apic_id_of is None else numbers(self, apic_id_of, "apic_id_of")
        return split(self, lambda cpu: apic_ids[cpu] >> X2APIC_CLUSTER_SHIFT)

    def distribute(self, node_of, apic_id_of=None):
        """Split over NUMA nodes and, within each, x2APIC clusters: ``[(node, cluster, mask)]``, ascending. See the two above."""
        return [(node, cluster, part) for node, mask in self.by_node(node_of) for cluster, part in mask.by_cluster(apic_id_of)]

    def _after(self, n):
        return -1 if n == -1 else bit_number(n, self.nbits)
