"""The reference covers every public name; the architecture page has the enforced layers."""

import importlib
import re

import pytest

from jaxgan import augment, errors, losses, optimizers, penalties, priors
from tests.helpers.layers import LAYERS
from tests.helpers.programs import ROOT

DOCS = ROOT / "docs"
DIRECTIVE = re.compile(r"^\.\. (?:auto\w+|py:\w+):: (jaxgan[\w.]*)$", re.MULTILINE)
ENTRIES = [
    name for page in (DOCS / "api").glob("*.md") for name in DIRECTIVE.findall(page.read_text())
]
PACKAGES = (
    "data",
    "diagnostics",
    "distributed",
    "dynamics",
    "evaluation",
    "export",
    "metrics",
    "models",
    "plotting",
    "report",
    "training",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_reference_has_every_exported_name(package):
    names = importlib.import_module(f"jaxgan.{package}").__all__
    assert {f"jaxgan.{package}.{name}" for name in names} - set(ENTRIES) == set()


def test_reference_has_every_name_of_the_top_package():
    import jaxgan

    elsewhere = {"Callbacks", "TrainOptions", "train"}  # under jaxgan.training
    assert {f"jaxgan.{name}" for name in set(jaxgan.__all__) - elsewhere} <= {*ENTRIES}
    assert {f"jaxgan.training.{name}" for name in elsewhere} <= {*ENTRIES}


@pytest.mark.parametrize("module", [losses, penalties, augment, priors, optimizers])
def test_reference_has_every_function_of_the_core(module):
    functions = {
        f"{module.__name__}.{name}"
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
        if not name.startswith("_")
    }
    assert functions - {*ENTRIES} <= {"jaxgan.priors.check_dim"}


def test_reference_has_every_loss():
    page = (DOCS / "api/losses.md").read_text()
    for name, value in vars(losses).items():
        if isinstance(value, losses.GANLoss):
            halves = (value.discriminator.__name__, value.generator.__name__)
            probability = "none" if value.probability is None else "sigmoid"
            row = f"| `losses.{name}` | `{halves[0]}` | `{halves[1]}` | {probability} |"
            assert row in page


def test_reference_entries_are_unique_and_exist():
    assert len(ENTRIES) == len(set(ENTRIES))
    for entry in set(ENTRIES):
        parts = entry.split(".")
        module, names = importlib.import_module(parts[0]), parts[1:]
        for depth, name in enumerate(names, 2):
            if not hasattr(module, name):
                importlib.import_module(".".join(parts[:depth]))
            module = getattr(module, name)
    assert errors.JaxganError.__doc__


def test_architecture_lists_the_layers():
    page = (DOCS / "architecture.md").read_text()
    table = page.partition("| layer | content |")[2].partition("\n\n")[0]
    rows = [
        set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines() if "`" in row
    ]
    assert rows == [{"experiments"}, *(set(layer) for layer in reversed(LAYERS))]
