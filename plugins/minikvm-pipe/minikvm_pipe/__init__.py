"""An IPI back end for minikvm: pipe."""

from minikvm.hookspecs import hookimpl
from minikvm_pipe.backend import Pipe


@hookimpl
def minikvm_ipi_backends():
    return [Pipe]
