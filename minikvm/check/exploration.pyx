"""An exploration of a program of rows and functions: compiles the rows, runs the explorer, counts outcomes."""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from minikvm.check.explorer cimport explorer_free, explorer_new, mk_explorer, mk_program
from minikvm.check.graph cimport INIT, co_last, mk_graph
from minikvm.check.model cimport model_from
from minikvm.check.outcomes cimport outcome_table, outcomes_add, outcomes_as_counter, outcomes_free, outcomes_packed, outcomes_unpack
from minikvm.check.races cimport RaceLog, may_race_anew
from minikvm.check.rowcode cimport compile_rows, constant
from minikvm.check.rows cimport NOTE_ASSERT, row_thread, run_rows
from minikvm.check.steering cimport Steered
from minikvm.check.threads cimport Operations
from minikvm.check.view cimport graph_view

from base64 import b64decode, b64encode

from minikvm.check.modelload import model_object
from minikvm.check.parser import ProgramError
from minikvm.check.program import Race, Result, groups_of
from minikvm.check.pymodel import capsule_of


cdef enum:
    MAX_OBSERVED = 64


cdef int run_thread(mk_program *p, mk_explorer *x, int32_t t) except -1 nogil:
    cdef row_thread *th = (<row_thread **>p.self)[t]
    if th != NULL:
        return run_rows(th, x, t)
    with gil:
        return (<Operations>(<Exploration>x.owner).functions[t]).run(x, t)


cdef int complete(mk_program *p, mk_explorer *x, bint blocked) except -1 nogil:
    with gil:
        return (<Exploration>x.owner).completed(blocked)


cdef int count_outcome(mk_program *p, mk_explorer *x, bint blocked) except -1 nogil:
    return outcome_of(<observer *>x.priv, p, x, blocked)


cdef struct observer:
    int32_t n
    int32_t thread[MAX_OBSERVED]  # -1: a location
    int32_t place[MAX_OBSERVED]
    outcome_table table


cdef int outcome_of(observer *o, mk_program *p, mk_explorer *x, bint blocked) except -1 nogil:
    cdef uint64_t values[MAX_OBSERVED]
    cdef int32_t i, t, w
    cdef row_thread *th
    cdef mk_graph *g = x.g
    if blocked:
        return 0
    for i in range(o.n):
        t = o.thread[i]
        if t < 0:
            w = co_last(g, o.place[i])
            values[i] = g.loc[o.place[i]].init if w == INIT else g.ev[w].wval
            continue
        if not g.th[t].created:
            values[i] = 0  # to run it would add its events
            continue
        th = (<row_thread **>p.self)[t]
        run_rows(th, x, t)  # its registers may be of another execution: at most a replay
        values[i] = th.regs[o.place[i]]
    return outcomes_add(&o.table, values, 1)


cdef str place_of(access):
    return f"line {access.line}" if access.line else f"statement {access.index}"


cdef class Exploration(Steered):
    """One exploration. *model* is a name or a MemoryModel."""

    cdef mk_program program
    cdef observer watched
    cdef row_thread **threads
    cdef int32_t nthreads
    cdef object model, capsule, source, on_execution
    cdef tuple names, loc_names
    cdef dict errors, functions
    cdef bint count_outcomes, has_asserts
    cdef set merged_races  # of other processes
    cdef RaceLog races  # None: not looked for, or there is no plain access

    def __cinit__(self):
        self.threads = NULL

    def __init__(self, program, model, *, on_execution=None, outcomes=True, races=True, symmetry=False):
        cdef uint64_t *init
        cdef int32_t i
        self.source = program
        self.model = model_object(model)
        self.capsule = capsule_of(self.model, program.locations())
        self.on_execution = on_execution
        self.errors = {}
        self.merged_races = set()
        self.functions = {}
        self.loc_names = tuple(program.locations())
        self.nthreads = len(program.threads)
        if not self.nthreads:
            raise ProgramError("a program needs a thread")
        self.threads = <row_thread **>calloc(self.nthreads, sizeof(row_thread *))
        init = <uint64_t *>calloc(max(len(self.loc_names), 1), sizeof(uint64_t))
        if self.threads == NULL or init == NULL:
            raise MemoryError
        self.program.run = run_thread
        self.program.self = self.threads
        try:
            for i in range(len(self.loc_names)):
                init[i] = constant(program.init.get(self.loc_names[i], 0), self.loc_names)
            self.x = explorer_new(model_from(self.capsule), &self.program, self.nthreads, len(self.loc_names), init)
        finally:
            free(init)
        self.x.owner = <void *>self
        self.x.priv = &self.watched
        registers = {}
        for i in range(self.nthreads):
            if callable(program.threads[i]):
                locations = {name: at for at, name in enumerate(self.loc_names)}
                self.functions[i] = Operations(program.threads[i], locations, program.order)
                self.has_asserts = True
            else:
                self.threads[i] = compile_rows(program.threads[i], i, registers.setdefault(i, {}), self.loc_names, self.x)
                self.has_asserts = self.has_asserts or any(row.op == "ASSERT" for row in program.threads[i])
        if symmetry:
            self.x.group = <int32_t *>malloc(self.nthreads * sizeof(int32_t))
            if self.x.group == NULL:
                raise MemoryError
            for i, group in enumerate(groups_of(program, symmetry)):
                self.x.group[i] = group
        if races and program.has_plain():
            self.races = RaceLog()
        self.python = bool(self.functions)  # greenlets are switched with the GIL held
        self.observe(program, registers, outcomes)

    def __dealloc__(self):
        cdef int32_t i
        explorer_free(self.x)
        for i in range(self.nthreads if self.threads != NULL else 0):
            if self.threads[i] != NULL:
                free(self.threads[i].rows)
                free(self.threads[i])
        free(self.threads)
        outcomes_free(&self.watched.table)

    cdef int observe(self, program, dict registers, bint outcomes) except -1:
        observables = program.observables() if outcomes else []
        if len(observables) > MAX_OBSERVED:
            raise ProgramError(f"{len(observables)} values are observed; at most {MAX_OBSERVED} are possible: name those that matter")
        self.names = tuple([shown for shown, _, _ in observables])
        self.watched.n = len(observables)
        self.watched.table.width = len(observables)
        for i, (_, thread, name) in enumerate(observables):
            self.watched.thread[i] = thread
            self.watched.place[i] = self.loc_names.index(name) if thread < 0 else registers[thread][name]
        self.count_outcomes = outcomes
        self.choose_complete()
        return 0

    cdef int choose_complete(self) except -1:
        if self.on_execution is not None or self.has_asserts or self.races is not None:
            self.program.complete = complete
        elif self.count_outcomes:
            self.program.complete = count_outcome
        else:
            self.program.complete = NULL
        return 0

    cdef int completed(self, bint blocked) except -1:
        cdef mk_graph *g = self.x.g
        cdef int32_t t, i
        if self.count_outcomes:
            outcome_of(&self.watched, &self.program, self.x, blocked)
        for t in range(self.nthreads):
            for i in range(g.th[t].nnotes):
                if g.th[t].notes[i].kind == NOTE_ASSERT:
                    key = f"thread {t}, statement {g.th[t].notes[i].subject}: the value was {g.th[t].notes[i].a}"
                    self.errors[key] = self.errors.get(key, 0) + 1
        if self.races is not None and not blocked and may_race_anew(&self.races.keys, g, 0, 0):
            self.races.look(self.x.model, g)
        if self.on_execution is not None:
            self.on_execution(graph_view(g, self.loc_names))
        return 0

    def races_found(self):
        return [Race(*found) for found in sorted(self.named_races())]

    cdef set named_races(self):
        """The races as (the plain access, the other one, location)."""
        cdef set found = set(self.merged_races)
        for pair in self.races.pairs if self.races is not None else ():
            sides = [f"thread {a.thread}, {place_of(a)}: {a.order} {a.kind}" for a in pair]
            found.add((sides[0], sides[1], self.loc_names[pair[0].loc]))
        return found

    def close(self):
        """Let the threads that are functions go. Explore no more after this."""
        for operations in self.functions.values():
            (<Operations>operations).coroutine.close()

    @property
    def model_name(self):
        """The memory model's."""
        return self.model.name

    @property
    def watched(self):
        """What is called with each graph, or None."""
        return self.on_execution

    # ---- what was found ----

    def found(self):
        """Everything that was found so far, as plain data that merge() takes."""
        outcomes = b64encode(outcomes_packed(&self.watched.table)).decode()
        return {**Steered.found(self), "errors": dict(self.errors), "outcomes": outcomes,
                "races": [list(found) for found in sorted(self.named_races())]}

    def merge(self, found):
        """Add what another exploration of the same program found. ValueError for another program's."""
        cdef bytes outcomes = b64decode(found["outcomes"], validate=True)
        outcomes_unpack(&self.watched.table, <const uint8_t *><const char *>outcomes, len(outcomes))
        self.merged_races.update(map(tuple, found["races"]))
        for key, n in found["errors"].items():
            self.errors[key] = self.errors.get(key, 0) + n
        Steered.merge(self, found)

    def forget(self):
        """Begin to count anew."""
        Steered.forget(self)
        self.errors.clear()
        self.merged_races.clear()
        if self.races is not None:
            self.races = RaceLog()
        outcomes_free(&self.watched.table)
        self.watched.table.n = self.watched.table.capacity = 0

    def watch(self, on_execution):
        """Call this with the Graph of each complete or blocked execution."""
        self.on_execution = on_execution
        self.choose_complete()

    def result(self):
        """What was found as a Result."""
        return Result(
            program=self.source.name, model=self.model.name, executions=self.x.executions, blocked=self.x.blocked,
            discarded=self.x.discarded, exhausted=bool(self.ended), names=self.names,
            outcomes=outcomes_as_counter(&self.watched.table), errors=dict(self.errors), races=self.races_found(),
        )
