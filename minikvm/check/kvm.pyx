"""The exploration of a scene: a strategy, a run loop and injectors, as they run live, under a memory model."""
cimport cython
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport calloc, free
from minikvm.check.actors cimport irq_body, task_body, vcpu_body
from minikvm.check.coroutines cimport Coroutine, run_coroutine
from minikvm.check.explorer cimport explorer_free, explorer_new, mk_explorer, mk_program
from minikvm.check.judge cimport MAX_FINDINGS, finding, judge
from minikvm.check.model cimport model_from
from minikvm.check.pcpus cimport checked_machine
from minikvm.check.scene cimport (
    ACTOR_IRQ, ACTOR_TASK, ACTOR_VCPU, LC_ACKS, LC_CLASSES, LC_CPU, LC_EVENT, LC_OTHER, LC_PAGE, LC_PAYLOAD, LC_RUN, LC_SLOT, LC_TOKEN,
    MAX_OTHER, SLOT_TAKEN, call, checked_observer, checked_world, kthread, scene)
from minikvm.check.graph cimport event
from minikvm.check.races cimport RaceLog, find_races, may_race_anew, race
from minikvm.check.steering cimport Steered
from minikvm.check.view cimport graph_view
from minikvm.core.native cimport injector_from, loop_from, strategy_from
from minikvm.core.vcpu cimport VcpuTable
from minikvm.core.world cimport MK_CTX_IRQ, MK_CTX_TASK, MK_CTX_VCPU, mk_injector, mk_vm


CLASS_NAMES = ("requests", "mode", "cpu", "wait", "strategy", "slot", "run", "acks", "payload", "event", "page", "token",
               "other")
ACTORS = {"vcpu": ACTOR_VCPU, "task": ACTOR_TASK, "irq": ACTOR_IRQ}


cdef int run_actor(mk_program *p, mk_explorer *x, int32_t t) except -1 nogil:
    with gil:
        return run_coroutine(<Coroutine>(<Scene>x.owner).coroutines[t], x, t)


cdef int completed(mk_program *p, mk_explorer *x, bint blocked) except -1 nogil:
    cdef finding out[MAX_FINDINGS]
    cdef scene *s = <scene *>x.priv
    cdef int n
    if s.watched:
        with gil:
            (<Scene>x.owner).on_graph((<Scene>x.owner).graph())
    if s.races and may_race_anew(s.known_races, x.g, s.base[<int>LC_PAGE], s.count[<int>LC_PAGE]):  # those of pages are P4
        with gil:
            (<Scene>x.owner).races.look(x.model, x.g)
    if s.judged == 0:
        return 0
    n = judge(s, x.model, x.g, s.judged, out)
    if n:
        with gil:
            (<Scene>x.owner).found(out, n)
    return 0


@cython.final
@cython.no_gc_clear
cdef class Scene(Steered):
    """One exploration of one scope under one model.

    *strategy*, *loop* and *injectors* are capsules. *python*: one of them is written in Python. *on_violation(property, finding)* is called
    for each finding, and may ask for path() and graph().
    """

    cdef mk_program program
    cdef scene s
    cdef list coroutines
    cdef VcpuTable table
    cdef object scope, keep, on_violation, capsule
    cdef object on_graph
    cdef public object objects  # what has to live as long
    cdef uint64_t *masks
    cdef RaceLog races

    def __cinit__(self):
        self.coroutines = []
        self.races = RaceLog()

    def __init__(self, scope, model, strategy, loop, injectors=(), python=True, on_violation=None):
        cdef mk_vm *vm
        cdef int32_t i
        self.scope = scope
        self.on_violation = on_violation
        self.capsule = model.native()
        self.keep = [strategy, loop, list(injectors), model]
        self.table = VcpuTable(scope.vcpus, scope.all_pcpus)
        self.table.use_requests(scope.registry)
        vm = self.table.vm
        vm.world = &checked_world
        vm.machine = &checked_machine
        vm.strategy = strategy_from(strategy)
        vm.loop = loop_from(loop)
        vm.wake_mask = scope.wake_mask
        self.s.vm = vm
        self.fill_scene(scope, injectors)
        self.place_locations()
        self.make_explorer()
        for i, actor in enumerate(scope.actors):
            self.make_thread(i, actor, python)
        self.program.run = run_actor
        self.program.complete = completed

    def __dealloc__(self):
        explorer_free(self.x)
        free(self.s.calls)
        free(self.s.injectors)
        free(self.s.threads)
        free(self.masks)

    cdef int fill_scene(self, scope, injectors) except -1:
        cdef scene *s = &self.s
        cdef int32_t i
        s.nvcpus = scope.vcpus
        s.npcpus = scope.pcpus
        s.all_pcpus = scope.all_pcpus
        s.nthreads = len(scope.actors)
        s.ncalls = len(scope.calls)
        s.entries = scope.entries
        s.leaves = scope.leaves
        s.fastpath = scope.fastpath
        s.halts = scope.halts
        s.naps = scope.naps
        s.walks = scope.walks
        s.migrates = scope.moves
        s.uses_membarrier = scope.membarrier
        s.calls = <call *>calloc(max(s.ncalls, 1), sizeof(call))
        s.injectors = <mk_injector **>calloc(max(len(injectors), 1), sizeof(mk_injector *))
        s.threads = <kthread *>calloc(s.nthreads, sizeof(kthread))
        if s.calls == NULL or s.injectors == NULL or s.threads == NULL:
            raise MemoryError
        for i, capsule in enumerate(injectors):
            s.injectors[i] = injector_from(capsule)
            s.wanted_points |= s.injectors[i].points
        s.ninjectors = len(injectors)
        for i, c in enumerate(scope.calls):
            s.calls[i].request = c.request
            s.calls[i].targets = sum([1 << v for v in c.targets])
            s.calls[i].pick = c.pick
            s.calls[i].initiator = c.initiator
            s.calls[i].waits = c.waits
            s.calls[i].all = c.all and not c.pick
            s.calls[i].gate = c.gate
            s.calls[i].frees = c.frees
        for pcpu in scope.shared:
            s.shared_slot[<int>pcpu] = 1
        s.nshared = len(scope.shared)
        for prop in scope.properties:
            if prop != "P10":
                s.judged |= 1 << <int>int(prop[1:])
        s.payload = "P6" in scope.properties
        s.races = "P10" in scope.properties
        s.known_races = &self.races.keys
        return 0

    cdef int place_locations(self) except -1:
        cdef scene *s = &self.s
        cdef int32_t initiators = max([c.initiator for c in self.scope.calls], default=-1) + 1
        cdef int32_t senders = sum([bool(a.calls) for a in self.scope.actors])
        cdef int32_t each = max(1, min(6, 28 // max(senders, 1)))
        cdef int32_t n = 0, k
        counts = {LC_SLOT: s.all_pcpus, LC_RUN: s.all_pcpus, LC_ACKS: senders * each * (2 if s.uses_membarrier else 1),
                  LC_PAYLOAD: initiators, LC_EVENT: initiators, LC_PAGE: initiators, LC_TOKEN: s.ncalls, LC_OTHER: MAX_OTHER}
        s.membarriers = senders * each
        s.sends_each = each
        for k in range(LC_CLASSES):
            s.base[k] = n
            s.count[k] = counts.get(k, s.nvcpus)
            n += s.count[k]
        s.nlocs = n
        return 0

    cdef int make_explorer(self) except -1:
        cdef scene *s = &self.s
        cdef uint64_t *init = <uint64_t *>calloc(s.nlocs, sizeof(uint64_t))
        cdef int32_t v, home
        if init == NULL:
            raise MemoryError
        for v in range(s.nvcpus):
            home = self.scope.actors[v].home
            if s.shared_slot[home] or s.vm.strategy.on_load != NULL:
                init[s.base[<int>LC_CPU] + v] = 0xffffffff
            else:
                init[s.base[<int>LC_CPU] + v] = home
                init[s.base[<int>LC_SLOT] + home] = SLOT_TAKEN
        try:
            self.x = explorer_new(model_from(self.capsule), &self.program, s.nthreads, s.nlocs, init)
        finally:
            free(init)
        self.x.owner = <void *>self
        self.x.priv = s
        self.x.fault_budget = self.scope.faults
        s.x = self.x
        return 0

    cdef int make_thread(self, int32_t t, actor, bint python) except -1:
        cdef scene *s = &self.s
        cdef kthread *k = &s.threads[t]
        cdef Coroutine co = Coroutine()
        cdef int32_t i, senders = 0
        cdef size_t words = s.vm.mask_stride * s.vm.nr_pcpus + s.vm.mask_words + s.vm.vcpu_words + 16
        if self.masks == NULL:
            self.masks = <uint64_t *>calloc(s.nthreads * words, sizeof(uint64_t))
            if self.masks == NULL:
                raise MemoryError
        self.coroutines.append(co)
        k.s = s
        k.t = t
        k.co = &co.c
        k.actor = ACTORS[actor.kind]
        k.home = actor.home
        k.vm = s.vm[0]
        k.vm.kick_masks = self.masks + t * words
        k.c.scratch = k.vm.kick_masks + s.vm.mask_stride * s.vm.nr_pcpus
        k.c.vm = &k.vm
        k.c.world = &checked_world
        k.c.observer = &checked_observer
        k.c.vcpu = &s.vm.vcpus[actor.place] if k.actor == ACTOR_VCPU else NULL
        k.c.kind = MK_CTX_VCPU if k.actor == ACTOR_VCPU else MK_CTX_TASK if k.actor == ACTOR_TASK else MK_CTX_IRQ
        k.c.id = t
        k.c.rng[0] = k.c.rng[1] = 1 + t
        if len(actor.calls) > 16:
            raise ValueError(f"{actor.name} makes {len(actor.calls)} calls: at most 16 are possible")
        for i, number in enumerate(actor.calls):
            k.calls[i] = number
            s.calls[<int>number].actor = k.actor
            s.calls[<int>number].place = actor.place
        k.ncalls = len(actor.calls)
        for i in range(t):
            senders += s.threads[i].ncalls > 0
        k.max_sends = s.sends_each
        k.first_send = senders * s.sends_each
        k.first_barrier = s.membarriers + senders * s.sends_each
        co.python = python
        co.c.arg = k
        co.c.body = vcpu_body if k.actor == ACTOR_VCPU else task_body if k.actor == ACTOR_TASK else irq_body
        return 0

    cdef int found(self, finding *out, int n) except -1:
        cdef int i
        for i in range(n):
            self.s.needless = max(self.s.needless, out[i].needless)
        if self.on_violation is not None:
            for i in range(n):
                self.on_violation(f"P{out[i].property}", {
                    "thread": out[i].thread, "index": out[i].event, "vcpu": out[i].vcpu, "call": out[i].call, "needless": out[i].needless,
                    "other": (self.x.g.ev[out[i].other].thread, self.x.g.ev[out[i].other].index) if out[i].other >= 0 else None})
        return 0

    def graph(self):
        """The current graph."""
        return graph_view(self.x.g, self.location_names())

    def location_names(self):
        names = []
        for k, name in enumerate(CLASS_NAMES):
            names += [f"{name}{i}" for i in range(self.s.count[k])]
        return tuple(names)

    def data_races(self):
        """The data races that were met, of each its two sides: (plain or marked, read, write or rmw, location, file:line)."""
        names = self.location_names()
        return sorted({tuple([(a.order, a.kind, names[a.loc], f"{a.file}:{a.line}" if a.file else a.name) for a in pair])
                       for pair in self.races.pairs})

    def race_pairs(self):
        """The same as pairs of Access, one for each pair of events."""
        return list(self.races.pairs)

    def races_here(self):
        """The data races of the current graph: ((thread, index), (thread, index)) each, the plain side first."""
        cdef race some[64]
        cdef int i, n = min(find_races(self.x.model, self.x.g, some, 64), 64)
        cdef const event *e = self.x.g.ev
        return [((e[some[i].first].thread, e[some[i].first].index), (e[some[i].second].thread, e[some[i].second].index)) for i in range(n)]

    @property
    def watched(self):
        """What is called with each graph, or None."""
        return self.on_graph

    def watch(self, on_graph):
        """Call *on_graph* with each graph that is completed or blocked."""
        self.on_graph = on_graph
        self.s.watched = on_graph is not None

    def close(self):
        """Let the threads go. Explore no more after this."""
        for co in self.coroutines:
            co.close()
