"""What the README says is true of the repository."""

import re

import pytest

from jaxgan import losses, penalties
from tests.helpers.pages import run_page
from tests.helpers.programs import ROOT

PATH = ROOT / "README.md"
README = PATH.read_text()


def test_readme_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_page(PATH, shorten=True)
    assert names["samples"].shape == (64, 28, 28, 1)
    assert names["run"].step == names["step"] == 4
    assert (tmp_path / "runs" / "mine" / "checkpoints" / "4").is_dir()
    state = names["mine"].init(names["jax"].random.key(0), names["jnp"].zeros((2, 28, 28, 1)))
    real = names["jnp"].zeros((2, 28, 28, 1))
    _, metrics = names["mine"].step(state, real, names["jax"].random.key(1))
    assert metrics["d"]["finite"]


def test_readme_is_short():
    assert len(README.splitlines()) <= 130


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_readme_targets_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_readme_links_and_modules_exist():
    for path in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / path).is_file(), path
    for module in re.findall(r"python -m (\w[\w.]*\w)", README):
        if module != "experiments":
            assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module


def test_readme_lists_all_losses_and_penalties():
    rows = {row[0]: row[1] for row in re.findall(r"^\| (\w+) \| (.*) \|$", README, re.MULTILINE)}
    named = {name for name, value in vars(losses).items() if isinstance(value, losses.GANLoss)}
    assert named == set(rows["losses"].split(", "))
    for name in re.findall(r"\w+", re.sub(r"\(.*?\)", "", rows["penalties"])):
        assert hasattr(penalties, name), name


def test_readme_lists_all_experiments_with_presets():
    import importlib
    import typing

    for name, presets in re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", README, re.MULTILINE):
        config = importlib.import_module(f"experiments.{name}").Config
        assert typing.get_args(typing.get_type_hints(config)["preset"]) == tuple(
            presets.split(", ")
        )
