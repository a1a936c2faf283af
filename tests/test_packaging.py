"""What an installation of the package provides: types, the command, and its optional packages."""

import os
import subprocess
import sys
import tomllib

import jaxgan
from jaxgan.__main__ import main
from tests.helpers.check_release import find_problems
from tests.helpers.programs import ROOT

BLOCK_IMPORTS = """
import sys
from importlib.abc import MetaPathFinder


class BlockedFinder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, BlockedFinder())
"""


def run_command(*arguments, cwd=ROOT, path=()):
    """Runs `python -m jaxgan` with directories put first on the import path."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    command = [sys.executable, "-m", "jaxgan", *map(str, arguments)]
    options = {"capture_output": True, "text": True, "timeout": 120, "check": False}
    return subprocess.run(command, cwd=cwd, env=environment, **options)


def test_pyproject_declares_the_command():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"jaxgan": "jaxgan.__main__:main"}
    assert project["version"] == jaxgan.__version__
    assert callable(main)


def test_release_needs_the_tag_of_the_version_and_a_released_changelog():
    changelog = "# Changelog\n\n## 0.3.0 (2027-01-31)\n\n## 0.2.0 (unreleased)\n\n## 0.1.0\n"
    assert find_problems("v0.3.0", "0.3.0", changelog) == []
    assert find_problems("v0.1.0", "0.1.0", changelog) == []
    (problem,) = find_problems("0.3.0", "0.3.0", changelog)
    assert "the tag is 0.3.0, expected v0.3.0" in problem
    (problem,) = find_problems("v0.2.0", "0.2.0", changelog)
    assert "remove '(unreleased)'" in problem


def test_package_is_typed():
    assert (ROOT / "jaxgan" / "py.typed").exists()


def test_command_prints_its_help():
    done = run_command("--help")
    assert done.returncode == 0, done.stderr
    for name in ("sample", "evaluate", "export", "classifier"):
        assert name in done.stdout


def test_command_names_the_extra_if_tyro_is_missing(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCK_IMPORTS.format(blocked={"tyro"}))
    done = run_command("sample", "x", path=[tmp_path])
    assert done.returncode == 1
    assert "needs the package tyro" in done.stderr
    assert "pip install 'jaxgan[run]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_import_and_train_do_not_need_the_extra(tmp_path):
    # Flax imports rich, so that rich is always installed.
    blocked = {"tyro", "matplotlib", "tensorflow_datasets", "grain", "sklearn"}
    (tmp_path / "sitecustomize.py").write_text(BLOCK_IMPORTS.format(blocked=blocked))
    program = "import jaxgan; jaxgan.train, jaxgan.load_run, jaxgan.Callbacks; print('imported')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (tmp_path, ROOT)))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=environment,
    )
    assert done.stdout == "imported\n", done.stderr
