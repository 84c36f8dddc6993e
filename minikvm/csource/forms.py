"""What a C file defines, read from its text: the functions, the form of the kernel's function, and what minikvm cannot honour.

The text is not preprocessed and not parsed: comments, strings and directives are blanked, and what stands before a brace at the outermost
level is a function's head. The compiler verifies the form that was read (kernel/entry.h).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from minikvm.pluginload import BadSource

HELPERS = {
    "__kvm_make_request": "void (int, vcpu)",
    "kvm_make_request": "void (int, vcpu)",
    "kvm_request_pending": "bool (vcpu)",
    "kvm_test_request": "bool (int, vcpu)",
    "kvm_clear_request": "void (int, vcpu)",
    "kvm_check_request": "bool (int, vcpu)",
    "kvm_arch_vcpu_get_wait": "struct rcuwait * (vcpu)",
    "kvm_vcpu_wake_up": "bool (vcpu)",
    "kvm_vcpu_exiting_guest_mode": "int (vcpu)",
    "kvm_request_needs_ipi": "bool (vcpu, unsigned)",
    "kvm_arch_vcpu_should_kick": "int (vcpu)",
    "ack_kick": "void (pointer)",
    "ack_flush": "void (pointer)",
    "kvm_kick_many_cpus": "bool (cpumask, bool)",
    "kvm_make_vcpu_request": "void (vcpu, unsigned, cpumask, int)",
    "__kvm_vcpu_kick": "void (vcpu, bool)",
    "kvm_vcpu_kick": "void (vcpu)",
    "kvm_make_request_and_kick": "void (int, vcpu)",
    "kvm_vcpu_exit_request": "bool (vcpu)",
    "kvm_make_all_cpus_request": "bool (kvm, unsigned)",
}
"""What kernel.h leaves out where the file has its own, and the form in which its other helpers call it (Linux 6.18's)."""

MASK = "kvm_make_vcpus_request_mask"
ALL = "kvm_make_all_cpus_request"
OLD_ALL = "make_all_cpus_request"  # its name before 3.10
LOOP = "vcpu_enter_guest"
FORMS = {
    ("kvm", "unsigned", "vcpu", "bitmap", "cpumask"): "EXCEPT_MASK",
    ("kvm", "unsigned", "bitmap", "cpumask"): "MASK",
    ("kvm", "unsigned", "vcpu", "bitmap"): "EXCEPT",
    ("kvm", "unsigned", "bitmap"): "NOW",
}
ACCEPTED = f"""\
  bool {MASK}(struct kvm *kvm, unsigned int req, unsigned long *vcpu_bitmap)
  bool {ALL}(struct kvm *kvm, unsigned int req)
  bool {MASK}(struct kvm *kvm, unsigned int req, struct kvm_vcpu *except, unsigned long *vcpu_bitmap, cpumask_var_t tmp)
  bool {MASK}(struct kvm *kvm, unsigned int req, struct kvm_vcpu *except, unsigned long *vcpu_bitmap)
  bool {MASK}(struct kvm *kvm, unsigned int req, unsigned long *vcpu_bitmap, cpumask_var_t tmp)"""
ACCEPTED_LOOP = f"  int {LOOP}(struct kvm_vcpu *vcpu)"
_TYPES = (
    (r"struct\s+kvm\s*\*", "kvm"),
    (r"struct\s+kvm_vcpu\s*\*", "vcpu"),
    (r"(?:cpumask_var_t|struct\s+cpumask\s*\*)", "cpumask"),
    (r"unsigned\s+long\s*\*", "bitmap"),
    (r"(?:unsigned(?:\s+int)?|u32|uint32_t)", "unsigned"),
    (r"void\s*\*", "pointer"),
    (r"int", "int"),
    (r"bool", "bool"),
)
_WALKS = re.compile(r"\bfor_each_set_bit(?:_from)?\s*\([^;{]*,\s*KVM_MAX_VCPUS\s*\)")
_STORAGE = {"static", "extern", "inline", "__inline", "__always_inline", "noinline", "notrace", "__maybe_unused", "__must_check"}
_KEYWORDS = {"if", "for", "while", "switch", "do", "else", "return", "sizeof", "typeof", "__attribute__", "_Static_assert"}


@dataclass(frozen=True)
class Function:
    """One function that the file defines: its name, the texts of its result and parameters, its body without comments, its head's line."""

    name: str
    result: str
    parameters: str
    body: str
    line: int


@dataclass(frozen=True)
class Source:
    """What was read from a file. kind: "strategy" or "loop". defines: the macros that tell the headers."""

    kind: str
    functions: dict[str, Function]
    defines: tuple[str, ...]


def blanked(text: str) -> str:
    """The text with comments, strings, characters and directives replaced by spaces; every line stays where it is."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    text = re.sub(r'/\*.*?(?:\*/|\Z)|//(?:\\\n|[^\n])*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.DOTALL)
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", blank, text, flags=re.MULTILINE)


def functions_of(text: str) -> dict[str, Function]:
    """The functions that are defined at the outermost level."""
    bare = blanked(text)
    found: dict[str, Function] = {}
    depth = start = 0
    head: Function | None = None
    for match in re.finditer(r"[{};]", bare):
        at, sign = match.start(), match.group()
        if sign == "{":
            if depth == 0:
                head = _head(bare[start:at], bare.count("\n", 0, start) + 1)
                start = at + 1
            depth += 1
        elif sign == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if head is not None:
                    found[head.name] = replace(head, body=bare[start:at])
                head = None
                start = at + 1
        elif depth == 0:
            start = at + 1
    return found


def _head(text: str, line: int) -> Function | None:
    """``static bool f(int a)`` before a brace, or None for what is no function (a struct, an initialiser)."""
    if "=" in re.sub(r"\(.*\)", "", text, flags=re.DOTALL):
        return None
    for match in re.finditer(r"([A-Za-z_]\w*)\s*\(", text):
        if match.group(1) in _KEYWORDS:
            continue
        depth, at = 1, match.end()
        while at < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        result = " ".join(word for word in text[: match.start()].replace("*", " * ").split() if word not in _STORAGE)
        return Function(match.group(1), result, " ".join(text[match.end() : at - 1].split()), "", line + text.count("\n", 0, match.start()))
    return None


def _type_of(parameter: str) -> str:
    plain = re.sub(r"\b(?:const|volatile|restrict)\b", "", parameter).strip()
    for pattern, name in _TYPES:
        if re.fullmatch(rf"{pattern}\s*\w*", plain):
            return name
    return plain


def form_of(function: Function) -> str | None:
    """Which form of kvm_make_vcpus_request_mask() it is, a value of FORMS, or None."""
    return FORMS.get(_types_of(function))


def _types_of(function: Function) -> tuple[str, ...]:
    return tuple(_type_of(parameter) for parameter in function.parameters.split(","))


def _as_the_kernels(function: Function) -> bool:
    """Has a helper the form in which the header's other helpers call it?"""
    return f"{function.result} ({', '.join(_types_of(function))})" == HELPERS[function.name]


def read_source(text: str, name: str, kind: str) -> Source:
    """What the file is, for *kind* ("strategy" or "loop"); *name* stands in messages. BadSource when it is no such thing."""
    functions = functions_of(text)
    # 1: of the kernel's form, so the header's other helpers call it; 2: of another, so those that would are left out.
    defines = [f"MK_C_OWN_{name}={1 if _as_the_kernels(functions[name]) else 2}" for name in HELPERS if name in functions]
    if kind == "loop":
        if LOOP not in functions:
            raise BadSource(f"{name}: no definition of {LOOP}() was found; expected\n{ACCEPTED_LOOP}{_there(functions)}")
        defines.append("MK_C_LOOP")
    else:
        defines.append("MK_C_STRATEGY")
        if MASK in functions:
            form = form_of(functions[MASK])
            if form is None:
                head = f"{name}:{functions[MASK].line}: {MASK}({functions[MASK].parameters})"
                raise BadSource(f"{head} has no form that minikvm knows; expected one of\n{ACCEPTED}")
            defines.append(f"MK_C_FORM_{form}")
        elif OLD_ALL in functions and ALL not in functions:
            defines += [f"MK_C_OWN_{ALL}=1", f"{ALL}={OLD_ALL}"]
        elif ALL not in functions:
            raise BadSource(f"{name}: neither {MASK}() nor {ALL}() is defined; expected one of\n{ACCEPTED}{_there(functions)}")
    bare = blanked(text)
    if len(re.findall(r"\bKVM_MAX_VCPUS\b", bare)) != len(
        _WALKS.findall(bare)
    ):
        defines.append("MK_C_LONG_TARGETS")
    refuse_work_in_ipis(bare, functions, name)
    return Source(kind, functions, tuple(defines))


def _there(functions: dict[str, Function]) -> str:
    return f"\n(it defines: {', '.join(functions)})" if functions else "\n(no function definition was found)"


def refuse_work_in_ipis(bare: str, functions: dict[str, Function], name: str) -> None:
    """BadSource for a function that an IPI is to call and that does something: IPIs here only make their receiver leave the guest."""
    call = re.compile(r"\b(smp_call_function_many|smp_call_function_single|smp_call_function|on_each_cpu_mask)\s*\(")
    for match in call.finditer(bare):
        arguments = _arguments(bare, match.end())
        place = 0 if match.group(1) == "smp_call_function" else 1
        called = arguments[place].strip().lstrip("&").strip("() ") if len(arguments) > place else ""
        known = functions.get(called)
        if known is not None and re.sub(r"\(\s*void\s*\)\s*\w+\s*;|\breturn\s*;|[\s;]", "", known.body):
            line = bare.count("\n", 0, match.start()) + 1
            raise BadSource(
                f"{name}:{line}: {match.group(1)}() calls {called}() (line {known.line}), which does something: "
                "expected an empty function, as KVM's ack_kick() is. An IPI here makes its receiver leave the guest and acknowledges, "
                "and runs no code of yours"
            )


def _arguments(text: str, at: int) -> list[str]:
    """The arguments of a call whose opening parenthesis ends before *at*."""
    found, depth = [""], 1
    for char in text[at:]:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth == 0:
            break
        if char == "," and depth == 1:
            found.append("")
        else:
            found[-1] += char
    return found
