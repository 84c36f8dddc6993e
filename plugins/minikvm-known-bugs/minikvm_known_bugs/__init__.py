"""Known bugs of vCPU request dispatch, for minikvm: each strategy and run loop breaks one rule. docs/protocol.md has the rules."""

from minikvm.hookspecs import hookimpl
from minikvm_known_bugs.control_a import ControlA
from minikvm_known_bugs.control_b import ControlB
from minikvm_known_bugs.m01 import M01
from minikvm_known_bugs.m02 import M02
from minikvm_known_bugs.m03 import M03
from minikvm_known_bugs.m04 import M04, M04Receiver
from minikvm_known_bugs.m05 import M05
from minikvm_known_bugs.m06 import M06
from minikvm_known_bugs.m07 import M07
from minikvm_known_bugs.m09 import M09
from minikvm_known_bugs.m10 import M10
from minikvm_known_bugs.m12 import M12
from minikvm_known_bugs.m13 import M13
from minikvm_known_bugs.m14 import M14
from minikvm_known_bugs.m18 import M18
from minikvm_known_bugs.m21 import M21
from minikvm_known_bugs.m27 import M27
from minikvm_known_bugs.m29 import M29
from minikvm_known_bugs.m30 import M30
from minikvm_known_bugs.m47 import M47
from minikvm_known_bugs.m50 import M50, M50Loop


@hookimpl
def minikvm_strategies():
    return [M01, M02, M03, M04, M05, M06, M09, M10, M12, M13, M27, M29, M47, M50, ControlA, ControlB]


@hookimpl
def minikvm_run_loops():
    return [M04Receiver, M07, M14, M18, M21, M30, M50Loop]
