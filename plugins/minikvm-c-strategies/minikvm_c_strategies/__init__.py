"""Strategies for minikvm in kernel-style C: c-linear, c-v1-bitmap, c-current-cpu, c-upstream."""

from minikvm.hookspecs import hookimpl
from minikvm_c_strategies.strategies import CurrentCpu, Linear, Upstream, V1Bitmap


@hookimpl
def minikvm_strategies():
    return [Linear, V1Bitmap, CurrentCpu, Upstream]
