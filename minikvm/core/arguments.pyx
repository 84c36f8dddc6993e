"""What Python callers pass, as native values, or a clear error."""
from libc.stdint cimport int32_t, uint32_t
from minikvm.core.bitmap cimport Bitmap
from minikvm.core.kick cimport get_vcpu
from minikvm.core.vcpu cimport VCpu
from minikvm.core.world cimport mk_vcpu, mk_vm

from difflib import get_close_matches as _get_close_matches


cdef uint32_t request_value(object req) except? 0xffffffff:
    """A Request, or an int of its id and flags, as the native word."""
    value = getattr(req, "value", req)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"request {req!r}: expected a Request or an int (id and flags)")
    if not 0 <= value < 0x800 or value & 0xc0:
        raise ValueError(f"request {value:#x}: expected an id of 0 to 63 and flags of 0x100, 0x200 and 0x400")
    return value


cdef Bitmap target_mask(mk_vm *vm, object targets):
    """A bitmap over the table's places: a Bitmap of that size, or made from ints. None stays None: all."""
    if targets is None:
        return None
    if not isinstance(targets, Bitmap):
        return Bitmap(vm.nr_vcpus, targets)
    if (<Bitmap>targets).nbits != vm.nr_vcpus:
        raise ValueError(f"targets of {(<Bitmap>targets).nbits} bits: expected one a vCPU, {vm.nr_vcpus}")
    return targets


cdef Bitmap cpu_mask(mk_vm *vm, object mask):
    """A mask over the VM's pCPUs."""
    if not isinstance(mask, Bitmap):
        raise TypeError(f"mask is of type {type(mask).__name__}: expected a CpuMask")
    if (<Bitmap>mask).nbits != vm.nr_pcpus:
        raise ValueError(f"mask of {(<Bitmap>mask).nbits} bits: expected one a pCPU, {vm.nr_pcpus}")
    return mask


cdef int32_t pcpu_number(mk_vm *vm, object pcpu, int32_t low) except? -2:
    """A pCPU from *low* (0, or -1 for none) on; IndexError where there is none of that number."""
    if isinstance(pcpu, bool) or not isinstance(pcpu, int):
        raise TypeError(f"pCPU {pcpu!r}: expected an int")
    if not low <= pcpu < vm.nr_pcpus:
        raise IndexError(f"pCPU {pcpu}: expected {low} to {vm.nr_pcpus - 1}")
    return pcpu


cdef mk_vcpu *vcpu_of(mk_vm *vm, object vcpu) except NULL:
    """The vCPU that a VCpu of this VM, or a place of its table, names; found by its place, so that a stale view is never followed."""
    cdef uint32_t idx
    cdef mk_vcpu *v
    if isinstance(vcpu, VCpu):
        idx = (<VCpu>vcpu).idx
        v = get_vcpu(vm, idx)
        if v == NULL or v != (<VCpu>vcpu).v:
            raise ValueError(f"vCPU {idx} is another VM's")
        return v
    if isinstance(vcpu, bool) or not isinstance(vcpu, int):
        raise TypeError(f"vCPU {vcpu!r}: expected a VCpu or its place in the table")
    if not 0 <= vcpu < vm.nr_vcpus:
        raise IndexError(f"vCPU {vcpu}: expected 0 to {vm.nr_vcpus - 1}")
    v = get_vcpu(vm, vcpu)
    if v == NULL:
        raise IndexError(f"vCPU {vcpu}: a hole")
    return v


cdef int one_of(str what, object name, dict known) except -1:
    """The number of a name."""
    found = known.get(name) if isinstance(name, str) else None
    if found is None:
        close = _get_close_matches(name, known, n=1) if isinstance(name, str) else []
        hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"
        raise ValueError(f"{what} {name!r}: {hint}")
    return found


def number_of(what, name, known):
    """The number of a name among those of a dict; ValueError with *what* it is, and the closest one."""
    return one_of(what, name, known)
