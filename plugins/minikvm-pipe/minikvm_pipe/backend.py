"""The IPI back end pipe: a doorbell that is a byte in a pipe."""

import contextlib
import os
import select

from minikvm.kinds import Backend

DRAIN = 4096
NS_PER_MS = 1_000_000


class Pipe(Backend):
    """A pipe for each pCPU: a ring writes a byte, the guest polls the other end.

    Source: the self-pipe trick (D. J. Bernstein); pipe(7), poll(2).

    When it is right: to show how a back end works, and where a guest shall wait for other descriptors too without eventfd(2). Cost: a
    system call for a ring, two for a wait, two descriptors for each pCPU, and the GIL for each of these.
    """

    name = "pipe"
    capabilities = frozenset({"acknowledges", "interrupts-sleep"})
    cost = "syscall"

    def __init__(self, options=None):
        super().__init__(options)
        self.ends = {}

    def open(self, doorbell):
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        self.ends[doorbell.pcpu] = (reader, writer, poll)

    def close(self, doorbell):
        reader, writer, _ = self.ends.pop(doorbell.pcpu)
        os.close(reader)
        os.close(writer)

    def ring(self, vm, doorbell):
        with contextlib.suppress(BlockingIOError):  # the pipe is full, so it is readable
            os.write(self.ends[doorbell.pcpu][1], b"!")

    def wait(self, vm, doorbell, timeout_ns):
        # Who set the word before this thread said that it is in the guest does not ring.
        if doorbell.rung:
            return
        reader, _, poll = self.ends[doorbell.pcpu]
        if poll.poll(timeout_ns / NS_PER_MS):
            # Drained before the caller looks at the word: a ring after this read stays, one before it came after its word was set.
            with contextlib.suppress(BlockingIOError):
                os.read(reader, DRAIN)
