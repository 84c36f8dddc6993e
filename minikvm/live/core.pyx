"""LiveCore: the native half of a live VM. Owns the memory, runs the threads' main functions, gives the figures. Policy is in vm.py."""
cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from minikvm.core.bitmap cimport Bitmap
from minikvm.core.hdr cimport Histogram, hdr_merge, mk_hdr
from minikvm.core.native cimport backend_from, engine_from, injector_from, loop_from, strategy_from
from minikvm.core.vcpu cimport VcpuTable
from minikvm.core.world cimport (
    MK_ABI, MK_ACQUIRE, MK_CTX_IRQ, MK_CTX_TASK, MK_CTX_VCPU, MK_LAST_POINTS, MK_NO_VCPU, MK_RELAXED, MK_RELEASE, MK_SEQ_CST, MK_SMP_MB, mk_atomic32, mk_atomic64,
    mk_backend, mk_bare_fence, mk_bare_load32, mk_bare_load64, mk_bare_store32, mk_bare_store64, mk_injector, mk_passed_point, mk_point_names,
    mk_points_passed, mk_vcpu)
from minikvm.live cimport calls
from minikvm.live.ghost cimport live_observer
from minikvm.live.inject cimport MAX_INJECTORS, inject_init, injected_t
from minikvm.live.machine cimport live_machine
from minikvm.live.os cimport (
    MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, os_futex_wait, os_gettid, os_membarrier, os_now,
    pthread_mutex_destroy, pthread_mutex_init)
from minikvm.live.slots cimport stop_everything
from minikvm.live.state cimport (
    HIST_SHARDS, K_COUNTERS, MAX_FOUND, NR_KINDS, NR_PROPS, N_COUNTERS, P_HELD, P_IRQS, T_ALL, T_FIXED, T_RANDOM, W_BLOCKED, found_t, kind_t, lctx,
    line_t, live_t, pcpu_t, slot_of)

cdef extern from "<stdlib.h>":
    int posix_memalign(void **p, size_t alignment, size_t size) noexcept nogil

WHERE = ("start", "host", "guest", "run queue", "blocked", "awaiting acknowledgements", "awaiting a gate", "lock", "parked", "idle",
         "interrupt", "done")
COUNTERS = ("entries", "exits", "aborted_entries", "blocks", "walks", "migrations", "preemptions", "ipis_handled", "spurious_exits",
            "fastpath")
KIND_COUNTERS = ("calls", "targets", "bits_set", "coalesced", "ipis", "woken", "outside", "self", "not_loaded", "deferred", "stale_ipis",
                 "sends", "exiting", "visited", "visited_linear", "ipis_linear", "excess_ipis", "handled", "cleared", "made", "aborted_calls")
PROPERTIES = ("P1", "P2", "P3", "P5", "P6", "P7", "P8")
NO_BIT = NR_KINDS - 1
assert len(COUNTERS) == N_COUNTERS and len(KIND_COUNTERS) == K_COUNTERS and len(PROPERTIES) == NR_PROPS


cdef void *aligned(size_t size) except NULL:
    """Zeroed memory on a cache line's boundary."""
    cdef void *p = NULL
    if posix_memalign(&p, 64, size) != 0:
        raise MemoryError
    memset(p, 0, size)
    return p


@cython.no_gc_clear  # __dealloc__ looks into the table's memory: a garbage collection must not take the table away first
cdef class LiveCore:
    """One live VM. Not thread-safe but for the run_* functions, each of which belongs to one thread, and stop()."""
    cdef readonly VcpuTable table
    cdef live_t l
    cdef injected_t *world
    cdef list keep            # what the native structs point to
    cdef object injector_objects
    cdef line_t *lines
    cdef unsigned nr_lines
    cdef unsigned max_lines
    cdef unsigned max_threads
    cdef list names           # a name for each thread
    cdef char *bells
    cdef int call_line        # the workload line of calls from Python, -1 before the first
    cdef lctx *main_thread    # for calls and stops from Python

    def __cinit__(self, VcpuTable table, *, strategy, loop, backend, engine, injectors, bint spin, used, unsigned max_threads, unsigned max_lines,
                  guest, double migrate, uint64_t slice_ns, uint64_t late_ns, bint wire, uint64_t seed):
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
        l.spin = spin
        l.run_interrupt = calls.run_interrupt
        l.slot_stride = (sizeof(pcpu_t) + 63) & ~63
        l.slots = <char *>aligned(<size_t>l.slot_stride * pcpus)
        l.call_from = <uint64_t *>aligned(<size_t>8 * l.vm.mask_words * pcpus)
        l.call_hist = <mk_hdr *>self.zeroed(NR_KINDS * HIST_SHARDS, sizeof(mk_hdr))
        l.handle_hist = <mk_hdr *>self.zeroed(NR_KINDS * HIST_SHARDS, sizeof(mk_hdr))
        l.made_at = <mk_atomic64 *>self.zeroed(<size_t>NR_KINDS * n, 8)
        l.payload = <mk_atomic64 *>self.zeroed(<size_t>NR_KINDS * n, 8)
        l.seen = <mk_atomic64 *>self.zeroed(<size_t>NR_KINDS * n, 8)
        self.bells = <char *>aligned(<size_t>64 * pcpus)
        for i in range(pcpus):
            p = slot_of(l, i)
            p.idx = i
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
        l.migrate = migrate
        l.slice_ns = slice_ns
        l.late_ns = late_ns
        l.beat_ns = 100000000
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
        cdef unsigned i
        if self.l.backend.open != NULL:
            for i in range(self.l.vm.nr_pcpus):
                self.l.backend.open(self.l.backend, &slot_of(&self.l, i).bell)

    def close(self):
        """After the last thread has ended."""
        cdef unsigned i
        if self.l.backend.close != NULL:
            for i in range(self.l.vm.nr_pcpus):
                self.l.backend.close(self.l.backend, &slot_of(&self.l, i).bell)

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

    def add_line(self, uint32_t req, uint32_t kind, targets, uint32_t nr_random, bint wait, bint gate, uint64_t every_ns, uint64_t hold_ns, count):
        """A workload line; *targets* None is all vCPUs, *nr_random* > 0 draws that many. Returns its number."""
        cdef line_t *line
        cdef unsigned i
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
        cdef lctx *t = <lctx *>self.zeroed(1, sizeof(lctx))
        cdef live_t *l = &self.l
        cdef uint32_t n = l.vm.nr_vcpus
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
        t.consuming = -1
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

    # ---- threads ----

    def run(self, unsigned number, str what):
        """Be thread *number* until the VM stops or its work is done. Releases the GIL; raises what a plugin raised."""
        cdef lctx *t = self.l.threads[number]
        t.tid = <uint32_t>os_gettid()
        if what == "vcpu":
            with nogil:
                calls.vcpu_main(t)
        elif what == "task":
            with nogil:
                calls.task_main(t)
        elif what == "irq":
            with nogil:
                calls.irq_main(t)
        else:
            with nogil:
                calls.wire_main(t)

    def set_call(self, uint32_t req, uint32_t kind, targets, bint wait, bint gate):
        """What call() is to do; see add_line()."""
        if self.call_line < 0:
            self.call_line = self.add_line(req, kind, None, 0, wait, gate, 0, 0, None)
        self.lines[self.call_line].req = req
        self.lines[self.call_line].kind = kind
        self.lines[self.call_line].wait = wait
        self.lines[self.call_line].gate = gate
        self.set_targets(self.call_line, targets, 0)

    def call(self, int pcpu):
        """One call as a task on *pcpu*, from the calling thread. False when the VM stopped instead."""
        cdef lctx *t = self.main_thread
        cdef int done
        cdef line_t *l = &self.lines[self.call_line]
        if t.payload is NULL:
            self.callers_memory(t)
        t.tid = <uint32_t>os_gettid()
        t.home = t.last_pcpu = pcpu
        with nogil:
            if t.l.backend.thread_start != NULL:
                t.l.backend.thread_start(t.l.backend, &t.c)
            done = calls.task_call(t, l)
        return bool(done)

    def stop(self):
        """End every wait in the VM; threads leave their main functions. May be called from any thread, more than once."""
        stop_everything(&self.main_thread.c, &self.l)

    def pause(self, bint on):
        """No new calls while on."""
        mk_bare_store32(&self.l.paused, MK_SEQ_CST, on)

    def end_calls(self):
        """No initiator makes another call: what is left of every line is dropped."""
        mk_bare_store32(&self.l.ending, MK_SEQ_CST, 1)

    def nothing_owed(self):
        """Has every vCPU that is not asleep handled its requests? (A sleeper may keep those made with NO_WAKEUP.)"""
        cdef unsigned i
        cdef uint64_t kept = self.l.vm.gate_mask | self.l.vm.sticky_mask
        cdef lctx *t
        cdef uint64_t bits
        for i in range(self.l.nr_threads):
            t = self.l.threads[i]
            if t.c.vcpu is not NULL:
                bits = mk_bare_load64(&t.c.vcpu.requests, MK_ACQUIRE) & ~kept
                if mk_bare_load32(&t.handling, MK_ACQUIRE) & 1:
                    return False
                if bits and (mk_bare_load32(&t.where, MK_RELAXED) != W_BLOCKED or bits & self.l.vm.wake_mask):
                    return False
        return True

    def handlings(self):
        """How many requests the vCPUs have begun or ended to handle, all together; None while one is being handled.

        The same number before and after a look at the counters and the request bits: nothing was handled in between.
        """
        cdef unsigned i
        cdef uint64_t total = 0
        cdef uint32_t n
        mk_bare_fence(MK_SMP_MB)  # pairs with the barrier at MK_EV_CONSUME_BEGIN: odd is seen here, or the look saw the bit still set
        for i in range(self.l.nr_threads):
            n = mk_bare_load32(&self.l.threads[i].handling, MK_ACQUIRE)  # pairs with the release at MK_EV_CONSUME_END
            if n & 1:
                return None
            total += n
        return total

    def wait_event(self, uint64_t ns):
        """Sleep until the last initiator is done, or *ns*."""
        cdef uint32_t seen = mk_bare_load32(&self.l.event, MK_ACQUIRE)
        if mk_bare_load32(&self.l.active, MK_ACQUIRE) == 0:
            return
        with nogil:
            os_futex_wait(&self.l.event, seen, ns)

    # ---- figures ----

    @property
    def stopping(self):
        return bool(mk_bare_load32(&self.l.vm.stopping, MK_RELAXED))

    @property
    def active(self):
        """Lines of initiators that still have calls to make."""
        return mk_bare_load32(&self.l.active, MK_RELAXED)

    @property
    def in_flight(self):
        """IPIs that the wire still carries."""
        return mk_bare_load32(&self.l.in_flight, MK_RELAXED)

    @property
    def nr_found(self):
        return mk_bare_load32(&self.l.nr_found, MK_ACQUIRE)

    def calls_done(self):
        cdef uint64_t n = 0
        cdef unsigned i, k
        for i in range(self.l.nr_threads):
            if self.l.threads[i].payload != NULL:
                for k in range(NR_KINDS):
                    n += mk_bare_load64(&self.l.threads[i].kinds[k].n[0], MK_RELAXED)
        return n

    def kind(self, unsigned k):
        """The counters of one kind of request, summed over all threads, by name."""
        cdef unsigned i, j
        sums = [0] * K_COUNTERS
        for i in range(self.l.nr_threads):
            for j in range(K_COUNTERS):
                sums[j] += mk_bare_load64(&self.l.threads[i].kinds[k].n[j], MK_RELAXED)
        return dict(zip(KIND_COUNTERS, sums))

    def counters(self):
        """What the threads did, by name."""
        cdef unsigned i, j
        sums = [0] * N_COUNTERS
        for i in range(self.l.nr_threads):
            for j in range(N_COUNTERS):
                sums[j] += mk_bare_load64(&self.l.threads[i].n[j], MK_RELAXED)
        return dict(zip(COUNTERS, sums))

    def checks(self):
        """How often each property was checked and violated: {"P2": (checked, violated)}; P1, P3, P5, P7 are the watchdog's."""
        cdef unsigned i
        cdef uint64_t targets = 0, waits = 0, payloads = 0
        for i in range(self.l.nr_threads):
            targets += mk_bare_load64(&self.l.threads[i].checked_targets, MK_RELAXED)
            waits += mk_bare_load64(&self.l.threads[i].checked_waits, MK_RELAXED)
            payloads += mk_bare_load64(&self.l.threads[i].checked_payloads, MK_RELAXED)
        counted = {"P2": waits, "P6": payloads, "P8": targets}
        return {name: (counted.get(name, 0), mk_bare_load64(&self.l.violated[i], MK_RELAXED)) for i, name in enumerate(PROPERTIES)}

    def latency(self, unsigned k, bint handling):
        """A Histogram of one kind of request: of the calls, or of the time to handling."""
        cdef Histogram h = Histogram()
        cdef mk_hdr *base = self.l.handle_hist if handling else self.l.call_hist
        cdef unsigned i
        for i in range(HIST_SHARDS):
            hdr_merge(h.h, &base[k * HIST_SHARDS + i])
        return h

    def injected(self):
        """How often each injector acted."""
        cdef unsigned i
        return [mk_bare_load64(&injector_from(capsule).injected, MK_RELAXED) for capsule in self.injector_objects]

    def found(self):
        """The violations that calls found, at most MAX_FOUND: dicts of what the finder saw."""
        cdef unsigned i
        cdef found_t *f
        out = []
        for i in range(min(mk_bare_load32(&self.l.nr_found, MK_ACQUIRE), MAX_FOUND)):
            f = &self.l.found[i]
            if mk_bare_load32(&f.ready, MK_ACQUIRE):
                out.append({"property": PROPERTIES[f.prop], "vcpu": f.vcpu, "kind": f.kind, "who": self.names[f.who], "mode": f.mode,
                            "cpu": f.cpu, "requests": f.requests, "epoch": f.epoch, "expected": f.expected, "at": f.at})
        return out

    def payload_of(self, unsigned kind, unsigned idx):
        """(made, seen): the newest payload number of a request to a vCPU, and the newest that the vCPU has read."""
        cdef size_t i = <size_t>kind * self.l.vm.nr_vcpus + idx
        return mk_bare_load64(&self.l.payload[i], MK_RELAXED), mk_bare_load64(&self.l.seen[i], MK_RELAXED)

    def thread(self, unsigned number):
        """What a thread is doing: for the watchdog, read without stopping it."""
        cdef lctx *t = self.l.threads[number]
        cdef mk_vcpu *v = t.c.vcpu
        cdef uint64_t epoch = mk_bare_load64(&t.epoch, MK_ACQUIRE)
        cdef uint32_t n = mk_points_passed(&t.c)
        cdef uint32_t i
        points = [mk_point_names[mk_passed_point(&t.c, i)].decode() for i in range(n - min(n, MK_LAST_POINTS), n)]
        return {
            "number": number, "name": self.names[number], "where": WHERE[mk_bare_load32(&t.where, MK_ACQUIRE)],
            "since": mk_bare_load64(&t.since, MK_RELAXED), "beat": mk_bare_load64(&t.beat, MK_RELAXED),
            "epoch": epoch >> 2, "phase": epoch & 3, "aborts": mk_bare_load32(&t.aborts, MK_RELAXED), "last_points": points,
            "vcpu": v.idx if v is not NULL else None,
            "mode": mk_bare_load32(&v.mode, MK_RELAXED) if v is not NULL else None,
            "cpu": <int32_t>mk_bare_load32(&v.cpu, MK_RELAXED) if v is not NULL else None,
            "wait": mk_bare_load32(&v.wait, MK_RELAXED) if v is not NULL else None,
            "requests": mk_bare_load64(&v.requests, MK_RELAXED) if v is not NULL else 0,
        }

    def quick_scan(self):
        """Vitals of every thread, as tuples (number, where, since, beat, phase, requests, aborts): the watchdog's first look."""
        cdef unsigned i
        cdef lctx *t
        out = []
        for i in range(self.l.nr_threads):
            t = self.l.threads[i]
            out.append((i, mk_bare_load32(&t.where, MK_RELAXED), mk_bare_load64(&t.since, MK_RELAXED), mk_bare_load64(&t.beat, MK_RELAXED),
                        mk_bare_load64(&t.epoch, MK_RELAXED) & 3,
                        mk_bare_load64(&t.c.vcpu.requests, MK_RELAXED) if t.c.vcpu is not NULL else 0,
                        mk_bare_load32(&t.aborts, MK_RELAXED)))
        return out

    def slot(self, unsigned pcpu):
        """(pending bits, holder's thread number or None, acknowledgements its holder awaits, threads queued)."""
        cdef pcpu_t *p = slot_of(&self.l, pcpu)
        cdef lctx *holder = <lctx *>mk_bare_load64(&p.holder, MK_ACQUIRE)
        return (mk_bare_load32(&p.pending, MK_RELAXED) & P_IRQS, holder.c.id if holder is not NULL else None,
                mk_bare_load32(&p.acks_left, MK_RELAXED), mk_bare_load32(&p.nr_queued, MK_RELAXED))

    def pcpu_of(self, unsigned number):
        """The slot that a thread holds, or None; found by the holders, which may be read at any time."""
        cdef unsigned i
        for i in range(self.l.vm.nr_pcpus):
            if <lctx *>mk_bare_load64(&slot_of(&self.l, i).holder, MK_ACQUIRE) is self.l.threads[number]:
                return i
        return None

    def irq_pending(self, unsigned number):
        """Is an interrupt pending on the slot that the thread holds?"""
        pcpu = self.pcpu_of(number)
        return pcpu is not None and bool(mk_bare_load32(&slot_of(&self.l, pcpu).pending, MK_RELAXED) & P_IRQS)

    @property
    def wake_mask(self):
        return self.l.vm.wake_mask

    def silent_bits(self, unsigned number):
        """Request bits that nobody owes the guest: gates, which keep it out by themselves, and sticky ones it has seen."""
        return self.l.vm.gate_mask | self.l.vm.sticky_mask

    def awaited_slots(self, unsigned pcpu):
        """The pCPUs whose acknowledgement the holder of *pcpu* still waits for."""
        cdef unsigned i
        return [i for i in range(self.l.vm.nr_pcpus)
                if self.l.call_from[<size_t>i * self.l.vm.mask_words + (pcpu >> 6)] >> (pcpu & 63) & 1]

    @staticmethod
    def now():
        """CLOCK_MONOTONIC in ns, the clock of all times here."""
        return os_now()


def set_probability(capsule, double probability):
    """Of an injector's acting where it is asked."""
    injector_from(capsule).probability = probability
