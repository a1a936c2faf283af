"""Groups of options in the help of an experiment."""

import dataclasses

import pytest

from experiments import mixture, mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan, parabola
from jaxgan.runs import option_groups
from jaxgan.runs.command_line import parse_cli
from jaxgan.runs.config import RunConfig, is_option
from jaxgan.training import TrainOptions

EACH_EXPERIMENT = pytest.mark.parametrize(
    "config_type",
    [module.Config for module in (mixture, mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan)]
    + [parabola.Config],
    ids=lambda config_type: config_type.__module__,
)


@dataclasses.dataclass(frozen=True)
class Options:
    """Options with a docstring of two lines."""

    width: int = 1
    """Width of the layers, which are
    dense."""


def test_set_help_joins_the_lines_of_docstrings():
    option_groups.set_help(Options)
    (field,) = dataclasses.fields(Options)
    assert field.metadata["help"] == "Width of the layers, which are dense."


@EACH_EXPERIMENT
def test_field_docs_describe_every_field(config_type):
    docs = option_groups.field_docs(config_type)
    for field in dataclasses.fields(config_type):
        assert len(docs[field.name]) > 10, field.name


@EACH_EXPERIMENT
def test_make_grouped_type_has_every_field_once_with_its_default(config_type):
    for preset in (config_type().preset, *config_type.presets):
        config = config_type.from_preset(preset)
        grouped = option_groups.make_grouped_type(config)
        assert [field.name for field in dataclasses.fields(grouped)] == [*option_groups.GROUPS]
        sections = [getattr(grouped(), group) for group in option_groups.GROUPS]
        names = [field.name for section in sections for field in dataclasses.fields(section)]
        assert sorted(names) == sorted(
            f.name for f in dataclasses.fields(config_type) if is_option(f)
        )
        assert config_type(**option_groups.flatten_groups(grouped())) == config


def test_groups_name_existing_options():
    configs = (mixture.Config, mnist_cnn.Config, parabola.Config, TrainOptions)
    names = {field.name for config in configs for field in dataclasses.fields(config)}
    assert {name for group in option_groups.GROUPS.values() for name in group} <= names


def test_group_of_an_option_that_is_not_named_is_optimization():
    assert option_groups.group_of("learning_rate") == "optimization"
    assert option_groups.group_of("seed") == "run"


def test_options_of_a_class_without_source_code_have_no_help():
    config_type = dataclasses.make_dataclass(
        "Config", [("size", int, 3)], bases=(RunConfig,), frozen=True, kw_only=True
    )
    assert "size" not in option_groups.field_docs(config_type)
    assert "seed" in option_groups.field_docs(config_type)
    config = parse_cli(config_type, ["--size", "5", "--workdir", "runs/x"])
    assert (config.size, str(config.workdir)) == (5, "runs/x")
