"""``minikvm new``: complete packages in both languages; the compiled ones are built here against the core as it is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minikvm
from minikvm.cli.scaffold import Package

KINDS = ["strategy", "backend", "injector", "loop"]
ROOT = str(Path(minikvm.__file__).parents[1])


@pytest.fixture
def new(invoke, tmp_path):
    """Write a package below a folder of the test's own; returns its folder."""

    def new(kind, name, language="python"):
        result = invoke("new", kind, name, "--lang", language, "--dir", tmp_path)
        assert result.exit_code == 0, result.output
        return tmp_path / f"minikvm-{name}"

    return new


def python(folder, *arguments):
    """Run Python in *folder*, with it and minikvm importable."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), ROOT])}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("language", ["python", "cython"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_complete(new, kind, language):
    folder = new(kind, "my-idea", language)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    source = "plugin.py" if language == "python" else "plugin.pyx"
    assert files == {
        "pyproject.toml", "README.md", ".gitignore", "minikvm_my_idea/__init__.py", f"minikvm_my_idea/{source}", "tests/small.yaml",
        "tests/test_my_idea.py",
    }


@pytest.mark.parametrize("language", ["python", "cython"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_placeholder_is_left_in_a_new_package(new, kind, language):
    folder = new(kind, "my-idea", language)
    texts = {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert {name: re.findall(r"\$\{?[a-z_]+", text) for name, text in texts.items() if re.search(r"\$\{?[a-z_]+", text)} == {}


def test_a_new_package_in_c_has_the_c_file_beside_its_class(new):
    folder = new("strategy", "my-idea", "c")
    assert sorted(path.name for path in (folder / "minikvm_my_idea").iterdir()) == ["__init__.py", "plugin.py", "strategy.c"]


def test_the_tests_of_a_new_package_in_c_pass(new):
    assert "3 passed" in python(new("strategy", "my-idea", "c"), "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_what_cannot_be_written_in_c_is_refused(invoke, tmp_path):
    result = invoke("new", "backend", "my-idea", "--lang", "c", "--dir", tmp_path)
    assert (result.exit_code, "only a strategy in c" in result.output) == (2, True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_python_package_loads_and_explains_itself(new, kind):
    folder = new(kind, "my-idea")
    assert f"{kind} my-idea" in python(folder, "-m", "minikvm", "-p", "minikvm_my_idea", "plugins", "show", "my-idea")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The four compiled packages in one folder, built in one go: the type of each one's capsule, by kind."""
    folder = tmp_path_factory.mktemp("compiled")
    for kind in KINDS:
        for name, text in Package(kind, f"my-{kind}", "cython").files().items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    python(folder, "-c", "from setuptools import setup; setup()", "-q", "build_ext", "--inplace")
    modules = [f"minikvm_my_{kind}" for kind in KINDS]
    code = f"from minikvm.plugins import Manager; m = Manager({modules})\nfor k in {KINDS}: print(k, m.create(k, f'my-{{k}}').native())"
    return dict(line.split(maxsplit=1) for line in python(folder, "-c", code).splitlines())


@pytest.mark.packaging
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_cython_package_compiles_loads_and_gives_its_capsule(compiled, kind):
    assert f'capsule object "minikvm.{kind}"' in compiled[kind]


@pytest.mark.skipif(not hasattr(minikvm, "VM"), reason="minikvm.VM is not there yet: the live VM is still being built")
@pytest.mark.parametrize("kind", KINDS)
def test_all_tests_of_a_new_package_pass(new, kind):
    assert "3 passed" in python(new(kind, "my-idea"), "-m", "pytest", "-q", "-p", "no:cacheprovider")


@pytest.mark.parametrize("name", ["my strategy!", "My-Idea", "-x", "a--b", "1st", "x" * 41, "", "../up", "a_b", "ä"])
def test_a_name_that_is_no_slug_is_refused(invoke, tmp_path, name):
    result = invoke("new", "strategy", "--dir", tmp_path, "--", name)
    assert result.exit_code == 2 and "expected small letters" in result.stderr and list(tmp_path.iterdir()) == []


def test_a_refused_name_gets_a_suggestion(invoke, tmp_path):
    assert "my-strategy would do" in invoke("new", "strategy", "my strategy!", "--dir", tmp_path).stderr


def test_nothing_is_overwritten(invoke, new, tmp_path):
    (new("strategy", "my-idea") / "README.md").write_text("mine")
    result = invoke("new", "strategy", "my-idea", "--dir", tmp_path)
    assert result.exit_code == 2 and "is there already" in result.stderr
    assert (tmp_path / "minikvm-my-idea" / "README.md").read_text() == "mine"


def test_the_name_of_a_builtin_is_refused(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr("minikvm.pluginload.builtin_files", lambda kind: {"upstream": ("module", "file")})
    result = invoke("new", "strategy", "upstream", "--dir", tmp_path)
    assert result.exit_code == 2 and "built-in strategy 'upstream'" in result.stderr


def test_a_folder_that_cannot_be_written_is_one_message(invoke, tmp_path):
    (tmp_path / "file").write_text("")
    result = invoke("new", "strategy", "my-idea", "--dir", tmp_path / "file" / "below")
    assert result.exit_code == 2 and str(tmp_path / "file") in result.stderr and "Traceback" not in result.stderr


def test_a_failure_in_the_middle_leaves_nothing_behind(invoke, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("pathlib.Path.rename", full)
    result = invoke("new", "strategy", "my-idea", "--dir", tmp_path)
    assert result.exit_code == 2 and "No space left" in result.stderr and list(tmp_path.iterdir()) == []
