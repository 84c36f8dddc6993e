"""kvm_make_vcpus_request_mask() as it changed in 2021: a class for each C file beside this module."""

from pathlib import Path

from minikvm.csource.plugin import CStrategy

HERE = Path(__file__).parent


class Linear(CStrategy):
    """Visit every vCPU and ask whether its bit is set; read vcpu->cpu plainly before the mode: before the patch.

    From: virt/kvm/kvm_main.c of Linux 5.14. When it is right: under sc and tso, where set_bit() is a locked instruction; under rc11 and
    lkmm the read of vcpu->cpu may come before the request, and a kick is lost.
    """

    name = "c-linear"
    path = HERE / "linear.c"


class V1Bitmap(CStrategy):
    """Visit the set bits only; read vcpu->cpu before the request is made: the patch as first sent.

    From: the mail "KVM: Optimize kvm_make_vcpus_request_mask() a bit", version 1 (August 2021). When it is right: never: a target that
    moves between the read and the IPI has not seen the request, and the IPI goes to the CPU that it left.
    """

    name = "c-v1-bitmap"
    path = HERE / "v1-bitmap.c"


class CurrentCpu(CStrategy):
    """Look the current CPU up once and pass it in; read vcpu->cpu after the mode, but plainly.

    From: the review of version 1. When it is right: under every model, by the order of its accesses; what is left is a data race.
    """

    name = "c-current-cpu"
    path = HERE / "current-cpu.c"


class Upstream(CStrategy):
    """A mask for each CPU that cannot be missing; read vcpu->cpu once, with READ_ONCE(), after the mode: as merged.

    From: virt/kvm/kvm_main.c of Linux 5.16 and later. When it is right: under every model, and without a race.
    """

    name = "c-upstream"
    path = HERE / "upstream.c"
