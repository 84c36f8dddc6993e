"""Plugin packages, installed for real beside the wheel: those in plugins/, and those that ``minikvm new`` writes."""

import itertools
import json
import shutil

import pytest

SHIPPED = {
    "minikvm-one-at-a-time": ("strategy", "one-at-a-time"),
    "minikvm-near-first": ("strategy", "near-first"),
    "minikvm-pipe": ("backend", "pipe"),
    "minikvm-irq-storm": ("injector", "irq-storm"),
    "minikvm-c-strategies": ("strategy", "c-upstream"),
    "minikvm-known-bugs": ("strategy", "m01"),
}
KINDS = ["strategy", "backend", "injector", "loop"]


@pytest.fixture(scope="session")
def installed(authors, root, tmp_path_factory):
    """The packages of plugins/, installed: name -> the folder of the copy that it was built from."""
    folder = tmp_path_factory.mktemp("plugins")
    copies = {name: shutil.copytree(root / "plugins" / name, folder / name) for name in SHIPPED}
    authors.install("--no-build-isolation", "--no-deps", *copies.values())
    return copies


@pytest.fixture(scope="session")
def listed(authors, installed):
    """(kind, name) -> what ``minikvm plugins list --json`` says"""
    listing = json.loads(authors.run("minikvm", "plugins", "list", "--json"))
    rows = listing["plugins"] if isinstance(listing, dict) else listing
    return {(row["kind"], row["name"]): row for row in rows}


def test_every_package_of_the_folder_is_tested_here(root):
    assert {path.parent.name for path in (root / "plugins").glob("*/pyproject.toml")} == set(SHIPPED)


@pytest.mark.parametrize("package", SHIPPED)
def test_a_shipped_package_is_listed_with_its_distribution(listed, package):
    assert listed[SHIPPED[package]]["distribution"] == package


@pytest.mark.parametrize("package", SHIPPED)
def test_a_vm_runs_with_a_shipped_package(authors, installed, package):
    report = json.loads(authors.run("minikvm", "run", installed[package] / "tests" / "small.yaml", "--json"))
    assert (report["ended"], report["exit_code"], report["violations"]) == ("finished", 0, [])


@pytest.mark.parametrize("package", SHIPPED)
def test_the_tests_of_a_shipped_package_pass(authors, installed, package):
    assert " passed" in authors.run("pytest", "-q", "-p", "no:cacheprovider", cwd=installed[package])


@pytest.mark.parametrize(("kind", "language"), [*itertools.product(KINDS, ["python", "cython"]), ("strategy", "c")])
def test_a_new_package_installs_and_its_tests_pass(authors, tmp_path, kind, language):
    name = f"new-{kind}-{language}"
    authors.run("minikvm", "new", kind, name, "--lang", language, "--dir", tmp_path)
    authors.install("--no-build-isolation", "--no-deps", tmp_path / f"minikvm-{name}")
    assert "3 passed" in authors.run("pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / f"minikvm-{name}")
