/*
 * kernel/cpumask.h: the current CPU, preemption, IRQs, per-CPU variables, cpumasks and the function-call IPI.
 * (include/linux/cpumask.h with CONFIG_CPUMASK_OFFSTACK, percpu-defs.h, smp.h, Linux 6.18.)
 */
#ifndef MINIKVM_KERNEL_CPUMASK_H
#define MINIKVM_KERNEL_CPUMASK_H
#include "bitops.h"

/* ---- the current CPU ---- */

#define preempt_disable() ((void)(mk_c_current->preempt_count++), barrier())
#define preempt_enable() (barrier(), mk_k_put_cpu())
#define preempt_enable_no_resched() (barrier(), (void)(mk_c_current->preempt_count--))
#define preempt_count() ((int)mk_c_current->preempt_count)
/* Preemption on again; a deschedule that was asked for meanwhile happens here. */
static __always_inline void mk_k_put_cpu(void)
{
	mk_ctx *c = mk_c_current;
	if (MK_C_WATCHED) {
		mk_c_put_cpu();
		return;
	}
	c->preempt_count--;
	if (mk_unlikely(c->need_resched) && c->preempt_count == 0 && c->irqs_off == 0)
		mk_c_put_cpu();
}
#define raw_smp_processor_id() ((int)mk_c_current->pcpu)
#define smp_processor_id() raw_smp_processor_id()
#define __smp_processor_id() raw_smp_processor_id()
#define get_cpu() ({ preempt_disable(); raw_smp_processor_id(); })
#define put_cpu() preempt_enable()
#define cpu_relax() mk_cpu_relax()
#define need_resched() (mk_c_current->need_resched != 0)
#define in_task() (mk_c_current->kind != MK_CTX_IRQ)

#define local_irq_disable() mk_c_irq(0)
#define local_irq_enable() mk_c_irq(1)
#define local_irq_save(flags) ((flags) = mk_c_current->irqs_off, mk_c_irq(0))
#define local_irq_restore(flags) ((void)(flags), mk_c_irq(1))
#define irqs_disabled() (mk_c_current->irqs_off != 0)
#define lockdep_assert_irqs_disabled() ((void)WARN_ON(!irqs_disabled()))
#define lockdep_assert_irqs_enabled() ((void)WARN_ON(irqs_disabled()))
#define lockdep_assert_preemption_disabled() ((void)WARN_ON(preempt_count() == 0 && !irqs_disabled()))

/* ---- cpumasks ---- */

#ifdef MK_C_CHECKED
#define NR_CPUS 64 /* a check has at most so many; the explorer's variables are not to be longer than they need */
#else
#define NR_CPUS MK_MAX_PCPUS
#endif
#define CONFIG_CPUMASK_OFFSTACK 1
#define nr_cpu_ids (mk_c_current->vm->nr_pcpus)
#define nr_cpumask_bits nr_cpu_ids
#define num_online_cpus() cpumask_weight(cpu_online_mask)

typedef struct cpumask { unsigned long bits[BITS_TO_LONGS(NR_CPUS)]; } cpumask_t;
typedef struct cpumask *cpumask_var_t;
#define cpumask_bits(mask) ((mask)->bits)
#define cpu_online_mask ((const struct cpumask *)mk_c_current->vm->online)
#define cpu_possible_mask cpu_online_mask
#define cpu_present_mask cpu_online_mask
#define cpu_online(cpu) cpumask_test_cpu(cpu, cpu_online_mask)

static __always_inline void cpumask_clear(struct cpumask *mask) { bitmap_zero(mask->bits, nr_cpumask_bits); }
static inline void cpumask_setall(struct cpumask *mask) { bitmap_fill(mask->bits, nr_cpumask_bits); }
static inline void cpumask_copy(struct cpumask *to, const struct cpumask *from) { bitmap_copy(to->bits, from->bits, nr_cpumask_bits); }
/* The mask of a kick: what is put into it is told to the observer. */
static __always_inline void __cpumask_set_cpu(unsigned int cpu, struct cpumask *mask)
{
	__set_bit(cpu, mask->bits);
	mk_k_masked((int32_t)cpu);
}
#define cpumask_set_cpu(cpu, mask) ({ unsigned int mk_cpu = (cpu); set_bit(mk_cpu, (mask)->bits); mk_k_masked((int32_t)mk_cpu); })
#define cpumask_clear_cpu(cpu, mask) clear_bit(cpu, (mask)->bits)
static inline void __cpumask_clear_cpu(unsigned int cpu, struct cpumask *mask) { __clear_bit(cpu, mask->bits); }
#define cpumask_test_and_set_cpu(cpu, mask) ({ \
	unsigned int mk_cpu = (cpu); \
	bool mk_old = test_and_set_bit(mk_cpu, (mask)->bits); \
	mk_k_masked((int32_t)mk_cpu); \
	mk_old; \
})
#define cpumask_test_and_clear_cpu(cpu, mask) test_and_clear_bit(cpu, (mask)->bits)
static inline bool cpumask_test_cpu(int cpu, const struct cpumask *mask) { return mk_k_test_bit((unsigned long)cpu, mask->bits); }
static __always_inline bool cpumask_empty(const struct cpumask *mask) { return bitmap_empty(mask->bits, nr_cpumask_bits); }
static inline bool cpumask_full(const struct cpumask *mask) { return bitmap_full(mask->bits, nr_cpumask_bits); }
static inline unsigned int cpumask_weight(const struct cpumask *mask) { return bitmap_weight(mask->bits, nr_cpumask_bits); }
static inline bool cpumask_and(struct cpumask *to, const struct cpumask *a, const struct cpumask *b)
{
	return bitmap_and(to->bits, a->bits, b->bits, nr_cpumask_bits);
}
static inline void cpumask_or(struct cpumask *to, const struct cpumask *a, const struct cpumask *b)
{
	bitmap_or(to->bits, a->bits, b->bits, nr_cpumask_bits);
}
static inline bool cpumask_andnot(struct cpumask *to, const struct cpumask *a, const struct cpumask *b)
{
	return bitmap_andnot(to->bits, a->bits, b->bits, nr_cpumask_bits);
}
static inline bool cpumask_equal(const struct cpumask *a, const struct cpumask *b) { return bitmap_equal(a->bits, b->bits, nr_cpumask_bits); }
static inline bool cpumask_intersects(const struct cpumask *a, const struct cpumask *b)
{
	return bitmap_intersects(a->bits, b->bits, nr_cpumask_bits);
}
static inline bool cpumask_subset(const struct cpumask *a, const struct cpumask *b) { return bitmap_subset(a->bits, b->bits, nr_cpumask_bits); }
static inline unsigned int cpumask_first(const struct cpumask *mask) { return (unsigned int)find_next_bit(mask->bits, nr_cpumask_bits, 0); }
static inline unsigned int cpumask_next(int cpu, const struct cpumask *mask)
{
	return (unsigned int)find_next_bit(mask->bits, nr_cpumask_bits, (unsigned long)(cpu + 1));
}
static inline unsigned int cpumask_any_but(const struct cpumask *mask, unsigned int cpu)
{
	unsigned int i = cpumask_first(mask);
	return i == cpu ? cpumask_next((int)i, mask) : i;
}
#define cpumask_any(mask) cpumask_first(mask)
#define for_each_cpu(cpu, mask) \
	for ((cpu) = cpumask_first(mask); (unsigned int)(cpu) < nr_cpu_ids; (cpu) = cpumask_next((int)(cpu), (mask)))
#define for_each_online_cpu(cpu) for_each_cpu(cpu, cpu_online_mask)
#define for_each_possible_cpu(cpu) for_each_cpu(cpu, cpu_possible_mask)
/* One mask, which nobody but its declarer changes. */
#define cpumask_of(cpu) ((const struct cpumask *)mk_k_mask_of((struct cpumask *)__builtin_alloca(sizeof(struct cpumask)), (unsigned int)(cpu)))
static inline struct cpumask *mk_k_mask_of(struct cpumask *mask, unsigned int cpu)
{
	cpumask_clear(mask);
	__set_bit(cpu, mask->bits);
	return mask;
}

/* Off the stack, as distributions build it: it may fail (the point kick.alloc_mask, race injector mask-alloc-failure). */
static __always_inline bool mk_k_zalloc(cpumask_var_t *mask, gfp_t flags, const char *file, int line)
{
	(void)flags;
	if (!MK_C_WATCHED && mk_likely(!(mk_c_masks & 1))) { /* the first one at a time is the context's own */
		mk_c_masks |= 1;
		*mask = (cpumask_var_t)mk_c_current->scratch;
		cpumask_clear(*mask);
		return true;
	}
	*mask = (cpumask_var_t)mk_c_alloc_mask(file, line);
	return *mask != NULL;
}
#define zalloc_cpumask_var(mask, flags) mk_k_zalloc(mask, flags, __FILE__, __LINE__)
#define alloc_cpumask_var(mask, flags) zalloc_cpumask_var(mask, flags)
#define zalloc_cpumask_var_node(mask, flags, node) ((void)(node), zalloc_cpumask_var(mask, flags))
static __always_inline void free_cpumask_var(cpumask_var_t mask)
{
	if (!MK_C_WATCHED && mk_likely((uint64_t *)mask == mk_c_current->scratch))
		mk_c_masks &= ~1;
	else
		mk_c_free_mask((uint64_t *)mask);
}
static inline bool cpumask_available(cpumask_var_t mask) { return mask != NULL; }

/* ---- per-CPU variables ---- */

/* An array; a cpumask_var_t gets its masks when the file is loaded, as kvm_init() would have allocated them. */
#define DEFINE_PER_CPU(type, name) \
	__typeof__(type) name[NR_CPUS]; \
	static struct cpumask mk_masks_of_##name[__builtin_types_compatible_p(__typeof__(type), cpumask_var_t) ? NR_CPUS : 1]; \
	__attribute__((constructor)) static void mk_begin_##name(void) \
	{ \
		if (__builtin_types_compatible_p(__typeof__(type), cpumask_var_t)) \
			mk_k_point_masks((void **)(void *)name, mk_masks_of_##name); \
	} \
	_Static_assert(1, "")
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name[NR_CPUS]
#define DEFINE_PER_CPU_ALIGNED(type, name) DEFINE_PER_CPU(type, name)
#define DEFINE_PER_CPU_SHARED_ALIGNED(type, name) DEFINE_PER_CPU(type, name)
#define DEFINE_PER_CPU_READ_MOSTLY(type, name) DEFINE_PER_CPU(type, name)
__attribute__((no_sanitize_thread, unused)) static void mk_k_point_masks(void **pointers, struct cpumask *masks)
{
	for (int cpu = 0; cpu < NR_CPUS; cpu++)
		pointers[cpu] = &masks[cpu];
}
/* Without a pCPU (only in benchmarks) it is that of pCPU 0, as in core/kick.pxd. */
#define MK_K_CPU() (mk_c_current->pcpu >= 0 ? mk_c_current->pcpu : 0)
#define this_cpu_ptr(pointer) (&(*(pointer))[MK_K_CPU()])
#define raw_cpu_ptr(pointer) this_cpu_ptr(pointer)
#define per_cpu_ptr(pointer, cpu) (&(*(pointer))[cpu])
#define per_cpu(name, cpu) ((name)[cpu])
#define get_cpu_var(name) (*({ preempt_disable(); &(name)[MK_K_CPU()]; }))
#define put_cpu_var(name) ((void)(name), preempt_enable())
#define get_cpu_ptr(pointer) ({ preempt_disable(); this_cpu_ptr(pointer); })
#define put_cpu_ptr(pointer) ((void)(pointer), preempt_enable())
#define this_cpu_read(name) ((name)[MK_K_CPU()])
#define __this_cpu_read(name) this_cpu_read(name)
#define this_cpu_write(name, value) ((name)[MK_K_CPU()] = (value))
#define __this_cpu_write(name, value) this_cpu_write(name, value)
#define this_cpu_inc(name) ((void)(name)[MK_K_CPU()]++)
#define this_cpu_dec(name) ((void)(name)[MK_K_CPU()]--)
/* Which mask it is never changes: no access of the explorer's. */
#define this_cpu_cpumask_var_ptr(name) mk_k_mask_pointer(name, MK_K_CPU())
__attribute__((no_sanitize_thread)) static inline struct cpumask *mk_k_mask_pointer(const cpumask_var_t *name, int cpu) { return name[cpu]; }

/* ---- IPIs ---- */

typedef void (*smp_call_func_t)(void *info);
/*
 * To every CPU of the mask but the current one; with wait, until each has taken it. Only with preemption off. An IPI here does nothing but
 * make its receiver leave the guest: func has to be an empty function (build.py looks), as KVM's ack_kick() is.
 */
#define smp_call_function_many(mask, func, info, wait) \
	((void)(func), (void)(info), mk_k_call_many((mask)->bits, (wait) ? 1 : 0, "smp_call_function_many"))
#define on_each_cpu_mask(mask, func, info, wait) smp_call_function_many(mask, func, info, wait)
#define smp_call_function(func, info, wait) smp_call_function_many(cpu_online_mask, func, info, wait)
#define smp_call_function_single(cpu, func, info, wait) ({ \
	preempt_disable(); \
	smp_call_function_many(cpumask_of(cpu), func, info, wait); \
	preempt_enable(); \
	0; \
})
/* The IPI of a plain kick: no acknowledgement. */
#define smp_send_reschedule(cpu) mk_c_reschedule(cpu, MK_C_HERE("smp_send_reschedule"))
#define arch_smp_send_reschedule(cpu) smp_send_reschedule(cpu)
#endif
