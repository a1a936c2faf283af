"""Whatever a public function is given, it works or refuses it by an error of ours."""

import dataclasses
import importlib
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxgan import losses, optimizers, penalties, priors
from jaxgan.data.mixture import MIXTURES
from jaxgan.data.sources import array_source
from jaxgan.metrics import classes, frechet, kernel, mixture, neighbors, parabola, ssim
from jaxgan.training import metric_log
from tests.helpers.fuzzing import outcome
from tests.helpers.networks import small_gan

SIZES = st.integers(0, 6) | st.sampled_from((1, 2, 12, 15))
SHAPES = st.lists(SIZES, max_size=4).map(tuple)
DTYPES = st.sampled_from(
    ("float32", "bfloat16", "float16", "float64", "int32", "uint8", "bool", "complex64")
)
ARRAYS = st.builds(jax.ShapeDtypeStruct, SHAPES, DTYPES.map(jax.dtypes.canonicalize_dtype))
LOSSES = {
    f"{name}.{player}": getattr(pair, player)
    for name, pair in vars(losses).items()
    if isinstance(pair, losses.GANLoss)
    for player in ("discriminator", "generator")
}
METRICS = {
    "frechet.moments": (frechet.feature_moments, 1),
    "kernel.distance": (kernel.kernel_distance, 2),
    "classes.score": (classes.classifier_score, 1),
    "classes.divergence": (classes.kl_divergence, 2),
    "neighbors.nearest": (partial(neighbors.nearest_neighbors, k=1), 2),
    "neighbors.precision_recall": (neighbors.precision_recall, 2),
    "neighbors.density_coverage": (neighbors.density_coverage, 2),
    "mixture.scores": (partial(mixture.mixture_scores, mixture=MIXTURES["ring"]), 1),
    "parabola.distance": (parabola.parabola_distance, 1),
    "ssim.similarity": (ssim.ssim, 2),
}


@pytest.fixture
def tries(count):
    """Of hypothesis: a test's own function, with so many examples."""
    return lambda few, many: settings(
        max_examples=count(few, many),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def shapes_of(function, *arguments):
    """What it would give, by shape and dtype, or None where it is refused."""
    return outcome(jax.eval_shape, function, *arguments)[0]


def floating(array):
    return jnp.issubdtype(array.dtype, jnp.floating)


def test_losses_take_logits_and_nothing_else(tries):
    @tries(150, 3_000)
    @given(st.sampled_from(sorted(LOSSES)), ARRAYS, ARRAYS)
    def check(name, real, fake):
        found = shapes_of(LOSSES[name], real, fake)
        right = all(x.ndim == 1 and x.size and floating(x) for x in (real, fake))
        if found is None:
            assert not right or real.shape != fake.shape
        else:
            assert right
            assert found.shape == ()
            assert floating(found)

    check()


def test_metrics_give_floating_numbers_or_refuse(tries):
    @tries(100, 1_000)
    @given(
        st.sampled_from(sorted(METRICS)), st.lists(ARRAYS, min_size=2, max_size=2), st.booleans()
    )
    def check(name, arrays, alike):
        function, num = METRICS[name]
        arrays = [arrays[0], arrays[0] if alike else arrays[1]][:num]
        found = shapes_of(function, *arrays)
        if found is not None:
            assert all(floating(x) or x.dtype == jnp.int32 for x in jax.tree.leaves(found))
            assert name == "classes.divergence" or all(floating(x) for x in arrays)

    check()


def test_steps_take_what_they_were_made_for(tries):
    gan = small_gan(penalty=penalties.gradient_penalty())
    state = jax.eval_shape(gan.init, jax.random.key(0), jnp.zeros((1, 6, 6, 1)))
    keys = st.sampled_from(
        (jax.eval_shape(jax.random.key, 0), jax.ShapeDtypeStruct((2,), jnp.uint32))
    )
    shapes = st.sampled_from(
        ((4, 6, 6, 1), (4, 6, 6), (4, 6, 6, 2), (6, 6, 1), (4, 36), (0, 6, 6, 1), (), (1, 6, 6, 1))
    )
    reals = st.builds(jax.ShapeDtypeStruct, shapes, DTYPES.map(jax.dtypes.canonicalize_dtype))

    @tries(20, 200)
    @given(st.sampled_from(("d_step", "g_step", "step")), keys, reals)
    def check(name, key, real):
        found = shapes_of(getattr(gan, name), state, real, key)
        right = (
            floating(real)
            and real.shape in ((4, 6, 6, 1), (1, 6, 6, 1))
            and key.dtype != jnp.uint32
        )
        assert (found is not None) == right

    check()


def test_sources_priors_and_optimisers_refuse_what_they_cannot_use(tries):
    numbers = st.integers(-3, 12)

    @tries(200, 2_000)
    @given(SHAPES, st.sampled_from(("uint8", "float32", "int64")), numbers, numbers)
    def check(shape, dtype, batch_size, repeats):
        images = np.zeros(shape, dtype)
        for make in (
            partial(array_source, images, batch_size, repeats=repeats),
            partial(priors.normal, batch_size),
            partial(priors.uniform, batch_size),
            partial(optimizers.clip_weights, float(batch_size)),
            partial(penalties.subsample, penalties.r1(1.0), batch_size),
        ):
            found, said = outcome(make)
            assert found is not None or len(said) > 20

    check()


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
)


@pytest.mark.parametrize(
    "name", ["parabola", "mnist_mlp", "mnist_mlp_bce", "mnist_cnn", "mnist_wgan", "mixture"]
)
def test_settings_that_were_damaged_are_refused(name, tries):
    config = importlib.import_module(f"experiments.{name}").Config
    defaults = json.loads(json.dumps(dataclasses.asdict(config()), default=str))

    @tries(50, 1_000)
    @given(st.sampled_from([*sorted(defaults), "unknown"]), VALUES)
    def check(field, value):
        found, said = outcome(config.config_from_json, config, defaults | {field: value})
        if found is None:
            assert field in said or "seed" in said
        else:
            kept = json.loads(json.dumps(dataclasses.asdict(found), default=str))
            assert kept == defaults | {
                field: str(Path(value)) if field in ("workdir", "data_dir") else value
            }

    check()


def test_records_that_were_damaged_are_refused(tries, tmp_path):
    lines = [json.dumps({"step": i, "d_loss": 0.5 * i}) for i in range(1, 6)]
    whole = ("\n".join(lines) + "\n").encode()
    path = tmp_path / "metrics.jsonl"

    @tries(200, 2_000)
    @given(st.integers(0, len(whole) - 1), st.integers(0, 255))
    def check(place, byte):
        path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        for read in (
            lambda: metric_log.truncate_after(path, 3),
            lambda: metric_log.read_columns(path),
        ):
            found, said = outcome(read)
            assert not said or str(path) in said
            assert not found or "step" in found

    check()
