"""LiveMemory: the structs of a live VM, allocated once, and how they are filled from a configuration's numbers."""
cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from minikvm.core.hdr cimport mk_hdr
from minikvm.core.native cimport backend_from, engine_from, injector_from, loop_from, strategy_from
from minikvm.core.vcpu cimport VcpuTable
from minikvm.core.world cimport (
    MK_CTX_IRQ, MK_CTX_TASK, MK_CTX_VCPU, MK_RELAXED, mk_atomic32, mk_atomic64, mk_bare_load32, mk_bare_store32, mk_bare_store64)
from minikvm.live cimport calls
from minikvm.live.ghost cimport live_observer
from minikvm.live.inject cimport MAX_INJECTORS, inject_init, injected_t
from minikvm.live.machine cimport live_machine
from minikvm.live.os cimport (
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, os_membarrier, pthread_mutex_destroy, pthread_mutex_init)
from minikvm.live.state cimport (
    HIST_SHARDS, NR_KINDS, SLOT_BYTES, T_ALL, T_FIXED, T_RANDOM, kind_t, lctx, line_t, live_t, pcpu_t, rest_fn, ring_fn, slot_of)

cdef extern from "<stdlib.h>":
    int posix_memalign(void **p, size_t alignment, size_t size) noexcept nogil

cdef void *aligned(size_t size) except NULL:
    """Zeroed memory in cache lines of its own, in pairs, as prefetchers fetch them: threads write it all the time."""
    cdef void *p = NULL
    size = (size + 127) & ~<size_t>127
    if posix_memalign(&p, 128, size) != 0:
        raise MemoryError
    memset(p, 0, size)
    return p


@cython.no_gc_clear  # __dealloc__ looks into the table's memory: a garbage collection must not take the table away first
cdef class LiveMemory:
    """The memory of one live VM, and its set-up: everything is allocated before the first thread starts, and freed with the object."""

    def __cinit__(self, VcpuTable table, *, strategy, loop, backend, engine, injectors, bint spin, used,
                  unsigned max_threads, unsigned max_lines, guest, double migrate, uint64_t slice_ns, uint64_t late_ns, bint wire,
                  uint64_t seed, uint64_t beat_ns=100000000):
        cdef unsigned i
        cdef pcpu_t *p
        cdef live_t *l = &self.l
        cdef uint32_t n = table.vm.nr_vcpus
        cdef uint32_t pcpus = table.vm.nr_pcpus
        self.table = table
        self.keep = [strategy, loop, backend, engine, list(injectors)]
        self.names = []
        self.call_line = -1
        self.injector_objects = list(injectors)
        l.vm = table.vm
        l.vm.machine = live_machine()
        l.vm.strategy = strategy_from(strategy)
        l.vm.loop = loop_from(loop)
        l.vm.priv = l
        l.backend = backend_from(backend)
        l.engine = engine_from(engine)
        l.ring = <ring_fn>l.backend.ring
        l.rest = <rest_fn>(l.backend.spin if spin else l.backend.sleep)
        l.run_interrupt = calls.run_interrupt
        if sizeof(pcpu_t) > SLOT_BYTES:
            raise MemoryError(f"a slot takes {sizeof(pcpu_t)} bytes: expected at most {SLOT_BYTES}")
        l.slots = <char *>aligned(<size_t>SLOT_BYTES * pcpus)
        l.call_from = <mk_atomic64 *>aligned(<size_t>8 * l.vm.mask_words * pcpus)
        l.call_hist = <mk_hdr *>self.zeroed(NR_KINDS * HIST_SHARDS, sizeof(mk_hdr))
        l.handle_hist = <mk_hdr *>self.zeroed(NR_KINDS * HIST_SHARDS, sizeof(mk_hdr))
        l.made_at = <mk_atomic64 *>self.zeroed(<size_t>NR_KINDS * n, 8)
        l.payload = <mk_atomic64 *>self.zeroed(<size_t>NR_KINDS * n, 8)
        l.seen = <mk_atomic64 *>self.zeroed(<size_t>NR_KINDS * n, 8)
        self.bells = <char *>aligned(<size_t>64 * pcpus)
        for i in range(pcpus):
            p = slot_of(l, i)
            p.idx = i
            p.word = i >> 6
            p.bit = (<uint64_t>1) << (i & 63)
            p.call_from = &p.one_word if l.vm.mask_words == 1 else &l.call_from[<size_t>i * l.vm.mask_words]
            pthread_mutex_init(&p.lock, NULL)
            p.bell.pending = &p.pending
            p.bell.bell = <mk_atomic32 *>(self.bells + 64 * i)
            p.bell.pcpu = <int32_t>i
            p.bell.fd = -1
        l.nr_used = len(used)
        l.used = <uint32_t *>self.zeroed(l.nr_used, 4)
        for i in range(l.nr_used):
            l.used[i] = used[i]
        (l.enter_ns, l.jitter, l.halt_ratio, l.halt_ns, l.walk_ratio, l.walk_ns, l.fastpath_ratio) = guest
        l.restless = l.halt_ratio > 0 or l.walk_ratio > 0
        l.migrate = migrate
        l.slice_ns = slice_ns
        l.late_ns = late_ns
        l.beat_ns = beat_ns
        mk_bare_store32(&l.late, MK_RELAXED, wire)
        self.max_threads = max_threads + 2
        l.threads = <lctx **>self.zeroed(self.max_threads, sizeof(lctx *))
        self.max_lines = max_lines + 1
        self.lines = <line_t *>self.zeroed(self.max_lines, sizeof(line_t))
        if injectors:
            if len(injectors) > MAX_INJECTORS:
                raise ValueError(f"{len(injectors)} injectors: expected at most {MAX_INJECTORS}")
            self.world = <injected_t *>self.zeroed(1, sizeof(injected_t))
            inject_init(self.world)
            for i, capsule in enumerate(injectors):
                self.world.injectors[i] = injector_from(capsule)
            self.world.n = len(injectors)
            l.vm.world = &self.world.world
        os_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
        self.main_thread = self.new_thread("python", MK_CTX_TASK, seed, -1)

    cdef void *zeroed(self, size_t n, size_t size) except NULL:
        cdef void *p = calloc(n if n else 1, size)
        if p is NULL:
            raise MemoryError
        return p

    def open(self):
        """Open the back end on every slot. Raises what it raises; close() undoes what was opened."""
        while self.nr_open < self.l.vm.nr_pcpus:
            if self.l.backend.open != NULL:
                self.l.backend.open(self.l.backend, &slot_of(&self.l, self.nr_open).bell)
            self.nr_open += 1

    def close(self):
        """After the last thread has ended. Raises what the back end raises, when all have been closed."""
        failed = None
        while self.nr_open:
            self.nr_open -= 1
            if self.l.backend.close != NULL:
                try:
                    self.l.backend.close(self.l.backend, &slot_of(&self.l, self.nr_open).bell)
                except Exception as error:
                    failed = failed or error
        if failed is not None:
            raise failed

    def __dealloc__(self):
        cdef unsigned i
        cdef lctx *t
        for i in range(self.l.nr_threads):
            t = self.l.threads[i]
            for p in (<size_t>t.call.targets, <size_t>t.call.touched, <size_t>t.call.deferred, <size_t>t.call.epoch0,
                      <size_t>t.call.ipi_vcpu, <size_t>t.call.ipi_cpu, <size_t>t.lines, <size_t>t.due, <size_t>t.payload,
                      <size_t>t.kinds, <size_t>t.c.scratch, <size_t>t):
                free(<void *><size_t>p)
        for i in range(self.nr_lines):
            free(self.lines[i].targets)
        if self.l.slots != NULL:
            for i in range(self.l.vm.nr_pcpus):
                pthread_mutex_destroy(&slot_of(&self.l, i).lock)
        free(self.lines)
        free(self.l.slots)
        free(self.l.call_from)
        free(self.l.call_hist)
        free(self.l.handle_hist)
        free(self.l.made_at)
        free(self.l.payload)
        free(self.l.seen)
        free(self.l.used)
        free(self.l.threads)
        free(self.bells)
        free(self.world)

    # ---- setting up ----

    def add_line(self, uint32_t req, uint32_t kind, targets, uint32_t nr_random, bint wait, bint gate,
                 uint64_t every_ns, uint64_t hold_ns, count):
        """A workload line; *targets* None is all vCPUs, *nr_random* > 0 draws that many. Returns its number."""
        cdef line_t *line
        if self.nr_lines == self.max_lines:
            raise ValueError("no room for another workload line")
        line = &self.lines[self.nr_lines]
        line.req = req
        line.kind = kind
        line.wait = wait
        line.gate = gate
        line.every_ns = every_ns
        line.hold_ns = hold_ns
        self.set_targets(self.nr_lines, targets, nr_random)
        line.counted = count is not None
        if count is not None:
            mk_bare_store64(&line.left, MK_RELAXED, count)
        self.nr_lines += 1
        return self.nr_lines - 1

    def set_targets(self, unsigned number, targets, uint32_t nr_random):
        cdef line_t *line = &self.lines[number]
        cdef unsigned i
        line.targets_kind = T_RANDOM if nr_random else T_ALL if targets is None else T_FIXED
        line.nr_targets = nr_random
        if targets is not None:
            if line.targets == NULL:
                line.targets = <uint64_t *>self.zeroed(self.l.vm.vcpu_words, 8)
            memset(line.targets, 0, 8 * self.l.vm.vcpu_words)
            for i in targets:
                line.targets[i >> 6] |= (<uint64_t>1) << (i & 63)

    cdef lctx *new_thread(self, name, uint32_t kind, uint64_t seed, int home) except NULL:
        cdef lctx *t = <lctx *>aligned(sizeof(lctx))
        cdef live_t *l = &self.l
        cdef uint32_t vw = l.vm.vcpu_words
        cdef uint64_t x
        cdef uint64_t i
        self.l.threads[l.nr_threads] = t
        t.c.id = l.nr_threads
        l.nr_threads += 1
        self.names.append(name)
        t.l = l
        t.c.world = l.vm.world
        t.c.observer = live_observer()
        t.c.vm = l.vm
        t.c.pcpu = -1
        t.c.point_pcpu = -1
        t.c.kind = kind
        t.home = home
        t.last_pcpu = home
        t.front = kind != MK_CTX_VCPU
        t.consuming = 0
        t.timed = l.enter_ns != 0
        for i in range(2):  # splitmix64 (Vigna) from the seed and the thread's number
            seed = seed + <uint64_t>0x9e3779b97f4a7c15 * (2 * t.c.id + i + 1)
            x = seed
            x = (x ^ (x >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
            x = (x ^ (x >> 27)) * <uint64_t>0x94d049bb133111eb
            t.c.rng[i] = (x ^ (x >> 31)) | 1
        t.c.scratch = <uint64_t *>self.zeroed(l.vm.mask_words + vw, 8)
        t.kinds = <kind_t *>self.zeroed(NR_KINDS, sizeof(t.kinds[0]))
        t.call.targets = <uint64_t *>self.zeroed(vw, 8)
        t.call.touched = <uint64_t *>self.zeroed(vw, 8)
        t.call.deferred = <uint64_t *>self.zeroed(vw, 8)
        return t

    cdef int callers_memory(self, lctx *t) except -1:
        """What only threads that make calls need."""
        cdef uint32_t n = self.l.vm.nr_vcpus
        t.call.epoch0 = <uint64_t *>self.zeroed(n, 8)
        t.call.ipi_vcpu = <uint32_t *>self.zeroed(n, 4)
        t.call.ipi_cpu = <int32_t *>self.zeroed(n, 4)
        t.payload = <uint64_t *>self.zeroed(n, 8)
        return 0

    cdef int give_lines(self, lctx *t, lines) except -1:
        cdef unsigned i
        if not lines:
            return 0
        self.callers_memory(t)
        t.nr_lines = len(lines)
        t.timed = 1
        t.lines = <line_t **>self.zeroed(t.nr_lines, sizeof(line_t *))
        t.due = <uint64_t *>self.zeroed(t.nr_lines, 8)
        for i in range(t.nr_lines):
            t.lines[i] = &self.lines[lines[i]]
            t.due[i] = 1
        mk_bare_store32(&self.l.active, MK_RELAXED, mk_bare_load32(&self.l.active, MK_RELAXED) + t.nr_lines)
        return 0

    def add_vcpu(self, uint32_t idx, int start, bint pinned, lines, uint64_t seed):
        """The thread of a vCPU, that starts on pCPU *start* and makes the calls of *lines*. Returns the thread's number."""
        cdef lctx *t = self.new_thread(f"vcpu {idx}", MK_CTX_VCPU, seed, start if pinned else -1)
        t.last_pcpu = start
        t.c.vcpu = &self.l.vm.vcpus[idx]
        t.c.vcpu.priv = t
        self.give_lines(t, lines)
        return t.c.id

    def add_initiator(self, name, bint interrupt, int pcpu, lines, uint64_t seed):
        """The thread of an initiator on *pcpu*: a task, or an interrupt. Returns its number."""
        cdef lctx *t = self.new_thread(name, MK_CTX_IRQ if interrupt else MK_CTX_TASK, seed, pcpu)
        self.give_lines(t, lines)
        return t.c.id

    def add_wake_mask(self, uint64_t bits):
        """Request bits that some call makes without NO_WAKEUP: they end a sleep."""
        self.l.vm.wake_mask |= bits

    @property
    def has_wire(self):
        return bool(mk_bare_load32(&self.l.late, MK_RELAXED))

    def add_wire(self):
        return self.new_thread("wire", MK_CTX_TASK, 0, -1).c.id


def set_probability(capsule, double probability):
    """Of an injector's acting where it is asked."""
    injector_from(capsule).probability = probability
