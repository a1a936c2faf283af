"""Checks the distributions in dist/: their files, and their use in an empty environment.

`python -m tests.helpers.check_dist` (`make dist`) compares the files of the wheel and of the source
distribution with those that git tracks. It installs the wheel into a new virtual environment
outside the checkout and uses it there: the library, the `jaxgan` command, an experiment of one's
own from the documentation, and the code of an export's README. It needs a package index.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
IN_SDIST = (
    *("jaxgan/", "experiments/", "benchmarks/", "tests/", "docs/", "pyproject.toml", "Makefile"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
)
METADATA = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
LIBRARY = """
import jax, numpy as np, jaxgan
from jaxgan import losses, models, optimizers, priors
from jaxgan.data import array_source

images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
tx = optimizers.adam(1e-3)
gan = jaxgan.make_gan(
    models.MLPGenerator(shape=(8, 8, 1), widths=(16,)), models.MLPDiscriminator(widths=(16,)),
    losses.non_saturating, tx, tx, priors.normal(8),
)
state, step = jaxgan.train(
    gan, array_source(images, batch_size=16), "runs/library", jaxgan.TrainOptions(steps=4)
)
run = jaxgan.load_run("runs/library", gan=gan)
assert run.sample(jax.random.key(0), 3).shape == (3, 8, 8, 1)
print(jaxgan.__version__, jaxgan.__file__)
"""


def main() -> None:
    """Exits with a message if a distribution is incomplete, or does not work."""
    (wheel,), (sdist,) = (sorted((ROOT / "dist").glob(p)) for p in ("*.whl", "*.tar.gz"))
    check_wheel(wheel)
    check_sdist(sdist)
    with tempfile.TemporaryDirectory() as folder:
        use_wheel(wheel, Path(folder))
    print(f"{wheel.name} and {sdist.name} are complete, and the wheel works.")


def tracked_files(*prefixes: str) -> set[str]:
    """Returns the files below some prefixes that git tracks."""
    command = ["git", "ls-files", *prefixes]
    return set(subprocess.check_output(command, cwd=ROOT, text=True).splitlines())


def check_wheel(wheel: Path) -> None:
    """Compares the files of the wheel with the package and its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    compare(wheel.name, names, tracked_files("jaxgan") | {f"{info}/{name}" for name in METADATA})


def check_sdist(sdist: Path) -> None:
    """Compares the files of the source distribution with those of the checkout."""
    folder = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        names = {m.name.removeprefix(f"{folder}/") for m in archive.getmembers() if m.isfile()}
    compare(sdist.name, names, tracked_files(*IN_SDIST) | {"PKG-INFO", ".gitignore"})


def compare(name: str, found: set[str], expected: set[str]) -> None:
    """Exits if a distribution lacks files, or has others."""
    if missing := sorted(expected - found):
        sys.exit(f"error: {name} lacks {', '.join(missing[:5])}")
    if added := sorted(found - expected):
        sys.exit(f"error: {name} also has {', '.join(added[:5])}")


def use_wheel(wheel: Path, folder: Path) -> None:
    """Installs the wheel into a new environment in an empty directory, and uses it there."""
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    jaxgan = str(folder / "venv" / "bin" / "jaxgan")

    def run(*command: str, cwd: Path = folder) -> str:
        print("$", *command[:4], flush=True)
        done = subprocess.run(command, cwd=cwd, text=True, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"error: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, str(wheel))
    (folder / "library.py").write_text(LIBRARY)
    print(run(python, "library.py").splitlines()[-1])
    run(*pip, f"{wheel}[run]")
    page = (ROOT / "docs" / "guides" / "command_line.md").read_text()
    (folder / "my_experiment.py").write_text(first_code(page))
    options = ("--dataset", "digits", "--steps", "2", "--data-dir", "data", "--workdir", "runs/my")
    run(python, "-m", "my_experiment", *options)
    run(jaxgan, "sample", "runs/my", "--out", "samples.png")
    run(jaxgan, "export", "runs/my", "--out", "exported")
    (folder / "load.py").write_text(first_code((folder / "exported" / "README.md").read_text()))
    run(python, "load.py")


def first_code(page: str) -> str:
    """Returns the first Python block of a Markdown page."""
    found = re.search(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


if __name__ == "__main__":
    main()
