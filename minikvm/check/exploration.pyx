"""An exploration of a program of rows and functions: compiles the rows, runs the explorer, counts outcomes."""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from minikvm.check.explorer cimport OP_LOCK, explorer_free, explorer_new, mk_explorer, mk_program
from minikvm.check.graph cimport (
    EF_AWAIT, EF_CREATE, EF_MUST, EF_NORETURN, EF_RMW, EV_CHOOSE, EV_FENCE, EV_READ, EV_SYNC, EV_WRITE, INIT, co_last, event, mk_graph)
from minikvm.check.model cimport model_from
from minikvm.check.outcomes cimport outcome_table, outcomes_add, outcomes_as_counter, outcomes_free, outcomes_packed, outcomes_unpack
from minikvm.check.races cimport RaceLog, may_race_anew
from minikvm.check.rows cimport (
    NOTE_ASSERT, ROW_ASSERT, ROW_CALC, ROW_EVENT, ROW_GOTO, ROW_IF, ROW_JOIN, ROW_REGISTERS, ROW_SET, row, row_thread, run_rows)
from minikvm.check.steering cimport Steered
from minikvm.check.threads cimport Operations
from minikvm.check.view cimport graph_view

from base64 import b64decode, b64encode

from minikvm.check.modelload import model_object
from minikvm.check.parser import AWAITS, FENCES, ORDERS, RMW_OPS, ProgramError
from minikvm.check.program import Race, Result, groups_of
from minikvm.check.pymodel import capsule_of
from minikvm.check.rows import CONDITIONS

SIMPLE = {"SET": ROW_SET, "CALC": ROW_CALC, "IF": ROW_IF, "GOTO": ROW_GOTO, "ASSERT": ROW_ASSERT, "JOIN": ROW_JOIN}


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
                init[i] = program.init.get(self.loc_names[i], 0)
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
                self.compile(i, program.threads[i], registers)
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
            sides = [f"thread {a.thread}, statement {a.index}: {a.order} {a.kind}" for a in pair]
            found.add((sides[0], sides[1], self.loc_names[pair[0].loc]))
        return found

    cdef int compile(self, int32_t t, list rows, dict registers) except -1:
        """The rows of a thread in C."""
        cdef row_thread *th
        cdef row *r
        cdef int32_t n = 0
        regs = registers.setdefault(t, {})
        labels = {}
        for source in rows:
            if source.op == "LABEL":
                if source.label in labels:
                    raise ProgramError(f"thread {t}: the label {source.label} is there twice")
                labels[source.label] = n
            else:
                n += 1
        th = <row_thread *>calloc(1, sizeof(row_thread))
        if th == NULL:
            raise MemoryError
        self.threads[t] = th
        th.rows = <row *>calloc(max(n, 1), sizeof(row))
        if th.rows == NULL:
            raise MemoryError
        th.n = n
        n = 0
        for source in rows:
            if source.op == "LABEL":
                continue
            r = &th.rows[n]
            n += 1
            self.compile_row(r, source, t, regs, labels)
        return 0

    cdef int32_t register(self, name, dict regs, int32_t t) except -2:
        """The register's number; -1 for none."""
        if name is None:
            return -1
        if name not in regs:
            if len(regs) >= ROW_REGISTERS:
                raise ProgramError(f"thread {t} has more than {ROW_REGISTERS} registers")
            regs[name] = len(regs)
        return regs[name]

    cdef int compile_row(self, row *r, source, int32_t t, dict regs, dict labels) except -1:
        cdef event *e = &r.proto
        r.a_reg = -1
        r.b_reg = -1
        for value in (source.a, source.b):
            if isinstance(value, str) and value not in regs:
                raise ProgramError(f"thread {t}: the register {value} is used before it has a value")
        if isinstance(source.a, str):
            r.a_reg = self.register(source.a, regs, t)
        else:
            r.a_imm = <uint64_t>(source.a & (2**64 - 1))
        if isinstance(source.b, str):
            r.b_reg = self.register(source.b, regs, t)
        else:
            r.b_imm = <uint64_t>(source.b & (2**64 - 1))
        for kind, names in source.deps.items():
            mask = 0
            for name in names:
                if name not in regs:
                    raise ProgramError(f"thread {t}: {kind}={name} names a register that has no value yet")
                mask |= 1 << <int>regs[name]
            if kind == "addr":
                r.addr_regs = mask
            elif kind == "data":
                r.data_regs = mask
            else:
                r.ctrl_regs = mask
        r.reg = self.register(source.reg, regs, t)
        r.patch = r.a_reg >= 0 or r.b_reg >= 0 or bool(source.deps)
        if source.op in SIMPLE:
            r.op = SIMPLE[source.op]
            r.cond = CONDITIONS[source.cond] if source.cond else 0
            if source.op in ("IF", "GOTO"):
                if source.label not in labels:
                    raise ProgramError(f"thread {t}: there is no label {source.label}")
                r.target = labels[source.label]
            if source.op == "ASSERT":
                self.has_asserts = True
            return 0
        return self.compile_event(r, e, source, t)

    cdef int compile_event(self, row *r, event *e, source, int32_t t) except -1:
        r.op = ROW_EVENT
        e.loc = self.loc_names.index(source.loc) if source.loc is not None else -1
        e.wval = r.a_imm
        if source.op in ("R", "W"):
            e.kind = EV_READ if source.op == "R" else EV_WRITE
            e.order = ORDERS[source.order]
            e.name = b"read" if source.op == "R" else b"write"
        elif source.op == "F":
            e.kind = EV_FENCE
            e.op = FENCES[source.order]
            e.name = b"fence"
        elif source.op in RMW_OPS:
            e.kind = EV_READ
            e.flags = EF_RMW | (EF_NORETURN if source.reg is None and source.op != "CAS" else 0)
            e.op = RMW_OPS[source.op]
            e.order = ORDERS[source.order]
            e.operand = r.a_imm
            e.expected = r.b_imm
            e.name = b"rmw"
        elif source.op == "AWAIT":
            e.kind = EV_READ
            e.flags = EF_AWAIT | (EF_MUST if source.must else 0)
            e.op = AWAITS[source.cond]
            e.order = ORDERS[source.order]
            e.operand = r.a_imm
            e.name = b"await"
        elif source.op == "LOCK":
            e.kind = EV_READ
            e.flags = EF_AWAIT | EF_MUST | EF_RMW
            e.op = OP_LOCK
            e.order = ORDERS["acquire"]
            e.name = b"lock"
        elif source.op == "UNLOCK":
            e.kind = EV_WRITE
            e.order = ORDERS["release"]
            e.name = b"unlock"
        elif source.op == "CHOOSE":
            e.kind = EV_CHOOSE
            e.operand = r.a_imm
            e.name = b"choose"
        else:
            e.kind = EV_SYNC
            e.flags = EF_CREATE
            e.operand = r.a_imm
            e.name = b"spawn"
            if not 0 <= source.a < self.nthreads or source.a == t:
                raise ProgramError(f"thread {t} cannot spawn thread {source.a}: there are threads 0 to {self.nthreads - 1}")
            self.x.root.th[source.a].created = 0
        return 0

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
