"""Exports of a generator: their functions, weights and records, and what is refused."""

import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxgan import cli, models, priors
from jaxgan.errors import ConfigError
from jaxgan.export import export_run
from jaxgan.models.layers import conv, conv_transpose
from jaxgan.runs.loading import Run
from tests.helpers.networks import SHAPE, real_batch, tiny_gan

SEED = 3
# Modules that must not be needed to load an export.
HIDE_PACKAGES = "import sys; sys.modules |= dict.fromkeys(['jaxgan', 'flax', 'optax', 'orbax'])\n"


class Convolutions(nn.Module):
    """A generator with every form of convolution that `fast_conv` chooses on CPUs."""

    @nn.compact
    def __call__(self, z, *, train):
        x = nn.Dense(2 * 3 * 16)(z).reshape(-1, 2, 3, 16)
        x = conv_transpose(x, 16, (4, 4), (2, 2))  # the kernel is larger than the input
        x = conv_transpose(x, 16, (4, 4), (2, 2))[:, :6, :6]  # strided
        x = conv(nn.relu(x), 16, (3, 3), "SAME")  # Toom-Cook
        return jnp.tanh(conv(nn.relu(x), 1, (5, 5), "SAME"))  # a banded matrix


class NeedsBatchSize(nn.Module):
    """A generator that cannot be traced if the batch size is unknown."""

    @nn.compact
    def __call__(self, z, *, train):
        return nn.Dense(36)(z).reshape(len(z), *SHAPE)


class CallsPython(nn.Module):
    """A generator that calls Python when it runs."""

    @nn.compact
    def __call__(self, z, *, train):
        x = nn.Dense(36)(z).reshape(-1, *SHAPE)
        return jax.pure_callback(np.tanh, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


def make_run(condition=None, data=None, **changes):
    """Returns a run of an untrained GAN, as `load_run` would return it."""
    gan = tiny_gan(**changes)
    state = gan.init(jax.random.key(0), real_batch(), condition)
    batch = {"condition": None}
    if condition is not None:
        batch["condition"] = {"shape": list(condition.shape), "dtype": str(condition.dtype)}
    return Run(gan, state, 7, {"train": {"batch": batch}} | ({"data": data} if data else {}))


def load(folder, name="generate"):
    """Returns an exported function, deserialized anew."""
    return jax.export.deserialize(bytearray((folder / f"{name}.jax_export").read_bytes())).call


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Returns a run with a moving average, and the directory of its export."""
    run, folder = make_run(ema_half_life=50.0), tmp_path_factory.mktemp("export")
    ema = jax.tree.map(lambda x: x + 0.1, run.state.g_ema)
    run = run._replace(state=run.state.replace(g_ema=ema))
    export_run(run, folder, num=5, scores={"scores.jsonl": {"frechet_distance": 3.0}})
    return run, folder


def test_generate_takes_any_batch_size_and_equals_the_moving_average(exported):
    run, folder = exported
    for num in (1, 6):
        z = run.gan.prior(jax.random.key(SEED), num)
        samples = load(folder)(z)
        assert (samples.shape, samples.dtype) == ((num, *SHAPE), jnp.float32)
        np.testing.assert_array_equal(samples, load(folder)(z))
        np.testing.assert_allclose(samples, run.gan.generate(run.state.g_ema, z), atol=1e-6)


def test_sample_draws_the_samples_of_the_run(exported):
    run, folder = exported
    samples = load(folder, "sample")(jax.random.key(SEED))
    np.testing.assert_allclose(samples, run.sample(jax.random.key(SEED), 5), atol=1e-6)


def test_weights_are_named_by_their_paths(exported):
    run, folder = exported
    with np.load(folder / "weights.npz") as weights:
        assert sorted(weights) == [
            f"params/Dense_{i}/{name}" for i in range(2) for name in ("bias", "kernel")
        ]
        np.testing.assert_array_equal(
            weights["params/Dense_0/kernel"], run.state.g_ema["params"]["Dense_0"]["kernel"]
        )


def test_record_describes_the_functions(exported):
    record = json.loads((exported[1] / "export.json").read_text())
    assert record["platforms"] == ["cpu", "cuda", "tpu"]
    generate = record["functions"]["generate.jax_export"]
    assert generate["inputs"] == [{"name": "z", "shape": ["batch", 8], "dtype": "float32"}]
    assert generate["output"] == {"shape": ["batch", *SHAPE], "dtype": "float32"}
    assert record["functions"]["sample.jax_export"]["output"]["shape"] == [5, *SHAPE]
    assert (record["step"], record["moving_average"]) == (7, True)
    assert (record["prior"], record["range"]) == ("jaxgan.priors.uniform", [-1, 1])
    assert record["scores"] == {"scores.jsonl": {"frechet_distance": 3.0}}
    assert record["difference"] <= 1e-6
    assert record["versions"]["jax"] == jax.__version__


def test_conditional_export_takes_classes(tmp_path):
    data = {"class_names": ["a", "b", "c"], "class_counts": [0, 5, 5], "path": "/home/me/images"}
    run = make_run(
        jnp.zeros(8, jnp.int32),
        {"name": "abc", "shape": [*SHAPE]} | data,
        generator=models.MLPGenerator(shape=SHAPE, widths=(8,), num_classes=3),
        discriminator=models.MLPDiscriminator(widths=(8,), num_classes=3),
    )
    record = export_run(run, tmp_path, num=6)
    z, classes = run.gan.prior(jax.random.key(SEED), 3), jnp.arange(3)
    expected = run.gan.generate(run.state.g.variables, z, classes)
    np.testing.assert_allclose(load(tmp_path)(z, classes), expected, atol=1e-6)
    samples = load(tmp_path, "sample")(jax.random.key(SEED))
    np.testing.assert_allclose(samples, run.sample(jax.random.key(SEED), 6), atol=1e-6)
    assert record["functions"]["generate.jax_export"]["inputs"][1]["name"] == "class"
    assert record["classes"] == ["a", "b", "c"]
    assert record["data"] == {"name": "abc", "shape": [*SHAPE], "class_counts": [0, 5, 5]}


def test_export_of_every_form_of_convolution(tmp_path):
    run = make_run(generator=Convolutions(), prior=priors.normal(4))
    export_run(run, tmp_path, num=1)
    z = run.gan.prior(jax.random.key(SEED), 3)
    expected = run.gan.generate(run.state.g.variables, z)
    np.testing.assert_allclose(load(tmp_path)(z), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (NeedsBatchSize(), r"as a function of z \[batch, 8\]: .*use x\.shape\[0\] instead of len"),
        (CallsPython(), r"Python callbacks, .* cannot be exported"),
    ],
)
def test_export_refuses_generators_that_cannot_be_exported(tmp_path, generator, message):
    with pytest.raises(ConfigError, match=message):
        export_run(make_run(generator=generator), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_export_refuses_weights_that_are_not_finite(tmp_path):
    run = make_run()
    params = jax.tree.map(lambda x: x * jnp.nan, run.state.g.params)
    run = run._replace(state=run.state.replace(g=run.state.g.replace(params=params)))
    with pytest.raises(ConfigError, match=r"params/.* of the generator at step 7 is not finite"):
        export_run(run, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_export_refuses_other_directories_and_numbers(exported, tmp_path):
    run, _ = exported
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"contains other files \(notes\.txt\)"):
        export_run(run, tmp_path)
    with pytest.raises(ConfigError, match="which is a file"):
        export_run(run, tmp_path / "notes.txt")
    with pytest.raises(ConfigError, match="num is 0, expected at least 1"):
        export_run(run, tmp_path / "new", num=0)


def read_code(folder):
    """Returns the code of an export's README."""
    return re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]


def test_readme_loads_the_export_with_jax_alone(exported):
    run, folder = exported
    code = HIDE_PACKAGES + read_code(folder) + "import numpy; numpy.save('samples.npy', samples)\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    z = jax.random.uniform(jax.random.key(1), (16, 8), minval=-1, maxval=1)
    expected = run.gan.generate(run.state.g_ema, z)
    np.testing.assert_allclose(np.load(folder.parent / "samples.npy"), expected, atol=1e-6)


def test_readme_names_the_versions_if_jax_cannot_load_the_export(exported, monkeypatch):
    def refuse(serialized):
        raise ValueError("older than the compatibility window")

    _, folder = exported
    monkeypatch.setattr(jax.export, "deserialize", refuse)
    monkeypatch.chdir(folder.parent)
    version = re.escape(jax.__version__)
    message = (
        rf"sample.jax_export was exported with JAX {version}, and JAX {version} cannot load it"
    )
    with pytest.raises(RuntimeError, match=rf"{message}; export the run again \(older than"):
        exec(read_code(folder), {})


def test_command_exports_a_run_with_its_scores(command, exported, tmp_path, monkeypatch):
    run, _ = exported
    monkeypatch.setattr(cli.export, "load_run_with_precision", lambda workdir, step, member: run)
    (tmp_path / "scores.jsonl").write_text('{"step": 2, "fd": 9.0}\n{"step": 7, "fd": 5.0}\n')
    evaluation = {"step": 7, "member": 0, "num_draws": 3, "evaluator": {}, "real_baseline": {}}
    evaluation |= {"generators": {"generator": {"fd": [1.0]}, "average": {"fd": [2.0]}}}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    status, output, error = command(cli.main, "export", tmp_path, "--num", 5)
    assert (status, error) == (0, "")
    assert "Exported the moving average of the generator at step 7" in output
    assert "six months newer than" in output
    scores = json.loads((tmp_path / "export" / "export.json").read_text())["scores"]
    assert scores["scores.jsonl"] == {"fd": 5.0}
    assert scores["evaluation.json"]["scores"] == {"fd": [2.0]}


def test_command_refuses_two_checkpoints(command, tmp_path):
    status, _, error = command(cli.main, "export", tmp_path, "--best", "--step", 3)
    assert status == 2
    assert "--best and --step 3 are both given" in " ".join(error.replace("│", "").split())
