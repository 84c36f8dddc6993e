"""LiveCore: the native half of a live VM: runs the threads' main functions and gives the figures. Policy is in vm.py."""
cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.hdr cimport Histogram, hdr_merge, mk_hdr
from minikvm.core.native cimport injector_from
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_LAST_POINTS, MK_RELAXED, MK_SEQ_CST, MK_SMP_MB, mk_bare_fence, mk_bare_load32, mk_bare_load64, mk_bare_store32,
    mk_passed_point, mk_point_names, mk_points_passed, mk_vcpu)
from minikvm.live cimport calls
from minikvm.live.memory cimport LiveMemory
from minikvm.live.os cimport os_futex_wait, os_gettid, os_now
from minikvm.live.slots cimport stop_everything
from minikvm.live.state cimport (
    HIST_SHARDS, K_COUNTERS, LOCK_FOR_BITS, LOCK_HOLDER_BITS, L_GATE, MAX_FOUND, NR_KINDS, NR_PROPS, N_COUNTERS, PLACE_BITS, P_IRQS,
    W_AWAIT_REQ, W_BLOCKED, W_HOST, W_RUNQ, found_t, lctx, line_t, pcpu_t, slot_of)

WHERE = ("start", "host", "guest", "run queue", "blocked", "awaiting acknowledgements", "awaiting a gate", "lock", "parked", "idle",
         "interrupt", "done")
COUNTERS = ("entries", "exits", "aborted_entries", "blocks", "walks", "migrations", "preemptions", "ipis_handled", "spurious_exits",
            "fastpath")
KIND_COUNTERS = ("calls", "targets", "bits_set", "coalesced", "ipis", "woken", "outside", "self", "not_loaded", "deferred", "stale_ipis",
                 "sends", "exiting", "visited", "visited_linear", "ipis_linear", "excess_ipis", "handled", "cleared", "made",
                 "aborted_calls")
PROPERTIES = ("P1", "P2", "P3", "P5", "P6", "P7", "P8")
NO_BIT = NR_KINDS - 1
assert len(COUNTERS) == N_COUNTERS and len(KIND_COUNTERS) == K_COUNTERS and len(PROPERTIES) == NR_PROPS


cdef inline uint32_t where_of(lctx *t) noexcept nogil:
    return <uint32_t>(mk_bare_load64(&t.place, MK_ACQUIRE) & ((1 << PLACE_BITS) - 1))


cdef inline uint64_t stay_of(lctx *t) noexcept nogil:
    return mk_bare_load64(&t.place, MK_ACQUIRE) >> PLACE_BITS


cdef inline uint64_t beat_of(lctx *t) noexcept nogil:
    """Who came to another place has run, too."""
    return mk_bare_load64(&t.beat, MK_RELAXED) + stay_of(t)


cdef lock_of(lctx *t):
    cdef uint64_t wait = mk_bare_load64(&t.lock_wait, MK_RELAXED)
    cdef uint64_t holder = wait & (((<uint64_t>1) << LOCK_HOLDER_BITS) - 1)
    if holder == 0:
        return None
    return wait, (wait >> LOCK_HOLDER_BITS & ((1 << LOCK_FOR_BITS) - 1)) == L_GATE, holder - 1


@cython.no_gc_clear
cdef class LiveCore(LiveMemory):
    """One live VM. Not thread-safe but for run(), each call of which belongs to one thread, and stop()."""

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
        """Has every vCPU that is not asleep handled its requests? (A sleeper may keep those made with NO_WAKEUP.)

        Nor does one stand at an entry gate that nobody is there to open.
        """
        cdef uint64_t left_closed = self.left_closed()
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
                if bits and (where_of(t) != W_BLOCKED or bits & mk_bare_load64(&t.wake_owed, MK_RELAXED)):
                    return False
                if mk_bare_load64(&t.c.vcpu.requests, MK_RELAXED) & left_closed and where_of(t) in (W_HOST, W_RUNQ, W_AWAIT_REQ):
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
        return [mk_bare_load64(&injector_from(capsule).injected, MK_RELAXED) for capsule in self.injector_objects]

    def found(self):
        """The violations that calls found, at most MAX_FOUND: dicts of what the finder saw."""
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
            "number": number, "name": self.names[number], "where": WHERE[where_of(t)],
            "stay": stay_of(t), "beat": beat_of(t),
            "epoch": epoch >> 2, "phase": epoch & 3, "aborts": mk_bare_load32(&t.aborts, MK_RELAXED), "last_points": points,
            "vcpu": v.idx if v is not NULL else None,
            "mode": mk_bare_load32(&v.mode, MK_RELAXED) if v is not NULL else None,
            "cpu": <int32_t>mk_bare_load32(&v.cpu, MK_RELAXED) if v is not NULL else None,
            "wait": mk_bare_load32(&v.wait, MK_RELAXED) if v is not NULL else None,
            "requests": mk_bare_load64(&v.requests, MK_RELAXED) if v is not NULL else 0,
        }

    def quick_scan(self):
        """Vitals of every thread, as tuples (number, where, stay, beat, phase, requests, aborts, lock): the watchdog's first look.

        *lock*: None, or what it waits for and finds held: (which wait, is it the entry gate?, the number of the thread that holds it).
        """
        cdef unsigned i
        cdef lctx *t
        out = []
        for i in range(self.l.nr_threads):
            t = self.l.threads[i]
            out.append((i, where_of(t), stay_of(t), beat_of(t),
                        mk_bare_load64(&t.epoch, MK_RELAXED) & 3,
                        mk_bare_load64(&t.c.vcpu.requests, MK_RELAXED) if t.c.vcpu is not NULL else 0,
                        mk_bare_load32(&t.aborts, MK_RELAXED), lock_of(t)))
        return out

    def slot(self, unsigned pcpu):
        """(pending bits, holder's thread number or None, acknowledgements its holder awaits, threads queued)."""
        cdef pcpu_t *p = slot_of(&self.l, pcpu)
        cdef lctx *holder = <lctx *>mk_bare_load64(&p.holder, MK_ACQUIRE)
        return (mk_bare_load32(&p.pending, MK_RELAXED) & P_IRQS, holder.c.id if holder is not NULL else None,
                mk_bare_load32(&p.acks_left, MK_RELAXED), mk_bare_load32(&p.nr_queued, MK_RELAXED))

    def tenures(self, unsigned pcpu):
        """How often a holder has given the slot up, having handled what was pending."""
        return mk_bare_load64(&slot_of(&self.l, pcpu).tenures, MK_ACQUIRE)

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

    def wake_owed(self, unsigned number):
        """Request bits that some call made for this vCPU without NO_WAKEUP, and that it has not consumed: they are owed to a sleeper."""
        return mk_bare_load64(&self.l.threads[number].wake_owed, MK_RELAXED)

    def silent_bits(self, unsigned number):
        """Request bits that nobody owes the guest: gates, which keep it out by themselves, and sticky ones it has seen."""
        return self.l.vm.gate_mask | self.l.vm.sticky_mask

    def name(self, unsigned number):
        """A thread's name."""
        return self.names[number]

    def left_closed(self):
        """Request bits of entry gates, when no initiator is there that has one closed; else 0."""
        return 0 if mk_bare_load64(&self.l.gate, MK_ACQUIRE) else self.l.vm.gate_mask

    def awaited_slots(self, unsigned pcpu):
        """The pCPUs whose acknowledgement the holder of *pcpu* still waits for."""
        cdef unsigned i
        return [i for i in range(self.l.vm.nr_pcpus)
                if mk_bare_load64(&slot_of(&self.l, i).call_from[pcpu >> 6], MK_RELAXED) >> (pcpu & 63) & 1]

    @staticmethod
    def now():
        """CLOCK_MONOTONIC in ns, the clock of all times here."""
        return os_now()
