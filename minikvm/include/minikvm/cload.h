/*
 * cload.h: what minikvm.csource.load does in C: the variables of a thread, faults in the user's code and loops that never end, and which
 * part of memory is a library's own variables. Included there only.
 */
#ifndef MINIKVM_CLOAD_H
#define MINIKVM_CLOAD_H
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include "cplug.h"

__attribute__((visibility("default"), tls_model("initial-exec"))) __thread struct mk_c_thread mk_c_thread;

static __thread const char *mk_stack_low;

/* ---- faults ---- */

#define MK_FAULTS 6
static const int mk_fault_numbers[MK_FAULTS] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT };
static struct sigaction mk_faults_before[MK_FAULTS];

static const void *mk_pc_of(const void *context)
{
	const ucontext_t *uc = context;
#if defined(__x86_64__)
	return (const void *)uc->uc_mcontext.gregs[16]; /* REG_RIP */
#elif defined(__aarch64__)
	return (const void *)uc->uc_mcontext.pc;
#else
	(void)uc;
	return NULL;
#endif
}

static void mk_fault(int number, siginfo_t *info, void *context)
{
	struct mk_c_frame *f = mk_c_thread.frame;
	int i;
	if (f != NULL) {
		mk_c_thread.frame = NULL;
		f->signo = number;
		f->address = info->si_addr;
		f->pc = mk_pc_of(context);
#if defined(__x86_64__)
		if (number == SIGTRAP) /* int3: it has been executed, the others have not */
			f->pc = (const char *)f->pc - 1;
#endif
		f->why = MK_C_LEFT_FAULT;
		if (f->stack_low == NULL)
			f->stack_low = mk_stack_low;
		_longjmp(f->out, 1);
	}
	/* Not ours: as if we were not here. The instruction runs again. */
	for (i = 0; i < MK_FAULTS; i++)
		if (mk_fault_numbers[i] == number) {
			sigaction(number, &mk_faults_before[i], NULL);
			if (number == SIGABRT)
				raise(number);
		}
}
static void mk_look(int number, siginfo_t *info, void *context);
static void mk_catch_faults(void)
{
	struct sigaction now, ours;
	int i;
	memset(&ours, 0, sizeof(ours));
	ours.sa_sigaction = mk_fault;
	ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
	sigemptyset(&ours.sa_mask);
	sigaction(SIGVTALRM, NULL, &now);
	if (now.sa_sigaction != mk_look) {
		struct sigaction look;
		memset(&look, 0, sizeof(look));
		look.sa_sigaction = mk_look;
		look.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART | SA_ONSTACK;
		sigaction(SIGVTALRM, &look, NULL);
	}
	for (i = 0; i < MK_FAULTS; i++) {
		sigaction(mk_fault_numbers[i], NULL, &now);
		if (now.sa_sigaction == mk_fault)
			continue;
		mk_faults_before[i] = now;
		sigaction(mk_fault_numbers[i], &ours, NULL);
	}
}
/* A stack for the handler, so that a recursion without an end is a fault like others. Freed with the thread. */
static pthread_key_t mk_stack_key;
static pthread_once_t mk_stack_once = PTHREAD_ONCE_INIT;
#define MK_SIGNAL_STACK 65536
static void mk_drop_stack(void *memory)
{
	stack_t off;
	memset(&off, 0, sizeof(off));
	off.ss_flags = SS_DISABLE;
	sigaltstack(&off, NULL);
	munmap(memory, MK_SIGNAL_STACK);
}
/*
 * A loop without anything in it (`for (;;) ;`) has no basic block that a compiler would count. So each thread's own CPU time is looked at,
 * too: the same call, in the user's code and no further for two seconds.
 */
static __thread struct { struct mk_c_frame *f; uint64_t call, blocks, operations; int times; } mk_last_look;
static void mk_look(int number, siginfo_t *info, void *context)
{
	struct mk_c_frame *f = mk_c_thread.frame;
	(void)number;
	(void)info;
	if (f == NULL || f != mk_last_look.f || f->call != mk_last_look.call || f->blocks != mk_last_look.blocks || f->operations != mk_last_look.operations) {
		mk_last_look.f = f;
		mk_last_look.times = 0;
		if (f != NULL) {
			mk_last_look.call = f->call;
			mk_last_look.blocks = f->blocks;
			mk_last_look.operations = f->operations;
		}
		return;
	}
	if (++mk_last_look.times < 4)
		return;
	mk_last_look.f = NULL;
	mk_c_thread.frame = NULL;
	f->pc = mk_pc_of(context);
	f->why = MK_C_LEFT_LOOP;
	_longjmp(f->out, 1);
}
static pthread_key_t mk_timer_key;
static void mk_drop_timer(void *timer) { timer_delete(timer); }
static void mk_make_timer(void)
{
	struct sigevent event;
	struct itimerspec every = { { 0, 500000000 }, { 0, 500000000 } };
	timer_t timer;
	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = SIGVTALRM;
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0)
		return;
	timer_settime(timer, 0, &every, NULL);
	pthread_setspecific(mk_timer_key, timer);
}
static void mk_make_keys(void)
{
	pthread_key_create(&mk_stack_key, mk_drop_stack);
	pthread_key_create(&mk_timer_key, mk_drop_timer);
}
static void mk_prepare(void)
{
	stack_t now;
	pthread_attr_t attributes;
	void *low = NULL;
	size_t size = 0;
	mk_c_thread.ready = 1;
	if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
		if (pthread_attr_getstack(&attributes, &low, &size) == 0)
			mk_stack_low = low;
		pthread_attr_destroy(&attributes);
	}
	pthread_once(&mk_stack_once, mk_make_keys);
	mk_make_timer();
	if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE))
		return;
	memset(&now, 0, sizeof(now));
	now.ss_size = MK_SIGNAL_STACK;
	now.ss_sp = mmap(NULL, MK_SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (now.ss_sp == MAP_FAILED)
		return;
	sigaltstack(&now, NULL);
	pthread_setspecific(mk_stack_key, now.ss_sp);
}

/* ---- the library's own variables ---- */

typedef struct mk_segment { const char *inside; const char *begin, *end; } mk_segment;
static int mk_look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct mk_segment *s = arg;
	const char *begin = NULL, *end = NULL;
	int i, ours = 0;
	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const char *from = (const char *)info->dlpi_addr + p->p_vaddr;
		if (p->p_type != PT_LOAD)
			continue;
		ours |= s->inside >= from && s->inside < from + p->p_memsz;
		if (p->p_flags & PF_W) {
			if (begin == NULL || from < begin)
				begin = from;
			if (from + p->p_memsz > end)
				end = from + p->p_memsz;
		}
	}
	if (!ours)
		return 0;
	s->begin = begin;
	s->end = end;
	return 1;
}
static const char *mk_base_of(const void *p)
{
	Dl_info info;
	return dladdr(p, &info) ? info.dli_fbase : NULL;
}
static int mk_find_segment(mk_segment *s) { return dl_iterate_phdr(mk_look_at, s); }
#endif
