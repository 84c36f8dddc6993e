"""Loading a compiled C file: its functions behind a capsule, its lines, and what ends a call that goes wrong.

A fault in the user's code (a wild pointer, a division by zero, abort(), a recursion without an end) is caught by a signal handler, which
jumps to the beginning of the call; faults anywhere else go to whoever handled them before.
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from minikvm.core.adapters cimport owning_capsule
from minikvm.core.world cimport MK_ABI, MK_LOOP_PUT_CLEARS_CPU, mk_loop, mk_strategy

import os as _os
import sys as _sys

from minikvm.pluginload import BeginAnew as _BeginAnew
from minikvm.pluginload import PluginError as _PluginError


cdef extern from *:
    """
    #include <minikvm/cload.h>
    """
    ctypedef struct mk_c_line "struct { const char *file; unsigned line; }":
        const char *file
        unsigned line
    ctypedef struct mk_c_frame:
        int why
        int signo
        const void *pc
        const void *address
        const void *blocks_at[8]
        mk_c_line places[8]
        uint64_t nplaces
        const char *stack_low
        const char *text
        const char *file
        unsigned line
        mk_c_plugin *self
        uint64_t blocks
        uint64_t operations
    ctypedef struct mk_c_api:
        uint32_t abi
        uint32_t size
        void (*prepare)() noexcept nogil
        int (*failed)(mk_c_frame *) except -1 nogil
        int (*place)(mk_c_plugin *, const void *, const void *, const char **, unsigned *, const char **) noexcept nogil
        int (*warned)(const char *, const char *, int) except -1 nogil
        int (*expose)(mk_c_plugin *, uint64_t) except -1 nogil
    ctypedef struct mk_c_plugin:
        mk_strategy strategy
        mk_loop loop
        const mk_c_api *api
        void *owner
        uint64_t *exposed
        uint32_t nexposed
        const char *data
        const char *data_end
        uint32_t max_operations
        uint64_t max_blocks
    ctypedef struct mk_c_library:
        uint32_t abi
        uint32_t size
        int (*begin)(mk_c_plugin *) except -1
        void (*end)(mk_c_plugin *) noexcept
    ctypedef struct mk_segment:
        const char *inside
        const char *begin
        const char *end
    enum: MK_C_LEFT_FAULT, MK_C_LEFT_BUG, MK_C_LEFT_LOOP
    enum: RTLD_NOW, RTLD_LOCAL, RTLD_GLOBAL, RTLD_NOLOAD, MFD_CLOEXEC
    void *dlopen(const char *, int)
    void *dlsym(void *, const char *)
    int dlclose(void *)
    int close(int)
    const char *dlerror()
    int memfd_create(const char *, unsigned)
    void mk_prepare() noexcept nogil
    void mk_catch_faults() noexcept nogil
    int mk_find_segment(mk_segment *) noexcept
    const char *mk_base_of(const void *) noexcept nogil

RUNTIME = b"/minikvm/csource/runtime/"
HEADERS = _os.path.join(_os.path.dirname(_os.path.dirname(__file__)), "include") + "/"

MAX_OPERATIONS = 20_000
"""Operations of one call, in one execution of a check, before it counts as a loop that never ends."""
MAX_BLOCKS = 20_000_000
"""Basic blocks of one call in a check; live, those that it may still run when the VM ends."""
SIGNALS = {11: "a wild pointer (SIGSEGV", 7: "a bad address (SIGBUS", 8: "an arithmetic fault, such as a division by zero (SIGFPE",
           4: "an illegal instruction (SIGILL", 5: "a trap, such as __builtin_trap() (SIGTRAP", 6: "abort() (SIGABRT"}


cdef int place_of(mk_c_plugin *p, const void *pc, const void *address, const char **file, unsigned *line,
                  const char **symbol) noexcept nogil:
    with gil:
        (<Library>p.owner).find(pc, address, file, line, symbol)
    return 0


cdef int failed(mk_c_frame *f) except -1 nogil:
    with gil:
        (<Library>f.self.owner).fail(f)
    return -1


cdef int warned(const char *condition, const char *file, int line) except -1 nogil:
    with gil:
        _os.write(2, f"minikvm: {file.decode(errors='replace')}:{line}: WARN_ON({condition.decode(errors='replace')})\n".encode())
    return 0


cdef int expose(mk_c_plugin *p, uint64_t word) except -1 nogil:
    with gil:
        raise Exposed(word)


class Exposed(_BeginAnew):
    """In a check, a thread has used a variable on another one's stack, or a word in pieces: from now on that is known. *word*: which."""

    def __init__(self, word):
        super().__init__(f"a variable on the stack of a C function is used by several threads, or in pieces ({word:#x})")
        self.word = word

    def __reduce__(self):
        return Exposed, (self.word,)


cdef mk_c_api API
API.abi = MK_ABI
API.size = sizeof(mk_c_api)
API.prepare = mk_prepare
API.failed = failed
API.place = place_of
API.warned = warned
API.expose = expose


@cython.final
cdef class Library:
    """One use of a compiled C file: it has variables of its own, though others use the same file. The capsule keeps it.

    file: the library; lines: a lines.Lines; name: the user's file, for messages; checked: the explorer's; arm64: a put clears vcpu.cpu;
    exposed: words of stacks that several threads use (Exposed.word), as the explorer's variables.
    OSError when it cannot be loaded, ImportError when it was built for another core.
    """

    cdef mk_c_plugin *plugin
    cdef const mk_c_library *library
    cdef void *handle
    cdef int fd
    cdef const char *base
    cdef object lines
    cdef str name
    cdef str full_name
    cdef bytes user_file
    cdef dict places   # pc -> (file, line)
    cdef dict symbols  # address -> name
    cdef list kept     # bytes that C code points to

    def __cinit__(self, str file, lines, str name, bint checked, bint arm64=False, exposed=()):
        cdef mk_segment s
        cdef uint32_t i
        self.fd = -1
        self.lines = lines
        self.name = name
        self.full_name = _os.path.realpath(name)
        self.user_file = _os.fsencode(name)
        self.places = {}
        self.symbols = {}
        self.kept = []
        self.open(file)
        self.plugin = <mk_c_plugin *>calloc(1, sizeof(mk_c_plugin))
        if self.plugin == NULL:
            raise MemoryError
        self.plugin.api = &API
        self.plugin.owner = <void *>self
        self.plugin.max_operations = MAX_OPERATIONS
        self.plugin.max_blocks = MAX_BLOCKS if checked else MAX_BLOCKS // 10
        s.inside = <const char *>self.library
        if mk_find_segment(&s):
            self.plugin.data = s.begin
            self.plugin.data_end = s.end
        self.base = mk_base_of(self.library)
        self.library.begin(self.plugin)
        if arm64:
            self.plugin.loop.flags = MK_LOOP_PUT_CLEARS_CPU
        self.plugin.exposed = <uint64_t *>calloc(len(exposed) + 1, sizeof(uint64_t))
        if self.plugin.exposed == NULL:
            raise MemoryError
        for i, word in enumerate(exposed):
            self.plugin.exposed[i] = word
        self.plugin.nexposed = len(exposed)
        mk_catch_faults()

    cdef int open(self, str file) except -1:
        """A copy of the file that nobody else has loaded: two uses must not share variables."""
        cdef int fd = memfd_create(b"minikvm-c", MFD_CLOEXEC)
        path = file
        self.fd = fd  # stays open: dlopen() knows a library that is there by its path, which must not be another one's
        if fd >= 0:
            with open(file, "rb") as source, open(fd, "wb", closefd=False) as copy:
                copy.write(source.read())
            path = f"/proc/self/fd/{fd}"
        # This module's variables of a thread are for the libraries, too.
        dlopen(_os.fsencode(_sys.modules[__name__].__file__), RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD)
        self.handle = dlopen(_os.fsencode(path), RTLD_NOW | RTLD_LOCAL)
        if self.handle == NULL:
            raise OSError(f"{self.name}: its library {file} cannot be loaded: {dlerror().decode(errors='replace')}")
        self.library = <const mk_c_library *>dlsym(self.handle, b"mk_c_entry")
        if self.library == NULL or self.library.abi != MK_ABI or self.library.size != sizeof(mk_c_library):
            raise ImportError(f"{self.name}: its library was built for another core: remove the cache of compiled C files")
        return 0

    def __dealloc__(self):
        if self.plugin != NULL:
            self.library.end(self.plugin)
            free(self.plugin.exposed)
            free(self.plugin)
        if self.handle != NULL:
            dlclose(self.handle)
        if self.fd >= 0:
            close(self.fd)

    def capsule(self, kind):
        """The capsule of its mk_strategy or mk_loop (*kind*: "strategy", "loop"), which keeps this object."""
        if kind == "strategy":
            return owning_capsule(self, &self.plugin.strategy, b"minikvm.strategy")
        return owning_capsule(self, &self.plugin.loop, b"minikvm.loop")

    cdef tuple line_of(self, const void *pc):
        """(file as bytes that stay, line) of the code before a return address."""
        key = <uintptr_t>pc
        found = self.places.get(key)
        if found is None:
            at = self.lines.at(<uintptr_t>pc - <uintptr_t>self.base - 1)
            if at is None:
                found = (b"?", 0)
            else:
                found = (_os.fsencode(self.name if at[0] == self.full_name else at[0].removeprefix(HEADERS)), at[1])
            self.places[key] = found
        return found

    cdef int find(self, const void *pc, const void *address, const char **file, unsigned *line, const char **symbol) except -1:
        at = self.line_of(pc)
        file[0] = <bytes>at[0]
        line[0] = at[1]
        symbol[0] = NULL
        if self.plugin.data <= <const char *>address < self.plugin.data_end:
            key = <uintptr_t>address
            name = self.symbols.get(key)
            if name is None:
                name = self.symbols[key] = (self.lines.variable(<uintptr_t>address - <uintptr_t>self.base) or "memory").encode()
            symbol[0] = <bytes>name
        return 0

    cdef str place_of_frame(self, mk_c_frame *f):
        """file:line of what went wrong: of the instruction, or, where that is in a header or in the runtime, of the user's last block."""
        cdef uint64_t i
        cdef const char *at_file
        where, line = self.line_of(<const char *>f.pc + 1) if f.pc != NULL else (b"?", 0)
        if where != self.user_file:
            for i in range(min(f.blocks, 8)):
                at = self.line_of(f.blocks_at[(f.blocks - 1 - i) % 8])
                if at[0] == self.user_file:
                    return f"{self.name}:{at[1]}"
            for i in range(min(f.nplaces, 8)):
                at_file = f.places[(f.nplaces - 1 - i) % 8].file
                if at_file != NULL and <bytes>at_file == self.user_file:
                    return f"{self.name}:{f.places[(f.nplaces - 1 - i) % 8].line}"
            before = self.lines.before(<uintptr_t>f.pc - <uintptr_t>self.base, self.full_name) if f.pc != NULL else 0
            if before:
                return f"{self.name}:{before}"
        return f"{where.decode(errors='replace')}:{line}" if line and RUNTIME not in where else self.name

    cdef int fail(self, mk_c_frame *f) except -1:
        """Raise what ended a call: PluginError, with the user's line."""
        if f.why == MK_C_LEFT_BUG:
            if f.file == NULL:
                raise _PluginError(f"{self.name}: {f.text.decode()}", self.name)
            raise _PluginError(f"{f.file.decode(errors='replace')}:{f.line}: {f.text.decode(errors='replace')}", self.name)
        place = self.place_of_frame(f)
        if f.why == MK_C_LEFT_FAULT:
            if f.signo == 11 and f.stack_low != NULL and f.stack_low - 65536 <= <const char *>f.address < f.stack_low + 8192:
                what = "the stack overflows: a recursion without an end, or large local variables, in the C code"
                raise _PluginError(f"{place}: {what}", self.name)
            address = f", address {<uintptr_t>f.address:#x})" if f.signo in (11, 7) else ")"
            raise _PluginError(f"{place}: {SIGNALS.get(f.signo, f'a fault (signal {f.signo}')}{address} in the C code", self.name)
        if f.operations > self.plugin.max_operations or f.blocks > self.plugin.max_blocks:
            did = f"{f.operations:,} operations" if f.operations > self.plugin.max_operations else f"{f.blocks:,} basic blocks"
            raise _PluginError(
                f"{place}: a loop that does not end: after {did} in one call of one execution. To wait for another thread, use "
                "smp_cond_load_acquire(), which the explorer understands", self.name)
        raise _PluginError(f"{place}: a loop that does not end: two seconds in one call, and nothing was done", self.name)
