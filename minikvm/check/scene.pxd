# cython: language_level=3
"""A VM under exploration: its vCPUs, pCPUs and initiators as threads, and where each shared word is among the graph's locations."""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from minikvm.check.coroutines cimport coroutine
from minikvm.check.explorer cimport mk_explorer
from minikvm.check.races cimport race_keys
from minikvm.core.world cimport mk_ctx, mk_injector, mk_observer, mk_vm, mk_world

cdef enum location_class:  # which word of which object a location is
    LC_REQUESTS = 0   # of a vCPU
    LC_MODE = 1
    LC_CPU = 2
    LC_WAIT = 3
    LC_STRATEGY = 4
    LC_SLOT = 5       # of a pCPU: see slot_bit
    LC_RUN = 6        # its run lock, where several may want it
    LC_ACKS = 7       # of a send: a bit for each pCPU that has acknowledged it
    LC_PAYLOAD = 8    # of an initiator: what the request is about, a sequence number
    LC_EVENT = 9      # what it publishes before a kick without a request
    LC_PAGE = 10      # the page that it frees after a flush
    LC_TOKEN = 11     # an interrupt happens once
    LC_OTHER = 12     # a plugin's own word
    LC_CLASSES = 13

cdef enum slot_bit:
    SLOT_TAKEN = 1    # a vCPU is loaded: an IPI has to wait until it is in the guest or has IRQs on
    SLOT_KICK = 2     # a reschedule IPI, or a call that nobody waits for
    SLOT_RESCHED = 4  # somebody wants the pCPU
    SLOT_CALLS = 3    # from this bit on: sends that are waited for; first those of IPIs, from scene.membarriers on those of membarrier()
    MAX_SENDS = 60
    MAX_OTHER = 128
    MAX_WALKERS = 64

cdef enum check_note:     # beyond enum mk_event
    NOTE_CALL = 100       # a: the call's number in the scene
    NOTE_RETURNED = 101   # a: the call's number
    NOTE_RESTS = 102      # waits in the guest
    NOTE_SLEEPS = 103     # waits asleep
    NOTE_IPI = 104        # a: pCPU, b: 0 taken by nobody and so acknowledged at once, 1 pending, 2 lost
    NOTE_HANDLED = 105    # a: bits of the slot that were taken
    NOTE_WAITS_GATE = 106
    NOTE_MASK = 107       # subject: the sender's pCPU; a: the first word of the mask that is sent
    NOTE_FREED = 108      # a: the initiator whose page was freed

cdef enum actor_kind:
    ACTOR_VCPU = 0
    ACTOR_TASK = 1
    ACTOR_IRQ = 2

cdef struct call:         # one that somebody makes
    uint32_t request      # value with flags
    uint64_t targets      # vCPUs
    int32_t pick          # > 0: `choose` draws so many of them
    int32_t initiator     # number
    uint8_t waits         # the workload declares it waiting
    uint8_t all           # the targets are all vCPUs: the strategy gets no bitmap
    uint8_t gate          # and its requester clears the bit afterwards
    uint8_t frees         # a page, after it
    uint8_t actor         # actor_kind of the initiator
    int32_t place         # its vCPU or pCPU

cdef struct other_word:  # of a plugin's own
    const char *address
    int size

cdef struct scene:
    mk_explorer *x
    mk_vm *vm
    int32_t nvcpus
    int32_t npcpus        # those that vCPUs are loaded on
    int32_t all_pcpus     # with those that tasks have of their own
    int32_t nthreads
    int32_t ncalls
    call *calls
    int32_t base[16]      # of each class in the graph's locations
    int32_t count[16]
    int32_t nlocs
    other_word other[128]  # of LC_OTHER
    int32_t nother
    mk_injector **injectors
    int32_t ninjectors
    uint64_t wanted_points
    int32_t entries
    uint8_t shared_slot[64]  # the pCPU has a run lock
    int32_t nshared       # how many have one
    uint8_t leaves        # guests may leave on their own
    uint8_t fastpath
    uint8_t halts         # 0 never, 1 always, 2 choose
    uint8_t naps          # sleepers may wake on their own
    uint8_t walks
    uint8_t migrates      # 0: the host leaves vCPUs where they are; 2: and it walks where it was moved to
    uint8_t payload       # P6 is judged
    uint8_t races         # P10 is judged
    const race_keys *known_races
    uint8_t watched       # somebody wants to see each graph
    int32_t needless      # P9: the most IPIs in one execution so far that no target asked for
    uint32_t judged       # properties, a bit each
    int32_t sends_each    # how many sends a thread may make in one execution
    uint8_t uses_membarrier
    int32_t membarriers   # the first send that is one
    kthread *threads

cdef struct pending_ack:
    int32_t location
    int32_t pcpu

cdef struct kthread:
    mk_ctx c              # first: a mk_ctx * is a kthread *
    mk_vm vm              # a copy with kick masks of its own
    scene *s
    int32_t t
    int32_t home          # pCPU
    int32_t ncalls
    int32_t calls[16]     # numbers in the scene
    int32_t call          # the one in progress, -1
    int32_t sends         # so far in this execution
    int32_t barriers      # membarriers so far
    int32_t first_send
    int32_t first_barrier
    int32_t max_sends
    int32_t nacks
    pending_ack acks[64]
    uint64_t targets[1]   # of the call in progress
    uint8_t actor
    uint8_t in_point
    uint8_t migrated
    uint8_t in_irq
    uint64_t aborted_for  # of the last aborted entry
    uint8_t aborted
    uint8_t consumed
    int32_t fast_exits    # after which it entered again, in this execution
    uint8_t committed     # an entry has passed its last check, and has not ended
    mk_injector *asked    # the injector that acts, or NULL
    uint64_t consumed_ever  # request bits, in this execution
    uint64_t interrupted  # calls of interrupts that have struck this thread, or were let go
    coroutine *co

# An operation of the checked world, from compiled code. The value read.
cdef int access(kthread *k, int kind, int flags, int op, int order, int32_t loc, uint64_t operand, uint64_t expected, const char *name,
                uint64_t *value) except -1 nogil
cdef int32_t at(scene *s, int location_class, int32_t index) noexcept nogil
cdef int choose(kthread *k, int n, bint fault, const char *name) except -1 nogil
cdef int tell(kthread *k, int kind, uint64_t subject, uint64_t a, uint64_t b) except -1 nogil
cdef int make_call(kthread *k, int32_t number) except -1 nogil

cdef mk_world checked_world
cdef mk_observer checked_observer
