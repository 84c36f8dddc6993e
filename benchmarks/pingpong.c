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
 * The live VM (minikvm/live) does the same in fewer hand-overs where it found a way: A and C are one line; the receiver leaves and consumes
 * in one RMW; line B is counted up and never written by its receiver; the sender stores D where nothing is outstanding; and the receiver
 * fetches A, and D of who called last, for writing before it reads A. All of that was tried here too. While D stays where it is, known
 * beforehand, it makes 5 % at most, in either direction. Found by the caller's number, as the live VM must, whose receivers have many
 * senders, it is 5 to 20 % slower than what stands here. So what stands here stays: it is the fastest of the three, or as good as.
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

#include "pingpong_hand.h"

/* ---- minikvm's, as plugins ---- */

static struct {
	LINE mk_atomic32 entered;
	LINE mk_atomic32 gate;
	LINE const mk_loop *loop;  /* a real run loop, or NULL for the machine's part of one */
	const mk_strategy *strategy; /* a real strategy, or NULL for the machine's part of one */
	uint32_t req;
	int cpu, pinned;
	uint64_t n, took;
	const mk_observer *observer; /* of the receiver */
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
		live.observer = c->observer;
		pin(live.cpu);
	}
	if (atomic_load_explicit(&live.gate.v, memory_order_acquire) != 1) {
		futex_wait(&live.gate, 0);
		return 0;
	}
	if (live.loop) {
		c->observer = live.observer;
		return live.loop->enter(c, live.loop, v);
	}
	c->observer = NULL; /* an entry without the protocol's steps is not the observer's business, and is refused where one watches */
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
