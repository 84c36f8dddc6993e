"""The files of a new plugin package, made from the templates beside this file."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from string import Template

LANGUAGES = ["python", "cython", "c"]
NAMES_OF_LANGUAGES = {"python": "Python", "cython": "Cython", "c": "kernel-style C"}
TEMPLATES = Path(__file__).parent / "templates"

BUILD_REQUIRES = {"python": '"setuptools>=77"', "cython": '"setuptools>=77", "cython>=3.1,<4", "minikvm"', "c": '"setuptools>=77"'}
HOOKS = {
    "strategy": "minikvm_strategies",
    "backend": "minikvm_ipi_backends",
    "injector": "minikvm_race_injectors",
    "loop": "minikvm_run_loops",
}
SELECTION = {
    "strategy": "strategy: {name}\nbackend: futex",
    "backend": "strategy: upstream\nbackend: {name}",
    "injector": "strategy: upstream\nbackend: futex\ninjectors: [{{name: {name}, probability: 0.1}}]",
    "loop": "strategy: upstream\nbackend: futex\nloop: {name}",
}


@dataclass(frozen=True)
class Package:
    """A plugin package that is to be written. kind: one of HOOKS; name: a slug; language: one of LANGUAGES, c for strategies only."""

    kind: str
    name: str
    language: str

    @property
    def distribution(self) -> str:
        """The name that pip knows, and the folder's."""
        return f"minikvm-{self.name}"

    @property
    def module(self) -> str:
        """The name that Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def plugin_file(self) -> str:
        """The file with the class."""
        return "plugin.pyx" if self.language == "cython" else "plugin.py"

    def install(self, target: Path) -> str:
        """The command that installs it. A compiled one is built against the minikvm that is installed, so without isolation."""
        if self.language != "cython":
            return f"pip install -e {shlex.quote(str(target))}"
        return f"pip install 'setuptools>=77' 'cython>=3.1,<4' && pip install --no-build-isolation -e {shlex.quote(str(target))}"

    def files(self) -> dict[str, str]:
        """Path below the package's folder -> text."""
        words = {
            "kind": self.kind, "name": self.name, "language": NAMES_OF_LANGUAGES[self.language], "distribution": self.distribution,
            "package": self.module, "cls": "".join(part.capitalize() for part in self.name.split("-")), "hook": HOOKS[self.kind],
            "plugin_file": "strategy.c" if self.language == "c" else self.plugin_file, "build_requires": BUILD_REQUIRES[self.language],
            "selection": SELECTION[self.kind].format(name=self.name), "install": self.install(Path(".")),
        }
        words["extension"] = {"cython": fill("extension.toml", words), "c": fill("cfiles.toml", words)}.get(self.language, "")
        suffix = Path(self.plugin_file).suffix
        in_c = {f"{self.module}/strategy.c": fill("strategy.c", words)} if self.language == "c" else {}
        return {
            "pyproject.toml": fill("pyproject.toml", words),
            "README.md": fill("README.md", words),
            ".gitignore": fill("gitignore", words),
            f"{self.module}/__init__.py": fill("init.py", words),
            f"{self.module}/{self.plugin_file}": fill("cstrategy.py" if in_c else f"{self.kind}{suffix}", words),
            **in_c,
            "tests/small.yaml": fill("small.yaml", words),
            f"tests/test_{self.name.replace('-', '_')}.py": fill("test.py", words),
        }


def fill(template: str, words: dict[str, str]) -> str:
    """The text of templates/*template*.tmpl with *words* in the place of $names."""
    return Template((TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")).substitute(words)


def write(package: Package, target: Path) -> list[str]:
    """Write the files of *package* below *target*, which must not be there; all of them or, on an error, none. Returns their paths.

    Raises OSError if the file system refuses, also because *target* appeared meanwhile and is not empty.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    files = package.files()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".minikvm-new-") as scratch:
        whole = Path(scratch) / "package"
        for name, text in files.items():
            file = whole / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        whole.rename(target)
    return list(files)
