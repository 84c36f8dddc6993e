/* pingpong_hand.h: the half of pingpong.c that is written by hand. The head of that file says what it does and why. */
#ifndef PINGPONG_HAND_H
#define PINGPONG_HAND_H

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
#endif
