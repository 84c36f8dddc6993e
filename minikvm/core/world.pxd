# cython: language_level=3
"""The declarations of minikvm.h for Cython: structs, orders, and the operations that every shared access goes through.

Cython plugins cimport from here; see include/minikvm/world.h for what each operation means. All operations return -1 with an
exception set when one struck; Cython's ``except -1`` then leaves the caller.
"""
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t

cdef extern from "<minikvm/minikvm.h>" nogil:
    enum: MK_ABI
    enum: MK_MAX_VCPUS
    enum: MK_MAX_PCPUS
    enum: MK_MAX_REQUESTS
    enum: MK_CACHELINE
    enum: MK_LAST_POINTS
    enum: MK_LOOP_PUT_CLEARS_CPU
    const uint32_t MK_NO_VCPU
    const uint32_t MK_REQ_MASK
    const uint32_t MK_REQ_NO_WAKEUP
    const uint32_t MK_REQ_WAIT
    const uint32_t MK_REQ_NO_ACTION

    enum: MK_PLAIN, MK_RELAXED, MK_ACQUIRE, MK_RELEASE, MK_ACQ_REL, MK_SEQ_CST, MK_FULL
    enum: MK_OR, MK_AND, MK_ADD, MK_XCHG, MK_CMPXCHG, MK_XOR, MK_RMW_OPS, MK_NO_VALUE
    enum: MK_SMP_MB, MK_SMP_WMB, MK_SMP_RMB, MK_MB_BEFORE_ATOMIC, MK_MB_AFTER_ATOMIC, MK_BARRIER
    enum: MK_OUTSIDE_GUEST_MODE, MK_IN_GUEST_MODE, MK_EXITING_GUEST_MODE, MK_READING_SHADOW_PAGE_TABLES
    enum: MK_CTX_VCPU, MK_CTX_TASK, MK_CTX_IRQ, MK_CTX_BENCH
    enum: MK_GO, MK_FAIL, MK_IPI_LATE, MK_IPI_LOST
    enum:
        MK_PT_KICK_BEGIN, MK_PT_KICK_ALLOC, MK_PT_KICK_CPU_READ, MK_PT_KICK_MADE, MK_PT_KICK_WAKE, MK_PT_KICK_MODE, MK_PT_IPI_SEND
        MK_PT_IPI_AWAIT, MK_PT_KICK_END, MK_PT_VCPU_LOADED, MK_PT_VCPU_PUT, MK_PT_VCPU_CHECK, MK_PT_VCPU_HANDLED
        MK_PT_ENTRY_IRQS_OFF, MK_PT_ENTRY_MODE, MK_PT_ENTRY_LAST_CHECK, MK_PT_ENTRY_ENTER, MK_PT_ENTRY_EXIT, MK_PT_ENTRY_OUTSIDE
        MK_PT_ENTRY_ABORT, MK_PT_WALK_BEGIN, MK_PT_WALK_END, MK_PT_BLOCK_PUBLISHED, MK_PT_BLOCK_TEST, MK_PT_BLOCK_SLEEP
        MK_PT_BLOCK_WOKEN, MK_PT_IRQ_HANDLED, MK_PT_TASK_RUN, MK_NR_POINTS
    const char **mk_point_names
    enum:
        MK_EV_MADE, MK_EV_DEFERRED, MK_EV_WOKE, MK_EV_MODE, MK_EV_MASKED, MK_EV_SENDING, MK_EV_CLEARED, MK_EV_CONSUMED
        MK_EV_CONSUME_BEGIN, MK_EV_CONSUME_END, MK_EV_ENTRY_BEGIN, MK_EV_ENTRY_COMMIT, MK_EV_ENTRY_END, MK_EV_ENTRY_ABORT
        MK_EV_WALK_BEGIN, MK_EV_WALK_END, MK_EV_BLOCKED, MK_EV_UNBLOCKED, MK_EV_PUT, MK_EV_LOADED

    # Opaque on purpose: `x |= 1` must not compile.
    ctypedef struct mk_atomic32:
        pass
    ctypedef struct mk_atomic64:
        pass

    ctypedef struct mk_vm
    ctypedef struct mk_ctx
    ctypedef struct mk_strategy
    ctypedef struct mk_loop
    ctypedef struct mk_vcpu:
        mk_atomic64 requests
        mk_atomic32 mode
        mk_atomic32 cpu
        mk_atomic32 wait
        uint32_t id
        uint32_t idx
        mk_atomic64 strategy
        mk_vm *vm
        void *priv
    ctypedef struct mk_world:
        uint32_t abi
        uint32_t size
        int (*load)(mk_ctx *, const void *, int, int, const char *, uint64_t *) except -1 nogil
        int (*store)(mk_ctx *, void *, int, int, const char *, uint64_t) except -1 nogil
        int (*rmw)(mk_ctx *, void *, int, int, int, const char *, uint64_t, uint64_t, uint64_t *) except -1 nogil
        int (*fence)(mk_ctx *, int, const char *) except -1 nogil
        int (*point)(mk_ctx *, int, mk_vcpu *) except -1 nogil
        int (*choose)(mk_ctx *, int, double, const char *) except -1 nogil
        int (*lock)(mk_ctx *, mk_atomic64 *, const char *) except -1 nogil
        int (*unlock)(mk_ctx *, mk_atomic64 *, const char *) except -1 nogil
        int (*wait_change)(mk_ctx *, const void *, int, int, const char *, uint64_t, uint64_t *) except -1 nogil
        void *priv
    ctypedef struct mk_machine:
        uint32_t abi
        uint32_t size
        int (*call_many)(mk_ctx *, const uint64_t *, int) except -1 nogil
        int (*call_wait)(mk_ctx *) except -1 nogil
        int (*reschedule)(mk_ctx *, int32_t) except -1 nogil
        int (*irq_disable)(mk_ctx *) except -1 nogil
        int (*irq_enable)(mk_ctx *) except -1 nogil
        int (*schedule)(mk_ctx *) except -1 nogil
        int (*work_pending)(mk_ctx *) except -1 nogil
        int (*enter_guest)(mk_ctx *, mk_vcpu *) except -1 nogil
        int (*block)(mk_ctx *, mk_vcpu *) except -1 nogil
        int (*wake)(mk_ctx *, mk_vcpu *) except -1 nogil
        int (*walk)(mk_ctx *, mk_vcpu *) except -1 nogil
        int (*handle)(mk_ctx *, mk_vcpu *, unsigned) except -1 nogil
        int (*await_requests)(mk_ctx *, mk_vcpu *, uint64_t) except -1 nogil
        int (*membarrier)(mk_ctx *) except -1 nogil
        int (*lock_slow)(mk_ctx *, mk_atomic64 *) except -1 nogil
        int (*idle_guest)(mk_ctx *, mk_vcpu *, uint64_t) except -1 nogil
        int (*migrate)(mk_ctx *, mk_vcpu *, int) except -1 nogil
        int (*preempt)(mk_ctx *) except -1 nogil
        int (*delay)(mk_ctx *, uint64_t) except -1 nogil
        int (*spurious_ipi)(mk_ctx *, int32_t) except -1 nogil
        int (*spurious_wakeup)(mk_ctx *, mk_vcpu *) except -1 nogil
    ctypedef struct mk_observer:
        int (*event)(mk_ctx *, int, mk_vcpu *, uint64_t, uint64_t) except -1 nogil
    ctypedef struct mk_ctx:
        mk_world *world
        const mk_observer *observer
        mk_vm *vm
        mk_vcpu *vcpu
        int32_t pcpu
        uint32_t kind
        uint32_t preempt_count
        uint32_t irqs_off
        uint32_t need_resched
        uint32_t id
        uint64_t visited
        uint64_t rng[2]
        uint64_t *scratch
        void *call
        void *priv
        const char *file
        uint32_t line
        int32_t point_pcpu
        uint32_t last_n
        uint16_t last[16]
        void *frame
    ctypedef struct mk_vm:
        uint32_t abi
        uint32_t nr_vcpus
        uint32_t nr_pcpus
        uint32_t vcpu_words
        uint32_t mask_words
        uint32_t mask_stride
        mk_atomic32 stopping
        mk_vcpu *vcpus
        mk_world *world
        const mk_machine *machine
        const mk_strategy *strategy
        const mk_loop *loop
        uint64_t *kick_masks
        uint64_t *online
        uint64_t wake_mask
        uint64_t gate_mask
        uint64_t sticky_mask
        const uint32_t *cluster_of
        const uint32_t *node_of
        const uint32_t *apic_of
        void *priv
        uint64_t serial
    ctypedef struct mk_strategy:
        uint32_t abi
        uint32_t size
        void *self
        int (*dispatch)(mk_ctx *, const mk_strategy *, uint32_t, const uint64_t *) except -1 nogil
        int (*on_load)(mk_ctx *, const mk_strategy *, mk_vcpu *) except -1 nogil
        int (*on_put)(mk_ctx *, const mk_strategy *, mk_vcpu *) except -1 nogil
        int (*enter_barrier)(mk_ctx *, const mk_strategy *, mk_vcpu *) except -1 nogil
        int (*on_wake)(mk_ctx *, const mk_strategy *, mk_vcpu *) except -1 nogil
    ctypedef struct mk_loop:
        uint32_t abi
        uint32_t size
        void *self
        uint32_t flags
        int (*enter)(mk_ctx *, const mk_loop *, mk_vcpu *) except -1 nogil
        int (*walk)(mk_ctx *, const mk_loop *, mk_vcpu *) except -1 nogil
        int (*block)(mk_ctx *, const mk_loop *, mk_vcpu *) except -1 nogil

    bint mk_is_bare(const mk_ctx *c) noexcept
    const mk_ctx mk_nobody
    int mk_load32(mk_ctx *c, const mk_atomic32 *p, int order, const char *name, uint32_t *value) except -1
    int mk_load64(mk_ctx *c, const mk_atomic64 *p, int order, const char *name, uint64_t *value) except -1
    int mk_store32(mk_ctx *c, mk_atomic32 *p, int order, const char *name, uint32_t value) except -1
    int mk_store64(mk_ctx *c, mk_atomic64 *p, int order, const char *name, uint64_t value) except -1
    int mk_rmw32(mk_ctx *c, mk_atomic32 *p, int op, int order, const char *name, uint32_t operand, uint32_t expected,
                 uint32_t *old) except -1
    int mk_rmw64(mk_ctx *c, mk_atomic64 *p, int op, int order, const char *name, uint64_t operand, uint64_t expected,
                 uint64_t *old) except -1
    int mk_set_bit(mk_ctx *c, mk_atomic64 *p, unsigned nr, const char *name) except -1
    int mk_clear_bit(mk_ctx *c, mk_atomic64 *p, unsigned nr, const char *name) except -1
    int mk_fence(mk_ctx *c, int kind, const char *name) except -1
    int mk_point(mk_ctx *c, int point, mk_vcpu *subject) except -1
    int mk_note(mk_ctx *c, int event, mk_vcpu *v, uint64_t a, uint64_t b) except -1
    int mk_lock(mk_ctx *c, mk_atomic64 *lock, const char *name) except -1
    int mk_unlock(mk_ctx *c, mk_atomic64 *lock, const char *name) except -1

    # Without a world: for state that no strategy and no other thread's protocol step can see.
    uint32_t mk_bare_load32(const mk_atomic32 *p, int order) noexcept
    uint64_t mk_bare_load64(const mk_atomic64 *p, int order) noexcept
    void mk_bare_store32(mk_atomic32 *p, int order, uint32_t value) noexcept
    void mk_bare_store64(mk_atomic64 *p, int order, uint64_t value) noexcept
    uint32_t mk_bare_rmw32(mk_atomic32 *p, int op, int order, uint32_t operand, uint32_t expected) noexcept
    uint64_t mk_bare_rmw64(mk_atomic64 *p, int op, int order, uint64_t operand, uint64_t expected) noexcept
    void mk_bare_fence(int kind) noexcept
    void mk_cpu_relax() noexcept
    void mk_prefetchw(const void *p) noexcept
    uint64_t mk_random(mk_ctx *c) noexcept
    double mk_random_unit(mk_ctx *c) noexcept

    enum: MK_CAP_ACKNOWLEDGES, MK_CAP_INTERRUPTS_SLEEP, MK_CAP_INTERRUPTS_SPIN
    ctypedef struct mk_doorbell:
        mk_atomic32 *pending
        mk_atomic32 *bell
        mk_atomic32 tid
        int32_t pcpu
        int32_t fd
        void *priv
    ctypedef struct mk_backend:
        uint32_t abi
        uint32_t size
        void *self
        int (*open)(mk_backend *, mk_doorbell *) except -1
        int (*close)(mk_backend *, mk_doorbell *) except -1
        int (*thread_start)(mk_backend *, mk_ctx *) except -1 nogil
        int (*ring)(mk_backend *, mk_ctx *, mk_doorbell *) except -1 nogil
        int (*sleep)(mk_backend *, mk_ctx *, mk_doorbell *, uint32_t, uint64_t) except -1 nogil
        int (*spin)(mk_backend *, mk_ctx *, mk_doorbell *, uint32_t, uint64_t) except -1 nogil
    ctypedef struct mk_injector:
        uint32_t abi
        uint32_t size
        void *self
        uint64_t points
        double probability
        mk_atomic64 injected
        const char *name
        int (*at)(mk_ctx *, mk_injector *, int, mk_vcpu *) except -1 nogil
    ctypedef struct mk_engine:
        uint32_t abi
        uint32_t size
        void *self
        int (*run)(mk_ctx *, mk_engine *, mk_vcpu *, uint64_t) except -1 nogil
    int mk_fires(mk_ctx *c, mk_injector *i) except -1
    void mk_remember(mk_ctx *c, int point) noexcept
    uint32_t mk_points_passed(const mk_ctx *c) noexcept
    int mk_passed_point(const mk_ctx *c, uint32_t n) noexcept
