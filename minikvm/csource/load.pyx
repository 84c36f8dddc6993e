"""Loading a compiled C file: its functions behind a capsule, its lines, and what ends a call that goes wrong.

A fault in the user's code (a wild pointer, a division by zero, abort(), a recursion without an end) is caught by a signal handler, which jumps to the
beginning of the call; faults anywhere else go to whoever handled them before.
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport close
from minikvm.core.adapters cimport owning_capsule
from minikvm.core.world cimport MK_ABI, MK_LOOP_PUT_CLEARS_CPU, mk_loop, mk_strategy

import os as _os

from minikvm.pluginload import PluginError as _PluginError


cdef extern from *:
    """
    #include <dlfcn.h>
    #include <link.h>
    #include <pthread.h>
    #include <signal.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <ucontext.h>
    #include <unistd.h>
    #include "minikvm/cplug.h"

    /* For every library that is loaded: kernel/watch.h. */
    __thread mk_ctx *mk_c_current __attribute__((visibility("default"), tls_model("initial-exec")));
    __thread int mk_c_failed __attribute__((visibility("default"), tls_model("initial-exec")));
    static __thread struct mk_c_frame *mk_frame_of_thread;
    static struct mk_c_frame **mk_frame_cell(void)
    {
        return &mk_frame_of_thread;
    }

    /* ---- faults ---- */

    #define MK_FAULTS 5
    static const int mk_fault_numbers[MK_FAULTS] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    static struct sigaction mk_faults_before[MK_FAULTS];

    static void mk_fault(int number, siginfo_t *info, void *context)
    {
        struct mk_c_frame *f = mk_frame_of_thread;
        int i;
        if (f != NULL) {
            ucontext_t *uc = context;
            mk_frame_of_thread = NULL;
            f->signo = number;
            f->address = info->si_addr;
    #if defined(__x86_64__)
            f->pc = (const void *)uc->uc_mcontext.gregs[16]; /* REG_RIP */
    #elif defined(__aarch64__)
            f->pc = (const void *)uc->uc_mcontext.pc;
    #endif
            f->why = MK_C_LEFT_FAULT;
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
    static void mk_catch_faults(void)
    {
        struct sigaction now, ours;
        int i;
        memset(&ours, 0, sizeof(ours));
        ours.sa_sigaction = mk_fault;
        ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
        sigemptyset(&ours.sa_mask);
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
    static void mk_make_stack_key(void) { pthread_key_create(&mk_stack_key, mk_drop_stack); }
    static __thread int mk_has_stack;
    static struct mk_c_frame **mk_cell_with_stack(void)
    {
        if (mk_unlikely(!mk_has_stack)) {
            stack_t now;
            mk_has_stack = 1;
            pthread_once(&mk_stack_once, mk_make_stack_key);
            if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE)) {
                memset(&now, 0, sizeof(now));
                now.ss_size = MK_SIGNAL_STACK;
                now.ss_sp = mmap(NULL, MK_SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                if (now.ss_sp != MAP_FAILED) {
                    sigaltstack(&now, NULL);
                    pthread_setspecific(mk_stack_key, now.ss_sp);
                }
            }
        }
        return mk_frame_cell();
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
    /* Libraries that are loaded later find the two variables above. */
    static int mk_show_variables(void)
    {
        Dl_info info;
        return dladdr((void *)mk_frame_cell, &info) && dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) != NULL;
    }
    static const char *mk_base_of(const void *p)
    {
        Dl_info info;
        return dladdr(p, &info) ? info.dli_fbase : NULL;
    }
    """
    ctypedef struct mk_c_frame:
        int why
        int signo
        const void *pc
        const void *address
        const char *text
        const char *file
        unsigned line
        mk_c_plugin *self
        uint64_t blocks
        uint64_t operations
    ctypedef struct mk_c_api:
        uint32_t abi
        uint32_t size
        mk_c_frame **(*cell)() noexcept nogil
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
    enum: RTLD_NOW, RTLD_LOCAL, MFD_CLOEXEC
    void *dlopen(const char *, int)
    void *dlsym(void *, const char *)
    int dlclose(void *)
    const char *dlerror()
    int memfd_create(const char *, unsigned)
    int dl_iterate_phdr(int (*)(void *, size_t, void *), void *)
    mk_c_frame **mk_cell_with_stack() noexcept nogil
    void mk_catch_faults() noexcept nogil
    int mk_find_segment "mk_find_segment"(mk_segment *) noexcept
    const char *mk_base_of(const void *) noexcept nogil
    bint mk_show_variables() noexcept

cdef extern from *:
    """
    static int mk_find_segment(struct mk_segment *s) { return dl_iterate_phdr(mk_look_at, s); }
    """

if not mk_show_variables():
    raise ImportError(f"minikvm.csource.load: {dlerror().decode(errors='replace')}")
MAX_OPERATIONS = 20_000
"""Operations of one call, in one execution of a check, before it counts as a loop that never ends."""
MAX_BLOCKS = 20_000_000
"""Basic blocks of one call in a check; live, those that it may still run when the VM ends."""
SIGNALS = {11: "a wild pointer (SIGSEGV", 7: "a bad address (SIGBUS", 8: "an arithmetic fault, such as a division by zero (SIGFPE",
           4: "an illegal instruction (SIGILL", 6: "abort() (SIGABRT"}


cdef int place_of(mk_c_plugin *p, const void *pc, const void *address, const char **file, unsigned *line, const char **symbol) noexcept nogil:
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


class Exposed(Exception):
    """In a check, a thread has used a variable on another one's stack: from now on it is a variable of the explorer's. Begin anew."""

    def __init__(self, word):
        super().__init__(f"the word at {word:#x} of a stack is used by another thread")
        self.word = word


cdef mk_c_api API
API.abi = MK_ABI
API.size = sizeof(mk_c_api)
API.cell = mk_cell_with_stack
API.failed = failed
API.place = place_of
API.warned = warned
API.expose = expose


@cython.final
cdef class Library:
    """One use of a compiled C file: it has variables of its own, though others use the same file. The capsule keeps it.

    file: the library; lines: a lines.Lines; name: the user's file, for messages; checked: it is the explorer's; arm64: a put clears vcpu.cpu.
    OSError when it cannot be loaded, ImportError when it was built for another core.
    """

    cdef mk_c_plugin *plugin
    cdef const mk_c_library *library
    cdef void *handle
    cdef int fd        # of the copy; open as long as it is loaded, as dlopen() tells libraries apart by the number in their path
    cdef const char *base
    cdef object lines
    cdef str name
    cdef dict places   # pc -> (file, line)
    cdef dict symbols  # address -> name
    cdef list kept     # bytes that C code points to

    def __cinit__(self, str file, lines, str name, bint checked, bint arm64=False):
        cdef mk_segment s
        self.fd = -1
        self.lines = lines
        self.name = name
        self.places = {}
        self.symbols = {}
        self.kept = []
        self.open(file)
        self.plugin = <mk_c_plugin *>calloc(1, self.plugin_size())
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
        mk_catch_faults()

    cdef size_t plugin_size(self):
        return sizeof(mk_c_plugin)

    cdef int open(self, str file) except -1:
        """A copy of the file that nobody else has loaded: two uses must not share variables."""
        self.fd = memfd_create(b"minikvm-c", MFD_CLOEXEC)
        path = file
        if self.fd >= 0:
            with open(file, "rb") as source, open(self.fd, "wb", closefd=False) as copy:
                copy.write(source.read())
            path = f"/proc/self/fd/{self.fd}"
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
            found = self.places[key] = (b"?", 0) if at is None else (_os.fsencode(at[0]), at[1])
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

    cdef int fail(self, mk_c_frame *f) except -1:
        """Raise what ended a call: PluginError, with the user's line."""
        if f.why == MK_C_LEFT_BUG:
            if f.file == NULL:
                raise _PluginError(f"{self.name}: {f.text.decode()}", self.name)
            raise _PluginError(f"{f.file.decode(errors='replace')}:{f.line}: {f.text.decode(errors='replace')}", self.name)
        where, line = self.line_of(<const char *>f.pc + 1) if f.pc != NULL else (b"?", 0)
        place = f"{where.decode(errors='replace')}:{line}" if line else self.name
        if f.why == MK_C_LEFT_FAULT:
            address = f", address {<uintptr_t>f.address:#x})" if f.signo in (11, 7) else ")"
            raise _PluginError(f"{place}: {SIGNALS.get(f.signo, f'a fault (signal {f.signo}')}{address} in the C code", self.name)
        did = f"{f.operations} operations" if f.operations > self.plugin.max_operations else f"{f.blocks} basic blocks"
        raise _PluginError(
            f"{place}: a loop that does not end: after {did} in one call of one execution. Wait for another thread with smp_cond_load_acquire(), "
            "which the explorer understands", self.name)
