import dataclasses
import json
import shutil

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan
from jaxgan.errors import ConfigError
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.config_file import (
    describe_training,
    package_versions,
    read_config,
    write_config,
)
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from jaxgan.training.program import make_program
from tests.helpers.networks import SHAPE, small_gan, tiny_gan, tiny_source

GAN, SOURCE = tiny_gan(), tiny_source()
SILENT = Callbacks(progress=None)


def test_train_writes_its_options_the_batch_and_the_versions_to_config_json(tmp_path):
    options = TrainOptions(steps=1, seed=np.int64(3), keep_every=4)
    train(GAN, SOURCE, tmp_path, options, SILENT)
    config = json.loads((tmp_path / "config.json").read_text())
    expected = {
        "options": dataclasses.asdict(options),
        "batch": {"real": {"shape": [8, *SHAPE], "dtype": "float32"}, "condition": None},
        "x64": False,
    }
    assert {name: config["train"][name] for name in expected} == expected
    assert config["versions"] == package_versions()
    assert config.keys() == {"train", "versions"}


def test_train_keeps_the_other_sections_of_config_json(tmp_path):
    versions = {"jaxgan": "0.2.0", "jax": "0.1"}
    write_config(tmp_path, {"experiment": "toy", "data": {"name": "x"}, "versions": versions})
    train(GAN, SOURCE, tmp_path, TrainOptions(steps=1), SILENT)
    config = read_config(tmp_path)
    assert list(config) == ["experiment", "data", "versions", "train"]
    assert config["experiment"] == "toy"
    assert config["data"] == {"name": "x"}
    assert config["versions"] == package_versions()
    train(GAN, SOURCE, tmp_path, TrainOptions(steps=2), SILENT)
    config = read_config(tmp_path)
    assert config["experiment"] == "toy"
    assert config["train"]["options"]["steps"] == 2


def test_train_saves_the_content_of_config_json_with_each_checkpoint(tmp_path):
    train(GAN, SOURCE, tmp_path, TrainOptions(steps=1), SILENT)
    shapes = jax.eval_shape(GAN.init, jax.random.key(0), jnp.zeros((1, *SHAPE)))
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        _, record = checkpoints.restore(1, shapes)
    assert record == read_config(tmp_path)


def test_train_refuses_the_workdir_of_jaxgan_0_1_0_and_leaves_its_logs(tmp_path):
    text = json.dumps({"experiment": "toy", "versions": {"jaxgan": "0.1.0"}})
    (tmp_path / "config.json").write_text(text)
    log = '{"step": 1, "d_loss": 1.0}\n'
    (tmp_path / "metrics.jsonl").write_text(log)
    message = r"contains a run of jaxgan 0\.1\.0, which this release cannot read; use another"
    with pytest.raises(ConfigError, match=message):
        train(GAN, SOURCE, tmp_path, TrainOptions(steps=1), SILENT)
    assert (tmp_path / "config.json").read_text() == text
    assert (tmp_path / "metrics.jsonl").read_text() == log


def test_train_writes_config_json_again_if_it_was_removed(tmp_path):
    train(GAN, SOURCE, tmp_path / "run", TrainOptions(steps=1), SILENT)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    (tmp_path / "copy" / "config.json").unlink()
    train(GAN, SOURCE, tmp_path / "copy", TrainOptions(steps=1), SILENT)
    assert read_config(tmp_path / "copy") == read_config(tmp_path / "run")


def test_read_config_returns_what_write_config_wrote(tmp_path):
    assert read_config(tmp_path) is None
    config = {"b": [1, 2.5], "a": {"x": None}, "versions": {"jaxgan": "7.0"}}
    write_config(str(tmp_path), config)
    assert read_config(str(tmp_path)) == config
    assert list(read_config(tmp_path)) == ["b", "a", "versions"]


@pytest.mark.parametrize(
    "remove",
    [
        ("options", "num_seeds"),
        ("batch", "condition"),
        ("batch", "real", "dtype"),
        ("source", "functions"),
        ("gan",),
    ],
)
def test_read_config_refuses_an_incomplete_section(tmp_path, remove):
    program = make_program(GAN, SOURCE, TrainOptions(steps=1))
    config = describe_training(program, TrainOptions(steps=1))
    write_config(tmp_path, config)
    assert read_config(tmp_path) == config
    *path, name = remove
    section = config["train"]
    for key in path:
        section = section[key]
    del section[name]
    write_config(tmp_path, config)
    with pytest.raises(ConfigError, match=rf"config\.json is corrupt \(.*{name}.*\); repair it"):
        read_config(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "{}", '{"versions": 1}'])
def test_read_config_refuses_a_corrupt_file(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    message = r"config\.json is corrupt \(.*\); repair it, or start over with --overwrite"
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path)


def test_describe_training_describes_conditions_and_64_bit_types():
    options = TrainOptions(steps=1)
    source = tiny_source(labels=(np.arange(40) % 10).astype(np.int32))
    program = make_program(small_gan(), source, options)
    assert describe_training(program, options)["train"]["batch"] == {
        "real": {"shape": [8, *SHAPE], "dtype": "float32"},
        "condition": {"shape": [8], "dtype": "int32"},
    }
    with jax.enable_x64(True):
        assert describe_training(program, options)["train"]["x64"] is True


def test_package_versions_are_those_that_are_imported():
    assert package_versions() == {
        "jaxgan": jaxgan.__version__,
        "jax": jax.__version__,
        "flax": flax.__version__,
        "optax": optax.__version__,
    }
