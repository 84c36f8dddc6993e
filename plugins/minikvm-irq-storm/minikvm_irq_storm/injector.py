"""The race injector irq-storm: interrupts that nobody asked for, many at once."""

from pydantic import Field

from minikvm.kinds import Injector, Options


class IrqStormOptions(Options):
    burst: int = Field(4, ge=1, le=1000, description="interrupts in one burst")


class IrqStorm(Injector):
    """A burst of interrupts without a request, each to any pCPU.

    When it is right: for every strategy and loop; an exit without a request is only work for nothing. What it shakes: the window between a
    kicker's look at the mode and its IPI, and the one between IRQs off and guest entry.
    """

    name = "irq-storm"
    Options = IrqStormOptions
    benign = True
    points = ("kick.mode", "kick.end", "entry.irqs_off", "entry.enter")

    def at(self, vm, point, vcpu):
        for _ in range(self.options.burst):
            vm.spurious_ipi()
