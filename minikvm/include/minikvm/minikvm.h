/* minikvm.h: the C face of core. Everything here is plain C11; see world.h for the idea. */
#ifndef MINIKVM_H
#define MINIKVM_H
#include "atomics.h"
#include "types.h"
#include "world.h"
#include "plug.h"
#endif
