"""The rooms' order: a room imports only from rooms below it (see the guided tour in docs/)."""

import ast
import re
from pathlib import Path

import pytest

import minikvm

PACKAGE = Path(minikvm.__file__).parent
FLOORS = [
    {"include"},
    {"core"},
    {"kinds", "kindcheck", "requestdefs", "views", "hookspecs", "pluginload", "plugins", "properties"},  # one room in several files
    {"config"},
    {"csource"},
    {"engines"},
    {"loops"},
    {"injectors"},
    {"backends"},
    {"strategies"},
    {"sim"},
    {"check"},
    {"litmus"},
    {"live"},
    {"testing"},
    {"report"},
    {"cli"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
# On no floor: the package's front door imports lazily from anywhere; the build command and `python -m minikvm` stand outside.
OUTSIDE = {"__init__", "__main__", "_build_ext"}
FILES = sorted(p for suffix in ("py", "pyx", "pxd", "pyi") for p in PACKAGE.rglob(f"*.{suffix}"))
CIMPORT = re.compile(r"^\s*(?:from\s+(minikvm[\w.]*)\s+c?import\s+([^#\n]*)|c?import\s+(minikvm[\w.]*))", re.MULTILINE)


def room_of(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.partition(".")[0]


def names_imported(path, text):
    """(line, dotted name) of every import of minikvm in a file."""
    if path.suffix in (".pyx", ".pxd"):
        for match in CIMPORT.finditer(text):
            module, names, plain = match.groups()
            line = text.count("\n", 0, match.start()) + 1
            for name in re.findall(r"\w+", names or "") if module == "minikvm" else [""]:
                yield line, f"{module or plain}.{name}".rstrip(".")
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def climbs(path, text):
    """Imports that go up, as sentences; also those of a room that no floor has."""
    room = room_of(path)
    for line, name in names_imported(path, text):
        parts = name.split(".")
        if parts[0] != "minikvm" or len(parts) == 1 or parts[1] in {"__version__", "get_include"}:
            continue
        target = parts[1]
        if target not in FLOOR:
            yield f"{path.relative_to(PACKAGE)}:{line}: minikvm.{target} is on no floor"
        elif FLOOR[target] > FLOOR[room]:
            yield f"{path.relative_to(PACKAGE)}:{line}: {room} (floor {FLOOR[room]}) imports {name} (floor {FLOOR[target]})"


def test_there_are_files_to_look_at():
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_imports_from_a_room_above(path):
    room = room_of(path)
    if room in OUTSIDE:
        return
    assert room in FLOOR, f"{room} is on no floor: add it to FLOORS"
    assert list(climbs(path, path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("core/some.py", "from minikvm.kinds import Strategy"),
        ("core/some.py", "import minikvm.config"),
        ("core/some.py", "from minikvm import plugins"),
        ("core/some.py", "def f():\n    from minikvm.live import VM"),
        ("core/some.pyx", "from minikvm.live.vm cimport thing"),
        ("core/some.pyx", "  from minikvm.kinds import Strategy"),
        ("core/some.pxd", "cimport minikvm.strategies.upstream"),
        ("core/some.pyx", "from minikvm cimport live"),
        ("plugins.py", "from minikvm.config import load"),
        ("report/text.py", "from minikvm.cli.main import cli"),
        ("config/some.py", "from minikvm.nowhere import x"),
    ],
)
def test_an_import_that_climbs_is_found(file, text):
    assert len(list(climbs(PACKAGE / file, text))) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cli/main.py", "from minikvm.plugins import Manager"),
        ("strategies/some.pyx", "from minikvm.core.kick cimport wake_up"),
        ("config/some.py", "import minikvm"),
        ("kinds.py", "from minikvm.requestdefs import RequestDef"),
    ],
)
def test_an_import_that_goes_down_is_fine(file, text):
    assert list(climbs(PACKAGE / file, text)) == []
