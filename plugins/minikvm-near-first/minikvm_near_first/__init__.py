"""A strategy for minikvm: near-first."""

from minikvm.hookspecs import hookimpl
from minikvm_near_first.strategy import NearFirst


@hookimpl
def minikvm_strategies():
    return [NearFirst]
