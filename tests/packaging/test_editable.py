"""An editable install leaves the .pxd files where another package's Cython finds them."""

import pytest

PYX = '''# cython: language_level=3
from minikvm.core.kick cimport mode_needs_ipi
from minikvm.core.world cimport MK_EXITING_GUEST_MODE, MK_REQ_WAIT

def needs_ipi(bint wait):
    return bool(mode_needs_ipi(MK_EXITING_GUEST_MODE, MK_REQ_WAIT if wait else 0))
'''
PYPROJECT = '''
[build-system]
requires = ["setuptools>=77", "cython>=3.1,<4", "minikvm"]
build-backend = "setuptools.build_meta"
[project]
name = "outside"
version = "1"
[tool.setuptools]
packages = ["outside"]
[[tool.setuptools.ext-modules]]
name = "outside.truth"
sources = ["outside/truth.pyx"]
[tool.setuptools.cmdclass]
build_ext = "minikvm._build_ext.build_ext"
'''


@pytest.fixture
def outside(tmp_path):
    """A package outside of the tree that uses the kick path's functions."""
    folder = tmp_path / "outside"
    (folder / "outside").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "outside" / "__init__.py").write_text("")
    (folder / "outside" / "truth.pyx").write_text(PYX)
    return folder


def test_a_package_outside_of_the_tree_cimports_the_kick_path(core_only, outside):
    core_only.install("--no-build-isolation", "--no-deps", outside)
    said = core_only.run("python", "-c", "from outside.truth import needs_ipi; print(needs_ipi(True), needs_ipi(False))")
    assert said.split() == ["True", "False"]
