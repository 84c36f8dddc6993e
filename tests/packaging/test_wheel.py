"""The wheel: complete, without build junk, and it runs in an environment that has nothing else."""

import json
import sysconfig
import zipfile

import pytest


@pytest.fixture(scope="session")
def listing(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def below(root, pattern):
    """The files of the source tree's package that match, as the wheel should name them."""
    return {str(path.relative_to(root)) for path in (root / "minikvm").rglob(pattern) if path.is_file()}


@pytest.mark.parametrize("pattern", ["*.py", "*.pxd", "*.pyi", "*.h", "*.tmpl", "*.json", "*.css", "*.js", "py.typed", "*.md",
                                     "runtime/*.c"])
def test_it_holds_every_file_of_a_kind(listing, root, pattern):
    wanted = below(root, pattern)
    assert wanted and wanted - listing == set()


def test_it_holds_the_shipped_configurations(listing, root):
    configs = root / "configs"
    wanted = {f"minikvm/config/shipped/{path.relative_to(configs)}" for path in [*configs.glob("*.yaml"), *configs.glob("c/*")]}
    assert "minikvm/config/shipped/c/linear.c" in wanted and wanted - listing == set()


def test_each_pyx_became_one_extension_of_this_python(listing, root):
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    wanted = {name[: -len(".pyx")] + suffix for name in below(root, "*.pyx")}
    assert wanted and {name for name in listing if ".so" in name} == wanted


def test_no_build_junk_and_no_tests_are_in_it(listing):
    ours = ("minikvm/csource/runtime/", "minikvm/config/shipped/c/")  # compiled where they are used
    junk = [name for name in listing if name.endswith((".c", ".o", ".pyx", ".pyc")) and not name.startswith(ours)]
    assert [*junk, *(name for name in listing if "/tests/" in name)] == []


def test_it_installs_one_package(listing):
    assert {name.partition("/")[0] for name in listing if ".dist-info/" not in name} == {"minikvm"}


def test_the_quickstart_runs_by_name_from_another_folder(bare, tmp_path):
    report = json.loads(bare.run("minikvm", "run", "quickstart.yaml", "--json", cwd=tmp_path))
    assert report["exit_code"] == 0 and sum(row["calls"] for row in report["requests"]) > 0


def test_a_shipped_c_strategy_is_checked_by_name_from_another_folder(bare, tmp_path):
    report = json.loads(bare.run("minikvm", "races", "c/v1-bitmap", "--model", "sc", "--json", cwd=tmp_path, code=1))
    assert report["cells"][0]["races"][0]["accesses"][0]["word"] == "vcpu->cpu"


def test_it_imports_from_its_own_folder_only(bare, tmp_path):
    where = bare.run("python", "-c", "import minikvm; print(minikvm.__file__)", cwd=tmp_path)
    assert where.startswith(str(bare.folder))


def test_what_it_depends_on_is_there(bare):
    assert "No broken requirements" in bare.run("pip", "check")
