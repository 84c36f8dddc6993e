"""Compiling a C file: with the system's compiler, into the user's cache, once for each content, compiler and minikvm."""

from __future__ import annotations

import difflib
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import minikvm
from minikvm.csource import lines, objects
from minikvm.csource.forms import Source, read_source
from minikvm.csource.names import known_names
from minikvm.csource.objects import INCLUDE, RUNTIME
from minikvm.pluginload import BadSource

MAX_BYTES = 1 << 20
SECONDS = 120
COMMON = (
    "-std=gnu11",
    "-g",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-strict-aliasing",
    "-fno-common",
    "-fwrapv",
    "-U_FORTIFY_SOURCE",
    "-fno-stack-protector",
    "-fno-omit-frame-pointer",
    "-fdiagnostics-color=never",
)
USERS = (
    "-Wall",
    "-Wno-unused-function",
    "-Wno-unused-value",
    "-Wno-unused-variable",
    "-Wno-sign-compare",
    "-Wno-unknown-warning-option",
    "-Werror=implicit-function-declaration",
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
)
BLOCKS = ("-fsanitize-coverage=trace-pc",)
PLAIN = ("-fsanitize=thread",)
# Else a volatile access looks like a plain one.
VOLATILE = {"gcc": ("--param", "tsan-distinguish-volatile=1"), "clang": ("-mllvm", "-tsan-distinguish-volatile=1")}
# clang leaves the read of `x += 1` out, since the write's race is the same one; but the explorer has to give the value.
READ_FIRST = {"gcc": (), "clang": ("-mllvm", "-tsan-instrument-read-before-write=1")}
# A loop that waits by spinning, and does not end, is to be found out: clang would take it for one that does nothing.
ENDLESS = {"gcc": (), "clang": ("-fno-finite-loops",)}
# What writes and reads in bulk stays a call, or becomes one, and the call is one of ours (runtime/copies.c).
BULK = ("memset", "memcpy", "memmove", "memcmp")
OURS = tuple(f"--redefine-sym={name}=__tsan_{name}" for name in BULK)
CALLS = tuple(f"-fno-builtin-{name}" for name in BULK)
# In a check, also: what clang's instrumentation leaves out of accesses of the stack (runtime/plain.c).
STACK = {"gcc": (), "clang": ("-fsanitize-coverage=trace-loads,trace-stores",)}
STACK_TRACED = "-DMK_C_OWN_STACK_TRACED"
NOT_SAID = re.compile(r"In file included from .*unit\.c|\s+from .*unit\.c|cc1: |At top level:$|\d+ (?:warning|error)s?\b.* generated\.$")
"""Lines of compilers' messages that tell a user nothing."""
FROM_LOADER = "mk_c_thread"
"""The one symbol that a library gets when it is loaded, of minikvm.csource.load."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler: its command, and what it says of its version."""

    command: tuple[str, ...]
    version: str

    @property
    def family(self) -> str:
        """Whose flags it has: "gcc" or "clang"."""
        return "clang" if "clang" in self.version else "gcc"

    @property
    def inline(self) -> tuple[str, ...]:
        """The flags that put a helper of one target into the walk, though it has two callers: as by hand."""
        if self.family == "clang":
            return ("-mllvm", "-inline-threshold=2000")
        return (
            "-fomit-frame-pointer",
            "--param",
            "max-inline-insns-auto=400",
            "--param",
            "max-inline-insns-single=1000",
            "--param",
            "inline-unit-growth=400",
        )

    @property
    def watched(self) -> tuple[str, ...]:
        """The flags that put calls of the runtime before accesses, plain and volatile ones, and at each basic block."""
        return (*PLAIN, *VOLATILE[self.family], *READ_FIRST[self.family], *ENDLESS[self.family], *BLOCKS)


@dataclass(frozen=True)
class Built:
    """A library on disk, and the lines of its code."""

    library: Path
    lines: lines.Lines


def find_compiler() -> Compiler:
    """$CC, else cc, gcc or clang. BadSource says what to install."""
    asked = os.environ.get("CC", "").split()
    for command in [asked] if asked else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]) is not None:
            return Compiler(tuple(command), _version(tuple(command)))
    if asked:
        raise BadSource(f"the C compiler {asked[0]} ($CC) is not there; expected a command such as gcc")
    raise BadSource(
        "no C compiler is there (cc, gcc, clang), and a strategy in C needs one: install gcc (Debian, Fedora: the package gcc), or set $CC"
    )


@functools.cache
def _version(command: tuple[str, ...]) -> str:
    said = _run([*command, "--version"])
    if said.returncode != 0:
        raise BadSource(f"{command[0]} --version failed: {said.stderr.strip() or said.stdout.strip()}; expected a C compiler")
    return said.stdout.partition("\n")[0]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise BadSource(f"{command[0]} has not finished after {SECONDS} s") from None
    except OSError as error:
        raise BadSource(f"{command[0]} cannot be run: {error.strerror}; expected a C compiler") from None


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/minikvm/c, ~/.cache/minikvm/c; where neither can be written, a folder of this process."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "minikvm" / "c"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(_own_folder())


@functools.cache
def _own_folder() -> str:
    return tempfile.mkdtemp(prefix="minikvm-c-")


def read_text(path: Path, name: str) -> str:
    """The file's text. BadSource for what is none."""
    try:
        if not path.is_file():
            raise BadSource(f"{name}: {'this is a folder' if path.is_dir() else 'there is no such file'}; expected a C file")
        raw = path.read_bytes()
    except OSError as error:
        raise BadSource(f"{name}: it cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise BadSource(f"{name}: {len(raw)} bytes; expected at most 1 MiB")
    if b"\0" in raw:
        raise BadSource(f"{name}: this is a binary file; expected C")
    return raw.decode("utf-8", "replace")


def build(path: Path, kind: str, *, checked: bool, name: str | None = None) -> Built:
    """The library of a file, for runs and benchmarks or (*checked*) for the explorer. *name*: how messages call the file. BadSource."""
    shown = name or str(path)
    text = read_text(path, shown)
    source = read_source(text, shown, kind)
    compiler = find_compiler()
    whole = f'#include <minikvm/kernel.h>\n#include "{path.resolve()}"\n#include <minikvm/kernel/entry.h>\n'
    defines = [f"-D{name}" for name in source.defines]
    with tempfile.TemporaryDirectory(prefix="minikvm-c-") as work:
        unit = Path(work) / "unit.c"
        unit.write_text(whole)
        stand_in(Path(work), text)
        # What __FILE__ says is how the user named the file.
        names = [f"-fmacro-prefix-map={path.resolve()}={shown}", f"-fmacro-prefix-map={INCLUDE}/="]
        flags = [*COMMON, *USERS, *names, *defines, f"-I{INCLUDE}", f"-I{path.resolve().parent}", f"-I{work}"]
        expanded = _run([*compiler.command, "-E", *flags, "-DMK_C_WATCHED=1", *(["-DMK_C_CHECKED"] if checked else []), str(unit)])
        if expanded.returncode != 0:
            raise BadSource(explained(expanded.stderr, path, shown))
        target = cache_folder() / key_of(expanded.stdout, compiler, source, checked)
        if not (target / "lines.json").exists():
            compile_all(compiler, unit, flags, checked, Path(work), path, shown)
            read = lines.read_lines(Path(work) / "out" / "library.so")
            lines.save(read, Path(work) / "out" / "lines.json")
            publish(Path(work) / "out", target)
    return Built(target / "library.so", lines.saved(target / "lines.json"))


def stand_in(work: Path, text: str) -> None:
    """A file that is pasted from a kernel may include its headers: each gets one that includes kernel.h, which has their names."""
    for name in re.findall(r'^\s*#\s*include\s*[<"]((?:linux|asm|kvm|trace|uapi)/[\w./-]+\.h|kvm_mm\.h)[>"]', text, re.MULTILINE):
        if ".." not in name:
            header = work / name
            header.parent.mkdir(parents=True, exist_ok=True)
            header.write_text("#include <minikvm/kernel.h>\n")


def key_of(expanded: str, compiler: Compiler, source: Source, checked: bool) -> str:
    """Of everything that the library depends on: the text with all that it includes, the compiler, the runtime, minikvm."""
    digest = hashlib.sha256()
    # Without the lines that name the scratch folder, and so differ each time.
    digest.update(re.sub(r'^# \d+ "[^"]*unit\.c".*\n', "", expanded, flags=re.MULTILINE).encode())
    for part in (
        *compiler.command,
        compiler.version,
        repr(compiler.inline),
        repr((compiler.watched, STACK, CALLS)),
        os.uname().machine,
        minikvm.__version__,
        repr(source.defines),
        repr(checked),
        repr(COMMON),
    ):
        digest.update(b"\0" + part.encode())
    for file in sorted(RUNTIME.iterdir()):
        digest.update(file.read_bytes())
    digest.update((INCLUDE / "minikvm" / "cplug.h").read_bytes())
    return digest.hexdigest()[:32]


def compile_all(compiler: Compiler, unit: Path, flags: list[str], checked: bool, work: Path, path: Path, shown: str) -> None:
    """The user's unit, once or twice, and the runtime, unless the cache has it; linked into work/out/library.so."""
    cc = list(compiler.command)
    runtime = [
        *COMMON,
        "-O2",
        "-w",
        f"-I{INCLUDE}",
        "-DMK_C_WATCHED=1",
        *(flag for flag in flags if flag in ("-DMK_C_STRATEGY", "-DMK_C_LOOP")),
    ]
    jobs: list[list[str]] = []
    if checked:
        runtime += ["-DMK_C_CHECKED", *([STACK_TRACED] if STACK[compiler.family] else [])]
        jobs.append(
            [
                *cc,
                *flags,
                "-O1",
                *compiler.watched,
                *STACK[compiler.family],
                *CALLS,
                "-DMK_C_WATCHED=1",
                "-DMK_C_CHECKED",
                "-c",
                str(unit),
                "-o",
                str(work / "checked.o"),
            ]
        )
    else:
        watched = [*compiler.watched, "-DMK_C_WATCHED=1"]
        jobs.append([*cc, *flags, "-O2", *watched, "-c", str(unit), "-o", str(work / "watched.o")])
        if "-DMK_C_STRATEGY" in flags:
            jobs.append([*cc, *flags, "-O2", *compiler.inline, "-DMK_C_WATCHED=0", "-c", str(unit), "-o", str(work / "bare.o")])
    own = [job[-1] for job in jobs]
    parts = ["beneath", "copies", "frames", "notes", "plain", "watch"]
    shared = cache_folder() / objects.FOLDER / objects.key_of_runtime(cc, compiler.version, runtime)
    made = work / "runtime"
    made.mkdir()
    fresh = not shared.exists()
    if fresh:
        jobs += objects.jobs_of(cc, runtime, parts, made)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for said in pool.map(_run, jobs):
            if said.returncode != 0:
                raise BadSource(explained(said.stderr, path, shown))
    if fresh:
        publish(made, shared)
    (work / "out").mkdir()
    if not checked and "-DMK_C_STRATEGY" in flags:
        # The same text twice: the second one's functions and variables are its own.
        _objcopy(shown, "--keep-global-symbol=mk_c_bare_dispatch", str(work / "bare.o"))
    if checked:
        _objcopy(shown, *OURS, str(work / "checked.o"))
    rest = [str(shared / f"{part}.o") for part in parts]
    linked = _run([*cc, "-shared", "-fPIC", "-Wl,-Bsymbolic", "-Wl,-z,now", "-o", str(work / "out" / "library.so"), *own, *rest])
    if linked.returncode != 0:
        raise BadSource(explained(linked.stderr, path, shown))
    missing = [name for name in lines.undefined(work / "out" / "library.so") if name != FROM_LOADER]
    if missing:
        raise BadSource(explained("\n".join(f"{shown}: undefined reference to `{name}'" for name in missing), path, shown))


def _objcopy(shown: str, *arguments: str) -> None:
    for name in ("objcopy", "llvm-objcopy"):
        if shutil.which(name):
            said = _run([name, *arguments])
            if said.returncode != 0:
                raise BadSource(f"{shown}: {name} failed: {said.stderr.strip()}")
            return
    raise BadSource("objcopy is not there, and compiling a strategy in C needs it: install binutils")


def publish(made: Path, target: Path) -> None:
    """Into the cache in one step: of several who built the same at once, the first one's is kept."""
    target.parent.mkdir(exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        for file in made.iterdir():
            shutil.copy2(file, beside / file.name)
        try:
            os.rename(beside, target)
        except OSError:
            if not any(target.glob("*")):
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def explained(said: str, path: Path, shown: str) -> str:
    """The compiler's message with the user's file as it was named, and the names that are near to one that is missing."""
    text = said.replace(str(path.resolve()), shown)
    kept = [line for line in text.splitlines() if not NOT_SAID.match(line)]
    missing: list[str] = []
    patterns = (
        r"implicit declaration of function '(\w+)'",
        r"'(\w+)' undeclared",
        r"unknown type name '(\w+)'",
        r"undefined reference to `(\w+)'",
        r"use of undeclared identifier '(\w+)'",
        r"call to undeclared function '(\w+)'",
    )
    for pattern in patterns:
        missing += [name for name in re.findall(pattern, text) if name not in missing]
    hints = ["a check needs clang 14 or later, or gcc"] if "unsupported argument 'trace-loads'" in text else []
    for name in missing:
        near = difflib.get_close_matches(name, known_names(), n=4, cutoff=0.6)
        if near:
            hints.append(f"{name} is not in minikvm/kernel.h; near names there: {', '.join(near)}")
        else:
            hints.append(f"{name} is not in minikvm/kernel.h (docs/c-strategies.md lists what is)")
    return "\n".join([f"{shown} does not compile:", *kept, *hints])
