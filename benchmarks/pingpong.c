/*
 * pingpong.c: the round trip of an IPI by hand in C, and the harness that times it in turns with minikvm's own.
 *
 * One round trip, in both: the sender finds the receiver in the guest, raises a call, and gets the acknowledgement; the receiver leaves
 * the guest, acknowledges, and is in the guest again, which the sender sees. Two threads, each pinned to a CPU of its own.
 *
 * "The same primitive" is the same kind and number of system calls, and the same hand-overs of cache lines, in both directions:
 *
 *   line A  pending word of the receiver   sender sets a bit (RMW); receiver leaves (RMW), consumes (RMW) and enters again (RMW)
 *   line B  doorbell (spin, membarrier)    sender stores 1; receiver, who polls it, stores or exchanges 0
 *   line C  who called                     sender sets its bit (RMW); receiver takes it (RMW)
 *   line D  acknowledgements left          sender adds (RMW); receiver takes one off (RMW); sender polls it
 *   line E  pending word of the sender     receiver looks whether the sender sleeps; where it does: RMW, and a wake
 *   line F  "in the guest again"           receiver stores, sender polls: needed by the measurement, the same in both
 *
 *   futex       sender FUTEX_WAKE on line A;            receiver FUTEX_WAIT on line A
 *   eventfd     sender write();                         receiver ppoll() and the read() that empties it
 *   signal      sender tgkill();                        receiver ppoll() that opens the signal; one signal handler
 *   signal-spin sender tgkill();                        receiver opens the signal, polls a flag of the handler's, blocks it again
 *   spin        nothing but line B
 *   membarrier  sender membarrier(PRIVATE_EXPEDITED), then line B
 *
 * The way back is the same for all: the sender polls line D 200 times, then FUTEX_WAITs on line E, and the receiver that finds it asleep
 * FUTEX_WAKEs it. Polls pause. Nothing else: no clock, no timeout, no accounts.
 *
 * What minikvm does on top of that: it looks for injectors, stop requests, queued threads and timeslices; notes what the thread does and
 * since when for the watchdog; gives each sleep a timeout, which is its heartbeat; counts; and calls machine, engine and back end through
 * their function pointers. Its half is driven from here by a strategy and a run loop, as plugins would be: the strategy calls
 * machine.call_many() and call_wait(), the run loop machine.irq_disable(), enter_guest() and irq_enable(), and the guest engine is
 * machine.idle_guest() after the store to line F. Slots, interrupts and acknowledgements are those of the live VM (minikvm/live).
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <minikvm/plug.h>

#define LINE __attribute__((aligned(64)))
#define POLLS 200
#define YIELD_EVERY 1000
#define SETTLE_NS 20000

enum kind { FUTEX, EVENTFD, SIGNAL, SIGNAL_SPIN, SPIN, MEMBARRIER };
enum { CALL = 1, ACKS = 0x10, GUEST = 0x200, AWAIT = 0x400 };

static void futex_wait(mk_atomic32 *word, uint32_t value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void futex_wake(mk_atomic32 *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0); }

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield" ::: "memory");
#endif
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set); /* of no effect where the CPU is not ours to use: then the figures say so */
}

/* ---- by hand ---- */

static struct hand {
	LINE mk_atomic32 pending;  /* A */
	LINE mk_atomic32 bell;     /* B */
	LINE mk_atomic64 callers;  /* C */
	LINE mk_atomic32 acks;     /* D */
	LINE mk_atomic32 sender;   /* E */
	LINE mk_atomic32 entered;  /* F */
	LINE mk_atomic32 gate;     /* between rounds the receiver sleeps here: 0 sleep, 1 run, 2 end */
	LINE int kind, fd, signal, cpu;
	pid_t pid, tid;
	sigset_t open;
	pthread_t thread;
} *hand_;
#define hand (*hand_)

static __thread mk_atomic32 rung;
static void on_signal(int number) { (void)number; atomic_store_explicit(&rung.v, 1, memory_order_relaxed); }

static void hand_ring(void)
{
	uint64_t one = 1;
	switch (hand.kind) {
	case FUTEX:
		futex_wake(&hand.pending);
		break;
	case EVENTFD:
		if (write(hand.fd, &one, sizeof one) < 0)
			abort();
		break;
	case SIGNAL:
	case SIGNAL_SPIN:
		syscall(SYS_tgkill, hand.pid, hand.tid, hand.signal);
		break;
	case MEMBARRIER:
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
		atomic_store_explicit(&hand.bell.v, 1, memory_order_relaxed);
		break;
	default:
		atomic_store_explicit(&hand.bell.v, 1, memory_order_release);
	}
}

static void poll_flag(mk_atomic32 *flag)
{
	for (uint32_t looks = 1; !atomic_load_explicit(&flag->v, memory_order_relaxed); looks++)
		if (looks % YIELD_EVERY == 0)
			sched_yield(); /* as the back ends do by default: a crowded host */
		else
			relax();
}

static void hand_guest(void)
{
	struct pollfd p = {.fd = hand.fd, .events = POLLIN};
	uint64_t count;
	sigset_t one;
	if (hand.kind != FUTEX && atomic_load_explicit(&hand.pending.v, memory_order_acquire) != GUEST && hand.kind != SPIN && hand.kind != MEMBARRIER)
		return;
	switch (hand.kind) {
	case FUTEX:
		futex_wait(&hand.pending, GUEST);
		break;
	case EVENTFD:
		ppoll(&p, 1, NULL, NULL);
		if (read(hand.fd, &count, sizeof count) < 0)
			break; /* empty: the ring is still to come */
		break;
	case SIGNAL:
		ppoll(NULL, 0, NULL, &hand.open);
		break;
	case SIGNAL_SPIN:
		sigemptyset(&one);
		sigaddset(&one, hand.signal);
		atomic_store_explicit(&rung.v, 0, memory_order_relaxed);
		pthread_sigmask(SIG_UNBLOCK, &one, NULL);
		poll_flag(&rung);
		pthread_sigmask(SIG_BLOCK, &one, NULL);
		break;
	case MEMBARRIER:
		if (atomic_load_explicit(&hand.pending.v, memory_order_acquire) == GUEST)
			poll_flag(&hand.bell);
		atomic_store_explicit(&hand.bell.v, 0, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
		break;
	default:
		if (atomic_load_explicit(&hand.pending.v, memory_order_acquire) == GUEST)
			poll_flag(&hand.bell);
		atomic_exchange_explicit(&hand.bell.v, 0, memory_order_acq_rel);
	}
}

static void hand_acknowledge(void)
{
	atomic_fetch_and_explicit(&hand.pending.v, (uint32_t)~CALL, memory_order_seq_cst);
	if (!atomic_exchange_explicit(&hand.callers.v, 0, memory_order_acq_rel))
		return;
	if (atomic_fetch_sub_explicit(&hand.acks.v, 1, memory_order_seq_cst) == 1 &&
	    (atomic_load_explicit(&hand.sender.v, memory_order_seq_cst) & AWAIT)) {
		atomic_fetch_or_explicit(&hand.sender.v, ACKS, memory_order_seq_cst);
		futex_wake(&hand.sender);
	}
}

static void *hand_receiver(void *unused)
{
	sigset_t one;
	pin(hand.cpu);
	sigemptyset(&one);
	sigaddset(&one, hand.signal);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &hand.open);
	sigdelset(&hand.open, hand.signal);
	atomic_store(&rung.v, 0);
	hand.tid = (pid_t)syscall(SYS_gettid);
	for (;;) {
		uint32_t gate = atomic_load_explicit(&hand.gate.v, memory_order_acquire);
		uint32_t free = 0;
		if (gate != 1) {
			if (gate == 2)
				return unused;
			futex_wait(&hand.gate, gate);
			continue;
		}
		if (atomic_compare_exchange_strong(&hand.pending.v, &free, GUEST)) {
			atomic_store_explicit(&hand.entered.v, atomic_load_explicit(&hand.entered.v, memory_order_relaxed) + 1, memory_order_release);
			while (!(atomic_load_explicit(&hand.pending.v, memory_order_acquire) & CALL))
				hand_guest();
			atomic_fetch_and_explicit(&hand.pending.v, (uint32_t)~GUEST, memory_order_seq_cst);
		}
		if (atomic_load_explicit(&hand.pending.v, memory_order_relaxed) & CALL)
			hand_acknowledge();
	}
}

static void hand_call(void)
{
	uint32_t old, none = 0;
	int polls = 0;
	atomic_fetch_add_explicit(&hand.acks.v, 1, memory_order_seq_cst);
	atomic_fetch_or_explicit(&hand.callers.v, 1, memory_order_seq_cst);
	old = atomic_fetch_or_explicit(&hand.pending.v, CALL, memory_order_seq_cst);
	if ((old & GUEST) && !(old & CALL))
		hand_ring();
	while (atomic_load_explicit(&hand.acks.v, memory_order_acquire)) {
		if (atomic_load_explicit(&hand.sender.v, memory_order_relaxed) & ACKS) {
			atomic_fetch_and_explicit(&hand.sender.v, (uint32_t)~ACKS, memory_order_seq_cst);
		} else if (polls < POLLS) {
			polls++;
			relax();
		} else {
			none = 0;
			if (atomic_compare_exchange_strong(&hand.sender.v, &none, AWAIT)) {
				if (atomic_load_explicit(&hand.acks.v, memory_order_seq_cst))
					futex_wait(&hand.sender, AWAIT);
				atomic_fetch_and_explicit(&hand.sender.v, (uint32_t)~AWAIT, memory_order_acq_rel);
			}
		}
	}
	if (atomic_load_explicit(&hand.sender.v, memory_order_relaxed) & ACKS)
		atomic_fetch_and_explicit(&hand.sender.v, (uint32_t)~ACKS, memory_order_seq_cst);
}

/* *polled* is a flag of the thread that just entered: a sender that polls it for long gives way, since both may share a CPU. */
static void await_entry(mk_atomic32 *entered, uint32_t before)
{
	for (uint32_t looks = 1; atomic_load_explicit(&entered->v, memory_order_acquire) == before; looks++)
		if (looks % 10000 == 0)
			sched_yield();
		else
			relax();
}

/*
 * A receiver that sleeps is given the time to fall asleep, and only then is it called: else a sender that is quick enough finds it on its
 * way into the kernel, and another thing is measured. That time is not counted.
 */
static int settle;
static uint64_t settled(void)
{
	uint64_t from = now(), at = from;
	while (at - from < SETTLE_NS) {
		relax();
		at = now();
	}
	return at;
}

/* One measured trip: the call, and the way back into the guest. */
#define TRIPS(n, took, entered, call) \
	do { \
		uint64_t from_ = now(); \
		took = 0; \
		for (uint64_t i_ = 0; i_ < (n); i_++) { \
			uint32_t seen_ = atomic_load_explicit(&(entered)->v, memory_order_relaxed); \
			if (settle) \
				from_ = settled(); \
			call; \
			await_entry((entered), seen_); \
			if (settle) \
				took += now() - from_; \
		} \
		if (!settle) \
			took = now() - from_; \
	} while (0)

/* Elsewhere in memory each time: how long a cache line takes from CPU to CPU depends on its address. The blocks are kept on purpose. */
int hand_open(int kind, int number, int cpu)
{
	static unsigned pages;
	struct sigaction action = {.sa_handler = on_signal};
	pages = pages * 7 % 61 + 1;
	if (posix_memalign((void **)&hand_, 4096, pages * 4096))
		return -1;
	memset(hand_, 0, pages * 4096);
	hand_ += pages * 4096 / sizeof *hand_ / 2;
	settle = kind == FUTEX || kind == EVENTFD || kind == SIGNAL;
	hand.kind = kind;
	hand.signal = number;
	hand.cpu = cpu;
	hand.pid = getpid();
	hand.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	atomic_store(&hand.gate.v, 0);
	atomic_store(&hand.pending.v, 0);
	sigfillset(&action.sa_mask);
	if (hand.fd < 0 || sigaction(number, &action, NULL) < 0)
		return -1;
	if (kind == MEMBARRIER && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0)
		return -1;
	return pthread_create(&hand.thread, NULL, hand_receiver, NULL);
}

void hand_close(void)
{
	atomic_store(&hand.gate.v, 2);
	futex_wake(&hand.gate);
	pthread_join(hand.thread, NULL);
	close(hand.fd);
	signal(hand.signal, SIG_DFL);
}

/* n round trips; nanoseconds. The receiver starts and ends asleep, outside of the time. */
uint64_t hand_run(uint64_t n)
{
	uint64_t took;
	uint32_t seen = atomic_load(&hand.entered.v);
	atomic_store(&hand.gate.v, 1);
	futex_wake(&hand.gate);
	await_entry(&hand.entered, seen);
	TRIPS(n, took, &hand.entered, hand_call());
	atomic_store(&hand.gate.v, 0);
	hand_call();
	return took;
}

/* ---- minikvm's, as plugins ---- */

static struct {
	LINE mk_atomic32 entered;
	LINE mk_atomic32 gate;
	LINE const mk_loop *loop;  /* a real run loop, or NULL for the machine's part of one */
	const mk_strategy *strategy; /* a real strategy, or NULL for the machine's part of one */
	uint32_t req;
	int cpu, pinned;
	uint64_t n, took;
} live;

static int live_guest(mk_ctx *c, mk_engine *e, mk_vcpu *v, uint64_t timeout_ns)
{
	(void)e;
	atomic_store_explicit(&live.entered.v, atomic_load_explicit(&live.entered.v, memory_order_relaxed) + 1, memory_order_release);
	return c->vm->machine->idle_guest(c, v, timeout_ns);
}

static int live_enter(mk_ctx *c, const mk_loop *l, mk_vcpu *v)
{
	const mk_machine *m = c->vm->machine;
	int r;
	(void)l;
	if (!live.pinned) {
		live.pinned = 1;
		pin(live.cpu);
	}
	if (atomic_load_explicit(&live.gate.v, memory_order_acquire) != 1) {
		futex_wait(&live.gate, 0);
		return 0;
	}
	if (live.loop)
		return live.loop->enter(c, live.loop, v);
	m->irq_disable(c);
	r = m->enter_guest(c, v);
	if (r < 0 || m->irq_enable(c) < 0)
		return -1;
	return 1;
}

static int live_call(mk_ctx *c)
{
	static const uint64_t mask[1] = {2}; /* pCPU 1 */
	if (live.strategy)
		return live.strategy->dispatch(c, live.strategy, live.req, NULL);
	if (c->vm->machine->call_many(c, mask, 1) < 0)
		return -1;
	return c->vm->machine->call_wait(c);
}

static int live_dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets)
{
	uint32_t seen = atomic_load(&live.entered.v);
	(void)s;
	(void)req;
	(void)targets;
	atomic_store(&live.gate.v, 1);
	futex_wake(&live.gate);
	await_entry(&live.entered, seen);
	TRIPS(live.n, live.took, &live.entered, if (live_call(c) < 0) return -1);
	atomic_store(&live.gate.v, 0);
	return live_call(c);
}

const mk_strategy live_strategy = {.abi = MK_ABI, .size = sizeof(mk_strategy), .dispatch = live_dispatch};
const mk_loop live_loop = {.abi = MK_ABI, .size = sizeof(mk_loop), .enter = live_enter};
mk_engine live_engine = {.abi = MK_ABI, .size = sizeof(mk_engine), .run = live_guest};

void live_open(int cpu, const mk_loop *loop, const mk_strategy *strategy, uint32_t req)
{
	atomic_store(&live.gate.v, 0);
	live.cpu = cpu;
	live.pinned = 0;
	live.loop = loop;
	live.strategy = strategy;
	live.req = req;
}
void live_count(uint64_t n) { live.n = n; }
uint64_t live_took(void) { return live.took; }
/* Before the VM is stopped: a receiver that sleeps at the gate would not hear of it. */
void live_close(void)
{
	atomic_store(&live.gate.v, 1);
	futex_wake(&live.gate);
}
