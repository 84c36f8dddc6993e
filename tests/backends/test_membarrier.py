"""The membarrier back end where the kernel does not let it."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_MEMBARRIER = """
import ctypes, platform, struct
number = {"x86_64": 324, "aarch64": 283}[platform.machine()]
# A seccomp filter: load the system call's number; if it is membarrier, ENOSYS, else allow.
program = b"".join(struct.pack("HBBI", *row) for row in [
    (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)])
buffer = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, filter) == 0, ctypes.get_errno()
from minikvm.backends.membarrier import Membarrier
from minikvm.testing._pingpong import PingPong
try:
    PingPong(Membarrier(), True)
except OSError as error:
    print(error)
"""


def test_a_kernel_without_membarrier_is_named_at_start() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", WITHOUT_MEMBARRIER], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("[Errno 38] back end membarrier: this kernel does not offer MEMBARRIER_CMD_PRIVATE_EXPEDITED")
