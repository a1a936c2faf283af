"""The Python code of the documentation runs, and its commands exist."""

import dataclasses
import importlib.util
import inspect
import re
import shlex
import sys

import jax
import jax.numpy as jnp
import pytest

from jaxgan import cli, evaluation
from tests.helpers.pages import BLOCK, run_page
from tests.helpers.programs import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SHELL_BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MODULE = re.compile(r"python -m ([\w.]+)")
SUBCOMMAND = re.compile(r"`jaxgan ([a-z]+)")  # in blocks, `config_type_of` finds them
# Pages whose code takes long to compile: it runs with --full.
LONG_PAGES = [
    f"guides/{name}"
    for name in ("populations", "dynamics", "latent_space", "devices", "classes", "own_networks")
]
# The module that the command line guide tells the reader to write.
WRITTEN_BY_THE_READER = "my_experiment"


def page_id(path):
    """Returns the name of a page for the test report."""
    return str(path.relative_to(DOCS).with_suffix(""))


def pages_matching(pattern, long_pages=()):
    """Returns parameters: the pages whose text contains a pattern, `long_pages` marked `stress`."""
    pages = {page_id(path): path for path in PAGES if pattern.search(path.read_text())}
    marks = {name: pytest.mark.stress for name in long_pages}
    return [pytest.param(path, id=name, marks=marks.get(name, ())) for name, path in pages.items()]


def read_commands(path):
    """Returns the commands in the shell blocks of a page, each as a list of words."""
    blocks = "\n".join(SHELL_BLOCK.findall(path.read_text())).replace("\\\n", " ")
    return [words for line in blocks.splitlines() if (words := shlex.split(line, comments=True))]


def config_type_of(words):
    """Returns the class with the options of a command; None if it is not one of the project's."""
    words = words[words.index("srun") + 1 :] if "srun" in words else words
    if words[0] == "jaxgan":
        return cli.SUBCOMMANDS[words[1]].Config
    if words[:2] == ["python", "-m"] and words[2] != WRITTEN_BY_THE_READER:
        return importlib.import_module(words[2]).Config
    return None


def make_brightness_evaluator(network, data, num_samples=None, *, cache=None):
    """Returns an evaluator in place of that of `make_evaluator`, which takes 20 s to compile.

    Every score is the mean of the samples. The real one has tests of its own.
    """
    del network, cache

    def compute_scores(samples):
        assert samples.shape == (num_samples, *data.images.shape[1:])
        return dict.fromkeys(evaluation.SCORES, float(jnp.mean(samples)))

    fields = dict.fromkeys(evaluation.Evaluator._fields) | {
        "num_samples": num_samples,
        "compute_scores": compute_scores,
        "real_baseline": {name: [0.0, 1.0] for name in evaluation.SCORES},
    }
    return evaluation.Evaluator(**fields)


@pytest.fixture
def page_variables(tmp_path, monkeypatch):
    """Returns the names that a page takes as given; the page runs in a temporary directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, replacement in {
        "load_or_train_classifier": lambda name, data_dir, progress_fn=None, *, data=None: None,
        "make_evaluator": make_brightness_evaluator,
    }.items():
        parameters = inspect.signature(getattr(evaluation, name)).parameters
        assert inspect.signature(replacement).parameters.keys() <= parameters.keys()
        monkeypatch.setattr(evaluation, name, replacement)
    keys = jax.random.split(jax.random.key(0))
    names = ("real_features", "fake_features")
    features = {n: jax.random.normal(k, (32, 4)) for n, k in zip(names, keys, strict=True)}
    return {"metrics": features}


def option_name(field):
    """Returns the name of a field's option, which its annotation may set."""
    names = [
        getattr(argument, "name", None) for argument in getattr(field.type, "__metadata__", ())
    ]
    return next(filter(None, names), field.name)


@pytest.mark.parametrize("path", pages_matching(BLOCK, LONG_PAGES))
def test_page_code_runs(path, page_variables):
    run_page(path, shorten=True, **page_variables.get(page_id(path), {}))


@pytest.mark.parametrize("path", pages_matching(MODULE))
def test_page_modules_exist(path):
    for name in set(MODULE.findall(path.read_text())) - {WRITTEN_BY_THE_READER}:
        assert importlib.util.find_spec(name) is not None, name


@pytest.mark.parametrize("path", pages_matching(SUBCOMMAND))
def test_page_subcommands_exist(path):
    assert set(SUBCOMMAND.findall(path.read_text())) <= cli.SUBCOMMANDS.keys()


@pytest.mark.parametrize("path", pages_matching(SHELL_BLOCK))
def test_page_options_exist(path):
    for words in read_commands(path):
        if (config_type := config_type_of(words)) is None:
            continue
        fields = {option_name(f): f.type for f in dataclasses.fields(config_type)}
        for option in (word for word in words if word.startswith("--")):
            name = option.removeprefix("--").replace("-", "_")
            negated = fields.get(name.removeprefix("no_")) is bool
            assert option == "--help" or name in fields or negated, (words, option)


def test_option_groups_of_the_command_line_page_are_those_of_the_help():
    from experiments import mnist_cnn
    from jaxgan.runs.option_groups import GROUPS, group_of

    page = (DOCS / "guides/command_line.md").read_text()
    rows = dict(re.findall(rf"^\| ({'|'.join(GROUPS)}) \| (.*) \|$", page, re.MULTILINE))
    assert rows.keys() == GROUPS.keys()
    fields = {f.name for f in dataclasses.fields(mnist_cnn.Config)}
    for group, text in rows.items():
        names = {n.replace("-", "_") for n in re.findall(r"`--(?:no-)?([\w-]+)`", text)}
        assert {group_of(name) for name in names} == {group}
        if group != "optimization":
            assert names >= {name for name in fields if group_of(name) == group}


def test_experiment_of_the_command_line_page_trains(tmp_path, monkeypatch, command, offline):
    code = BLOCK.search((DOCS / "guides/command_line.md").read_text())[1]
    (tmp_path / f"{WRITTEN_BY_THE_READER}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, WRITTEN_BY_THE_READER, raising=False)
    module = importlib.import_module(WRITTEN_BY_THE_READER)
    options = ("--preset", "wide", "--dataset", "digits", "--num-seeds", 2, "--steps", 1)
    status, output, error = command(module.main, *options, "--workdir", tmp_path / "run")
    assert status == 0, error
    assert "Finished at step 1" in output


def test_files_that_pages_name_exist():
    for path in PAGES:
        text = path.read_text()
        for link in re.findall(r"\]\(([\w./-]+\.\w+)(?:#[\w-]+)?\)", text):
            assert (path.parent / link).is_file(), (page_id(path), link)
        for command in re.findall(r"`pytest ([^`]+)", text):
            for name in command.removesuffix(" --full").split():
                assert (ROOT / name).is_file(), (page_id(path), name)


def test_every_figure_is_shown_on_a_page():
    text = "".join(path.read_text() for path in PAGES)
    figures = {path.name for kind in ("png", "gif") for path in DOCS.rglob(f"*.{kind}")}
    assert figures
    assert [name for name in sorted(figures) if name not in text] == []


def test_every_page_is_in_a_toctree():
    named = set()
    for path in PAGES:
        for entries in re.findall(r"^```{toctree}\n(.*?)^```", path.read_text(), re.M | re.S):
            lines = (line for line in entries.split() if not line.startswith(":"))
            named |= {(path.parent / f"{line}.md").resolve() for line in lines}
    assert {path.resolve() for path in PAGES} - named == {(DOCS / "index.md").resolve()}
