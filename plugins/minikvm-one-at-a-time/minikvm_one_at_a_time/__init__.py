"""A strategy for minikvm: one-at-a-time."""

from minikvm.hookspecs import hookimpl
from minikvm_one_at_a_time.strategy import OneAtATime


@hookimpl
def minikvm_strategies():
    return [OneAtATime]
