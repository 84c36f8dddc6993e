"""For the tests: what a machine does with a back end and with a guest engine, from one thread."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memset
from minikvm.core.arguments cimport vcpu_of
from minikvm.core.native cimport backend_from, engine_from
from minikvm.core.standalone cimport Standalone
from minikvm.core.world cimport MK_RELAXED, mk_atomic32, mk_backend, mk_bare_store32, mk_doorbell, mk_engine

cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t alignment, size_t size)


def drive(capsule, Standalone standalone not None, int pcpu, uint64_t timeout_ns):
    """Open a doorbell, start a thread, ring, sleep, spin and close it, each where the back end has it. What it has, in order."""
    cdef mk_backend *b = backend_from(capsule)
    cdef mk_doorbell door
    cdef mk_atomic32 *lines = <mk_atomic32 *>aligned_alloc(64, 128)
    memset(lines, 0, 128)
    memset(&door, 0, sizeof(door))
    door.pending = lines
    door.bell = lines + 16
    door.pcpu = pcpu
    door.fd = -1
    had = []
    try:
        if b.open != NULL:
            had.append("open")
            b.open(b, &door)
        try:
            if b.thread_start != NULL:
                had.append("thread_start")
                b.thread_start(b, &standalone.c)
            mk_bare_store32(door.pending, MK_RELAXED, 1)
            had.append("ring")
            b.ring(b, &standalone.c, &door)
            if b.sleep != NULL:
                had.append("sleep")
                b.sleep(b, &standalone.c, &door, 0, timeout_ns)
            if b.spin != NULL:
                had.append("spin")
                b.spin(b, &standalone.c, &door, 0, timeout_ns)
        finally:
            if b.close != NULL:
                had.append("close")
                b.close(b, &door)
    finally:
        free(lines)
    return had


def be_guest(capsule, Standalone standalone not None, vcpu, uint64_t timeout_ns):
    """Let a guest engine be the guest of one vCPU."""
    cdef mk_engine *engine = engine_from(capsule)
    engine.run(&standalone.c, engine, vcpu_of(standalone.table.vm, vcpu), timeout_ns)
