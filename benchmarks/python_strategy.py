"""The default strategy as one would write it in Python: what does the language cost?"""

from __future__ import annotations

from typing import Any

from minikvm.kinds import REQUEST_WAIT, Strategy


class UpstreamInPython(Strategy):
    """`upstream`, step by step in Python, with the GIL."""

    name = "upstream-in-python"
    requires = frozenset({"acknowledges"})

    def dispatch(self, vm: Any, request: int, targets: Any) -> bool:
        """The walk and the send; the steps for one target are the core's."""
        mask, me = vm.kick_mask(), vm.this_cpu
        for idx in targets:
            vm.make_vcpu_request(vm.vcpus[idx], request, mask, me)
        return bool(vm.kick_many(mask, bool(request & REQUEST_WAIT)))
