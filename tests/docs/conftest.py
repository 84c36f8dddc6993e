"""The documentation as data: its pages, their fenced blocks, the files that blocks name, the commands that they show."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:# file: (\S+)|/\* file: (\S+) \*/)\n")
EXIT_CODE = re.compile(r"^\$ echo \$\?\n(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of its fence, for messages."""

    page: str
    line: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block shows whole, by its first line."""
        named = NAMED.match(self.text)
        return named.group(1) or named.group(2) if named else None

    @property
    def commands(self) -> list[str]:
        """The command lines of a console block, without the prompt."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ") and line != "$ echo $?"]

    @property
    def exit_code(self) -> int:
        """What the block says about the last command: 0 if nothing."""
        said = EXIT_CODE.search(self.text)
        return int(said.group(1)) if said else 0

    @property
    def output(self) -> str:
        """What the block shows below its last command."""
        shown = EXIT_CODE.sub("", self.text)
        return shown[shown.rindex("$ ") :].partition("\n")[2].rstrip()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "configs/README.md", ROOT / "tests/README.md"]
    return sorted([*found, *(ROOT / "plugins").glob("**/README.md"), *(ROOT / "minikvm").glob("**/*.md")])


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(name: str) -> list[Block]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [Block(name, text.count("\n", 0, m.start()) + 1, m.group(1), m.group(2)) for m in FENCE.finditer(text)]


PAGES = [name_of(page) for page in pages()]
BLOCKS = [block for name in PAGES for block in blocks_of(name)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``page``: each page; ``console``, ``python_file``, ``python_script``: each block of that sort."""
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", PAGES)
    sorts = {
        "console": [b for b in BLOCKS if b.language == "console"],
        "python_file": [b for b in BLOCKS if b.language == "python" and b.file],
        "python_script": [b for b in BLOCKS if b.language == "python" and not b.file],
    }
    for name, blocks in sorts.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, blocks, ids=str)


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty current folder with the shipped configurations and the litmus tests in it, and a terminal of 80 columns."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def page_blocks():
    return blocks_of
