"""The strategy one-at-a-time: what a kick cost before there were masks."""

from pydantic import Field

from minikvm.kinds import REQUEST_NO_ACTION, REQUEST_NO_WAKEUP, REQUEST_WAIT, Options, Strategy


class OneAtATimeOptions(Options):
    together: int = Field(1, ge=1, le=4096, description="targets that share a send; 1: an IPI each")


class OneAtATime(Strategy):
    """An IPI for each target, and with WAIT a wait for each: the form before kick masks.

    When it is right: always, and seldom fast: with WAIT the round trips add up, where one mask lets all targets leave together. What it
    needs is no mask at all, so it has no allocation that can fail.
    """

    name = "one-at-a-time"
    Options = OneAtATimeOptions
    requires = frozenset({"acknowledges"})

    def dispatch(self, vm, request, targets):
        wait = bool(request & REQUEST_WAIT)
        sent = False
        # The kick mask is the pCPU's own: whoever else ran here would write into it.
        with vm.preempt_disabled() as this_cpu:
            mask = vm.kick_mask()
            for count, idx in enumerate(targets, start=1):
                self.ask(vm, request, vm.vcpu(idx), mask, this_cpu)
                if count % self.options.together == 0:
                    sent |= vm.kick_many(mask, wait)
                    mask = vm.kick_mask()
            return vm.kick_many(mask, wait) or sent

    @staticmethod
    def ask(vm, request, vcpu, mask, this_cpu):
        """The order is the protocol's: the request, the wake-up, the mode, and only then vcpu.cpu, read once."""
        if not request & REQUEST_NO_ACTION:
            vm.make_request(request, vcpu)
        # Who was asleep and is woken sees the request before it enters the guest: no IPI, even with WAIT.
        if not request & REQUEST_NO_WAKEUP and vm.wake_up(vcpu):
            return
        if vm.needs_ipi(vcpu, request):
            vm.mask_cpu(vcpu, vm.read_cpu(vcpu), this_cpu, mask)
