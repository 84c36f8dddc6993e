"""The names that kernel.h gives to a C file: read from the headers, for messages, and for docs/c-strategies.md:

``python -m minikvm.csource.names docs/c-strategies.md`` writes the list there again; a test compares.
"""

from __future__ import annotations

import functools
import re
import sys
import textwrap
from pathlib import Path

import minikvm

INCLUDE = Path(minikvm.get_include()) / "minikvm"
HEADERS = ("compiler", "access", "atomic", "bitops", "cpumask", "lock", "kvm", "requests", "loop")
"""Those of kernel/ that have names for users, in the order in which they are included."""
PATTERNS = (
    r"^\s*#define\s+(\w+)",
    r"^static[^;{(=]*?\b(\w+)\s*\(",
    r"^MK_K_FIND\((\w+)",
    r"\btypedef\s+[\w ]+?[ *](\w+);",
    r"^typedef struct \w*\s*\{[^}]*\}\s*(\w+);",
    r"^typedef [^(;]*\(\*(\w+)\)",
    r"(?:^|^typedef )(struct \w+) \{",
)
BEGIN, END = "<!-- generated from minikvm/include/minikvm/kernel: begin -->", "<!-- generated: end -->"
WIDTH = 136


@functools.cache
def names_of(header: str) -> tuple[str, ...]:
    """The names of kernel/HEADER.h, sorted: macros, functions, types, the members of enums."""
    text = re.sub(r"/\*.*?\*/", "", (INCLUDE / "kernel" / f"{header}.h").read_text(encoding="utf-8"), flags=re.DOTALL)
    names = {name for pattern in PATTERNS for name in re.findall(pattern, text, re.MULTILINE)}
    for members in re.findall(r"^(?:typedef )?enum \w*\s*\{([^}]*)\}", text, re.MULTILINE):
        names.update(re.findall(r"\w+(?=\s*(?:,|=|$))", members.strip()))
    return tuple(sorted(name for name in names if not re.match(r"(?:struct )?_*(?:mk_|minikvm_)", name, re.IGNORECASE) and name != "name"))


@functools.cache
def known_names() -> tuple[str, ...]:
    """All of them."""
    return tuple(sorted({name.removeprefix("struct ") for header in HEADERS for name in names_of(header)}))


def listing() -> str:
    """The list as it stands in the documentation."""
    parts = []
    for header in HEADERS:
        text = (INCLUDE / "kernel" / f"{header}.h").read_text(encoding="utf-8")
        about = re.search(rf"kernel/{header}\.h: (.*?)[.:]\s", text, re.DOTALL)
        head = " ".join(re.sub(r"\n \* ", " ", about.group(1)).split()) if about else header
        names = textwrap.fill("  ".join(names_of(header)), WIDTH, break_long_words=False, break_on_hyphens=False)
        parts.append(f"`{header}.h`: {head}.\n\n```text\n{names}\n```\n")
    return "\n".join(parts)


def replaced(page: str) -> str:
    """The page's text with the list as it is now. ValueError where it has no place for it."""
    before, begin, rest = page.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN} ... {END}")
    return f"{before}{begin}\n{listing()}\n{end}{after}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(replaced(target.read_text(encoding="utf-8")), encoding="utf-8")
