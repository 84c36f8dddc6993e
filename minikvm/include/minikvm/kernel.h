/*
 * kernel.h: what a strategy or a run loop in kernel-style C sees. The names are the kernel's; the semantics are the documented ones
 * (Documentation/memory-barriers.txt, atomic_t.txt, atomic_bitops.txt, core-api/this_cpu_ops.rst, virt/kvm/vcpu-requests.rst; Linux 6.18).
 * docs/c-strategies.md lists them. Included by itself where the file does not include it.
 */
#ifndef MINIKVM_KERNEL_H
#define MINIKVM_KERNEL_H
#include "kernel/compiler.h"
#include "kernel/watch.h"
#include "kernel/access.h"
#include "kernel/atomic.h"
#include "kernel/bitops.h"
#include "kernel/cpumask.h"
#include "kernel/lock.h"
#include "kernel/kvm.h"
#include "kernel/loop.h"
#endif
