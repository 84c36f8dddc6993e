"""The sdist is the whole project: whoever has it can build, test and read it."""

import tarfile

import pytest

JUNK = ("__pycache__", ".egg-info", ".pytest_cache", ".mypy_cache", ".hypothesis", ".ruff_cache")


@pytest.fixture(scope="session")
def listing(sdist):
    """path below the sdist's folder -> tarfile member, for everything that is no folder"""
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2]: member for member in archive.getmembers() if not member.isdir()}


def test_it_holds_plain_files_only(listing):
    assert [name for name, member in listing.items() if not member.isreg()] == []


@pytest.mark.parametrize("folder", ["configs", "docs", "tests", "plugins", "minikvm/include", "minikvm/cli/templates"])
def test_it_holds_a_folder_whole(listing, root, folder):
    files = {str(path.relative_to(root)) for path in (root / folder).rglob("*") if path.is_file()}
    wanted = {name for name in files if not any(junk in name for junk in JUNK) and "/build/" not in name and not name.endswith(".so")}
    assert wanted - set(listing) == set()


@pytest.mark.parametrize("suffix", [".py", ".pyx", ".pxd", ".pyi", ".h"])
def test_it_holds_every_source_of_a_kind(listing, root, suffix):
    wanted = {str(path.relative_to(root)) for path in (root / "minikvm").rglob(f"*{suffix}")}
    assert wanted and wanted - set(listing) == set()


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.cfg", "tox.ini", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md",
                                  "CONTRIBUTING.md", ".ci/run", "minikvm/py.typed"])
def test_it_holds_the_file(listing, name):
    assert name in listing


def texts(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_shipped_configurations_are_copies_of_configs(unpacked):
    # configs/bugs needs a plugin package, so it is no part of the installed package.
    configs = texts(unpacked / "configs")
    shipped = texts(unpacked / "minikvm" / "config" / "shipped")
    assert {"quickstart.yaml", "c/linear.c"} <= set(configs)
    assert shipped == {name: text for name, text in configs.items() if not name.startswith("bugs/")}


def test_nothing_that_was_built_is_in_it(listing):
    ours = ("minikvm/csource/runtime/", "minikvm/config/shipped/c/")  # C that is source
    made = [name for name in listing if name.startswith("minikvm/") and name.endswith(".c") and not name.startswith(ours)]
    assert [*made, *(name for name in listing if name.endswith((".so", ".pyc")))] == []


def test_it_holds_what_is_linked_to_c_files(listing, root):
    wanted = {str(path.relative_to(root)) for path in (root / "minikvm/csource/runtime").glob("*.c")}
    assert wanted and wanted - set(listing) == set()
