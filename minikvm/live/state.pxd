# cython: language_level=3
"""What the live VM keeps: slots, threads, workload lines. Plain structs, allocated once at start and freed after the last join.

A thread writes only its own ``lctx`` except for the members marked "others write"; counters are relaxed so that the supervisor may
read them at any time.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from minikvm.core.hdr cimport mk_hdr
from minikvm.core.world cimport (
    MK_RELAXED, mk_atomic32, mk_atomic64, mk_backend, mk_bare_load64, mk_bare_store64, mk_ctx, mk_doorbell, mk_engine,
    mk_injector, mk_vcpu, mk_vm)
from minikvm.live.os cimport pthread_mutex_t

cdef enum:
    # pcpu_t.pending: reasons to interrupt ...
    P_CALL = 0x1       # function-call IPI: acknowledge the senders in call_from
    P_RESCHED = 0x2    # the IPI of a plain kick, or a spurious one
    P_TICK = 0x4       # the host's scheduler wants the slot
    P_WORK = 0x8       # an interrupt-context initiator wants to run here
    P_ACKS = 0x10      # the acknowledgements that this slot awaited are in
    P_STOP = 0x20
    P_IRQS = 0x3f
    # ... and what the holder is doing, in the same word, so that no test of a flag is followed by a sleep
    P_HELD = 0x100     # a thread holds the slot
    P_GUEST = 0x200    # and is in the guest: ring the back end's doorbell; or has left it, and P_IRQS are still to be handled
    P_AWAIT = 0x400    # and sleeps in the host, on this word: wake the futex

cdef enum:
    PLACE_BITS = 8

cdef enum:  # lctx.place
    W_START, W_HOST, W_GUEST, W_RUNQ, W_BLOCKED, W_AWAIT_ACK, W_AWAIT_REQ, W_LOCK, W_PARKED, W_IDLE, W_IRQ, W_DONE

cdef enum:  # lctx.lock_wait: how often a wait began << 34 | for what << 32 | the id of who holds it + 1
    LOCK_HOLDER_BITS = 32
    LOCK_FOR_BITS = 2
    L_LOCK = 1         # mk_lock()
    L_GATE = 2         # live_t.gate

cdef enum:  # lctx.phase, the low two bits of an epoch
    PH_OUTSIDE, PH_PREPARING, PH_GUEST, PH_WALK

cdef enum:  # lctx.n[]: what a thread did
    N_ENTRIES, N_EXITS, N_ABORTED, N_BLOCKS, N_WALKS, N_MIGRATIONS, N_PREEMPTIONS, N_IPIS_HANDLED, N_SPURIOUS, N_FASTPATH
    N_COUNTERS

cdef enum:  # kind_t.n[]: what was done for one kind of request
    K_CALLS, K_TARGETS, K_BITS_SET, K_COALESCED, K_IPIS, K_WOKEN, K_OUTSIDE, K_SELF, K_NOT_LOADED, K_DEFERRED, K_STALE, K_SENDS
    K_EXITING, K_VISITED, K_VISITED_LINEAR, K_IPIS_LINEAR, K_EXCESS_IPIS, K_HANDLED, K_CLEARED, K_MADE, K_ABORTED_CALLS
    K_COUNTERS
    NR_KINDS = 65      # request bits 0..63, and one for requests without a bit
    NO_BIT_KIND = 64

cdef enum:  # live_t.checked/violated[]: properties with live checks
    PROP_P1, PROP_P2, PROP_P3, PROP_P5, PROP_P6, PROP_P7, PROP_P8, NR_PROPS

cdef enum:
    SLOT_BYTES = 256        # from one slot to the next: at least a pcpu_t, in whole cache lines
    HIST_SHARDS = 4
    MAX_FOUND = 16

cdef enum:  # line_t.targets_kind
    T_ALL, T_FIXED, T_RANDOM

ctypedef struct kind_t:
    mk_atomic64 n[K_COUNTERS]

ctypedef struct line_t:
    uint32_t req
    uint32_t kind           # its index into live_t.kinds
    uint32_t targets_kind
    uint32_t nr_targets
    uint32_t wait           # the workload declares the call waiting (P2), whatever the strategy makes of it
    uint32_t gate
    uint64_t *targets       # T_FIXED
    uint64_t every_ns
    uint64_t hold_ns
    mk_atomic64 left        # calls still to be made; others write
    uint64_t counted        # 0: until the duration ends

cdef enum:
    NO_CALL, IN_CALL
    ASIDE                   # in a call of a vCPU that was descheduled amid it: what its put and load do is not the call's

# The observer's record of one call; owned by the thread that calls.
ctypedef struct call_t:
    uint32_t kind
    uint32_t nr_ipis
    uint32_t active         # NO_CALL, IN_CALL, ASIDE
    uint32_t aborted        # the VM stopped while it waited
    uint64_t *targets       # what was asked for, resolved
    uint64_t *touched       # what the strategy touched
    uint64_t *deferred      # what it marked instead
    uint64_t *epoch0        # a vCPU's epoch when its request was made
    uint32_t *ipi_vcpu      # IPIs decided, in order
    int32_t *ipi_cpu
    uint64_t started        # ns

ctypedef struct lctx

# A slot: four cache lines, or three and a half (the mutex's size is the platform's).
ctypedef struct pcpu_t:
    # what senders and the holder write; no spinning guest polls it
    mk_atomic32 pending
    mk_atomic32 nr_queued   # threads that wait for the slot
    mk_atomic64 one_word    # call_from of a VM with up to 64 pCPUs
    mk_atomic64 slice_end   # ns; when the holder has had its timeslice
    mk_atomic64 work        # lctx * of an interrupt-context initiator, or 0
    mk_atomic64 tenures     # how often a holder gave it up, each time with nothing left pending
    mk_atomic64 holder      # lctx *, or 0; read by the watchdog without the lock
    mk_atomic32 late_bits   # what the wire still carries
    uint32_t pad[3]
    # what a sender only reads: in the line above it would be fetched twice, once to read it and once to own it
    mk_atomic64 *call_from  # a cpumask: who awaits an acknowledgement of this slot
    uint32_t idx
    uint32_t word           # where it is in a cpumask
    uint64_t bit
    mk_doorbell bell
    # what the holder polls while it waits, and others write
    mk_atomic32 acks_left   # acknowledgements that this slot's holder still awaits
    uint32_t pad_acks[15]
    # hand-over, under the lock
    lctx *head
    lctx *tail
    pthread_mutex_t lock

ctypedef struct live_t

ctypedef struct lctx:
    mk_ctx c                # first: an mk_ctx * of the live world is an lctx *
    live_t *l
    pcpu_t *slot            # c.pcpu's, or NULL
    call_t call
    lctx *next              # in a slot's queue
    mk_atomic32 run         # futex: the slot was granted; others write
    mk_atomic32 done        # futex: an interrupt-context call was served; others write
    mk_atomic64 place       # W_* in the low PLACE_BITS, and above it how often it was set: tells one stay from the next
    mk_atomic64 beat        # moves on, as place does, whenever this thread has run
    mk_atomic64 epoch       # entries and walks of the vCPU: count * 4 + phase
    mk_atomic64 wake_owed   # ghost: bits that were made without NO_WAKEUP and not consumed yet; others write
    mk_atomic32 handling    # odd while one request is being cleared and handled
    mk_atomic32 migrate_to  # the slot that an injector wants it on + 1, 0 for none; others write
    mk_atomic32 walk_due    # walk after the next load; others write
    mk_atomic32 aborts      # aborted entries in a row that consumed nothing
    mk_atomic64 lock_wait   # see L_LOCK; nobody holds what it waits for: not waiting
    mk_atomic32 holding     # keeps a closed gate closed for as long as its line says
    uint32_t front          # queue before the others: a task preempts vCPUs
    int32_t home            # pinned to this pCPU, -1 when free
    int32_t last_pcpu
    uint32_t tid            # the OS thread
    uint32_t nr_lines
    line_t **lines          # the calls that this thread makes
    uint64_t *due           # ns; when each line's next call is due
    uint64_t *payload       # a vCPU's payload number of the call in progress
    kind_t *kinds           # NR_KINDS: what this thread did for each kind of request
    uint64_t consuming      # the request bits that were just consumed
    uint32_t in_point       # an injector is acting: it is not asked again
    uint32_t timed          # it makes calls of its own, or its guest leaves by itself
    pcpu_t *caller          # whom this thread acknowledged last, or NULL
    uint64_t stay_end       # ns; when the guest leaves by itself, 0 for never
    mk_atomic64 n[N_COUNTERS]
    mk_atomic64 checked_targets
    mk_atomic64 checked_waits
    mk_atomic64 checked_payloads

ctypedef struct found_t:    # one violation, as the thread that found it saw the vCPU
    uint32_t prop
    uint32_t vcpu
    uint32_t kind
    uint32_t mode
    int32_t cpu
    uint32_t who            # the context that called
    uint64_t requests
    uint64_t epoch
    uint64_t expected       # the epoch, payload or bit that should have been
    uint64_t at             # ns
    mk_atomic32 ready

ctypedef int (*irq_fn)(lctx *t, uint32_t pcpu) except -1 nogil

# Functions as who hands their answer on calls them: without a look at it, and so without a stack frame. -1 still means an exception.
ctypedef int (*service_fn)(lctx *t) noexcept nogil
ctypedef int (*ring_fn)(mk_backend *b, mk_ctx *c, mk_doorbell *d) noexcept nogil
ctypedef int (*rest_fn)(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) noexcept nogil

ctypedef struct live_t:
    mk_vm *vm
    irq_fn run_interrupt    # an interrupt-context initiator's call, on the thread that holds the slot
    char *slots             # nr_pcpus * SLOT_BYTES
    uint32_t nr_used
    uint32_t *used          # the pCPUs that vCPUs are scheduled on
    mk_atomic64 *call_from  # the slots' cpumasks, where one word is not enough
    mk_backend *backend
    mk_engine *engine
    ring_fn ring            # the back end's
    rest_fn rest            # its spin where guest work burns the CPU, else its sleep
    mk_hdr *call_hist       # NR_KINDS * HIST_SHARDS each, calloc'ed: a histogram has one writer at a time
    mk_hdr *handle_hist
    mk_atomic64 hist_lock[HIST_SHARDS]
    mk_atomic64 *made_at    # NR_KINDS * nr_vcpus, ns
    mk_atomic64 *payload    # NR_KINDS * nr_vcpus
    mk_atomic64 *seen
    mk_atomic64 violated[NR_PROPS]
    mk_atomic32 nr_found    # violations recorded in found[]
    found_t found[MAX_FOUND]
    mk_atomic32 paused      # no new calls
    mk_atomic32 ending      # no further calls, ever
    mk_atomic32 active      # initiators that still have calls to make
    mk_atomic32 in_flight   # IPIs that the wire still carries
    mk_atomic32 late        # a wire thread runs
    mk_atomic32 event       # futex: something ended; the supervisor looks
    mk_atomic64 gate        # one closed entry gate at a time: the id of its requester + 1, 0 for none
    lctx **threads
    uint32_t nr_threads
    # the guest
    uint64_t enter_ns       # 0: for ever
    double jitter
    double halt_ratio
    uint64_t halt_ns        # 0: for ever
    double walk_ratio
    uint64_t walk_ns
    double fastpath_ratio
    uint32_t restless       # a guest that leaves may halt, or walk
    double migrate
    uint64_t slice_ns
    uint64_t late_ns
    uint64_t beat_ns        # a sleeper wakes this often to show that it runs

cdef inline pcpu_t *slot_of(live_t *l, uint32_t pcpu) noexcept nogil:
    return <pcpu_t *>(l.slots + <size_t>pcpu * SLOT_BYTES)

cdef inline void bump(mk_atomic64 *n, uint64_t by) noexcept nogil:
    """Add to a counter that only the calling thread writes."""
    mk_bare_store64(n, MK_RELAXED, mk_bare_load64(n, MK_RELAXED) + by)
