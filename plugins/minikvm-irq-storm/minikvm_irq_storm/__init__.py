"""A race injector for minikvm: irq-storm."""

from minikvm.hookspecs import hookimpl
from minikvm_irq_storm.injector import IrqStorm


@hookimpl
def minikvm_race_injectors():
    return [IrqStorm]
