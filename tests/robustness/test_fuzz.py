"""Public functions return a result for any input, or refuse it by a `JaxganError`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxgan import losses, make_population, optimizers, penalties, priors
from jaxgan.data.mixture import MIXTURES
from jaxgan.data.sources import array_source
from jaxgan.data.streaming import streaming_source
from jaxgan.diagnostics import diagnose
from jaxgan.metrics import (
    classes,
    fidelity_diversity,
    frechet,
    kernel,
    mixture,
    neighbors,
    parabola,
    ssim,
)
from jaxgan.training.blocks import plan_blocks
from tests.helpers.fuzzing import call_or_refuse
from tests.helpers.networks import SHAPE, small_gan, tiny_gan

SIZES = st.integers(0, 6) | st.sampled_from((1, 2, 12, 15))
SHAPES = st.lists(SIZES, max_size=4).map(tuple)
DTYPES = st.sampled_from(
    ("float32", "bfloat16", "float16", "float64", "int32", "uint8", "bool", "complex64")
).map(jax.dtypes.canonicalize_dtype)
ARRAYS = st.builds(jax.ShapeDtypeStruct, SHAPES, DTYPES)
LOSSES = {
    f"{name}.{network}": getattr(pair, network)
    for name, pair in vars(losses).items()
    if isinstance(pair, losses.GANLoss)
    for network in ("discriminator", "generator")
}
# By name: the function, and how many arrays it takes.
METRICS = {
    "feature_moments": (frechet.feature_moments, 1),
    "kernel_distance": (kernel.kernel_distance, 2),
    "classifier_score": (classes.classifier_score, 1),
    "kl_divergence": (classes.kl_divergence, 2),
    "nearest_neighbors": (partial(neighbors.nearest_neighbors, k=1), 2),
    "precision_recall": (fidelity_diversity.precision_recall, 2),
    "density_coverage": (fidelity_diversity.density_coverage, 2),
    "mixture_scores": (partial(mixture.mixture_scores, mixture=MIXTURES["ring"]), 1),
    "parabola_distance": (parabola.parabola_distance, 1),
    "ssim": (ssim.ssim, 2),
}
BATCH_SIZE = 4


@pytest.fixture
def tries(count):
    """Returns hypothesis settings with a number of examples, the second with --full."""
    return lambda few, many: settings(
        max_examples=count(few, many),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def eval_shape(function, *arguments):
    """Returns shapes and dtypes of the result; None if the arguments are refused."""
    return call_or_refuse(jax.eval_shape, function, *arguments)[0]


def is_floating(array):
    return jnp.issubdtype(array.dtype, jnp.floating)


def test_losses_accept_logits_only(tries):
    @tries(150, 3_000)
    @given(st.sampled_from(sorted(LOSSES)), ARRAYS, ARRAYS)
    def check(name, real, fake):
        found = eval_shape(LOSSES[name], real, fake)
        valid = all(x.ndim == 1 and x.size and is_floating(x) for x in (real, fake))
        if found is None:
            assert not valid or real.shape != fake.shape
        else:
            assert valid
            assert found.shape == ()
            assert is_floating(found)

    check()


def test_metrics_return_floating_numbers_or_refuse(tries):
    pairs = st.lists(ARRAYS, min_size=2, max_size=2)

    @tries(100, 1_000)
    @given(st.sampled_from(sorted(METRICS)), pairs, st.booleans())
    def check(name, arrays, alike):
        function, num = METRICS[name]
        arrays = [arrays[0], arrays[0] if alike else arrays[1]][:num]
        found = eval_shape(function, *arrays)
        if found is not None:
            assert all(is_floating(x) or x.dtype == jnp.int32 for x in jax.tree.leaves(found))
            assert name == "kl_divergence" or all(is_floating(x) for x in arrays)

    check()


def test_steps_accept_keys_and_batches_of_the_data_only(tries):
    gan = small_gan(penalty=penalties.gradient_penalty())
    state = jax.eval_shape(gan.init, jax.random.key(0), jnp.zeros((1, *SHAPE)))
    keys = st.sampled_from(
        (jax.eval_shape(jax.random.key, 0), jax.ShapeDtypeStruct((2,), jnp.uint32))
    )
    shapes = st.sampled_from(
        ((4, 6, 6, 1), (4, 6, 6), (4, 6, 6, 2), (6, 6, 1), (4, 36), (0, 6, 6, 1), (), (1, 6, 6, 1))
    )
    reals = st.builds(jax.ShapeDtypeStruct, shapes, DTYPES)

    @tries(20, 200)
    @given(st.sampled_from(("d_step", "g_step", "step")), keys, reals)
    def check(name, key, real):
        found = eval_shape(getattr(gan, name), state, real, key)
        valid = (
            is_floating(real)
            and real.shape in ((4, 6, 6, 1), (1, 6, 6, 1))
            and key.dtype != jnp.uint32
        )
        assert (found is not None) == valid

    check()


def functions_of_conditions(gan, state):
    """Returns functions of a condition for a batch of `BATCH_SIZE`, by name."""
    key, real = jax.eval_shape(jax.random.key, 0), jax.ShapeDtypeStruct((BATCH_SIZE, *SHAPE), "f4")
    z = jax.eval_shape(partial(gan.prior, num=BATCH_SIZE), key)
    return {
        "init": lambda condition: eval_shape(gan.init, key, real, condition),
        "d_step": lambda condition: eval_shape(gan.d_step, state, real, key, condition),
        "g_step": lambda condition: eval_shape(gan.g_step, state, real, key, condition),
        "step": lambda condition: eval_shape(gan.step, state, real, key, condition),
        "sample": lambda condition: eval_shape(
            lambda s, k, c: gan.sample(s, k, BATCH_SIZE, c), state, key, condition
        ),
        "generate": lambda condition: eval_shape(gan.generate, state.g.variables, z, condition),
    }


CALLS = ("init", "d_step", "g_step", "step", "sample", "generate")


def test_conditional_networks_refuse_labels_of_another_length(tries):
    gan = small_gan()
    batch = (jnp.zeros((1, *SHAPE)), jnp.zeros(1, jnp.int32))
    functions = functions_of_conditions(gan, jax.eval_shape(gan.init, jax.random.key(0), *batch))
    shapes = st.lists(SIZES, max_size=1).map(tuple)
    dtypes = st.sampled_from(("int32", "uint8", "int16"))

    @tries(30, 300)
    @given(st.sampled_from(CALLS), st.builds(jax.ShapeDtypeStruct, shapes, dtypes))
    def check(name, condition):
        found = functions[name](condition)
        assert (found is not None) == (condition.shape == (BATCH_SIZE,))

    check()


def test_conditional_networks_never_accept_labels_of_another_dtype_silently(tries):
    """The length is checked first; the dtype is checked by the layers of the network."""
    gan = small_gan()
    batch = (jnp.zeros((1, *SHAPE)), jnp.zeros(1, jnp.int32))
    functions = functions_of_conditions(gan, jax.eval_shape(gan.init, jax.random.key(0), *batch))

    @tries(20, 200)
    @given(st.sampled_from(CALLS), SIZES, st.sampled_from(("float32", "bool", "complex64")))
    def check(name, size, dtype):
        condition = jax.ShapeDtypeStruct((size,), dtype)
        if size != BATCH_SIZE:
            assert functions[name](condition) is None
            return
        with pytest.raises(ValueError, match="integer"):  # Flax's, of nn.Embed
            functions[name](condition)

    check()


def test_unconditional_networks_refuse_labels(tries):
    gan = tiny_gan()
    state = jax.eval_shape(gan.init, jax.random.key(0), jnp.zeros((1, *SHAPE)))
    functions = functions_of_conditions(gan, state)

    @tries(20, 200)
    @given(st.sampled_from(CALLS), st.none() | ARRAYS)
    def check(name, condition):
        assert (functions[name](condition) is not None) == (condition is None)

    check()


def test_sources_priors_and_optimizers_refuse_bad_numbers(tries):
    numbers = st.integers(-3, 12)

    @tries(200, 2_000)
    @given(SHAPES, st.sampled_from(("uint8", "float32", "int64")), numbers, numbers)
    def check(shape, dtype, batch_size, repeats):
        images = np.zeros(shape, dtype)
        for make in (
            partial(array_source, images, batch_size, repeats=repeats),
            partial(array_source, images, batch_size, labels=np.zeros(max(repeats, 0), np.int32)),
            partial(priors.normal, batch_size),
            partial(priors.uniform, batch_size),
            partial(optimizers.clip_weights, float(batch_size)),
            partial(penalties.subsample, penalties.r1(1.0), batch_size),
        ):
            found, message = call_or_refuse(make)
            assert found is not None or len(message) > 20

    check()


def rows(num, *shape):
    return jnp.zeros((num, *shape), jnp.float32)


# By name: a function of the length of a collection, and whether it accepts length 0, and 1.
COLLECTIONS = {
    "array_source": (lambda n: array_source(np.zeros((n, *SHAPE), np.uint8), 1), False, True),
    "streaming_source": (
        lambda n: streaming_source(np.zeros((n, *SHAPE), np.uint8).__getitem__, n, 1),
        False,
        True,
    ),
    "make_population": (
        lambda n: make_population(
            lambda h: tiny_gan(d_tx=optimizers.adam(h["lr"])), {"lr": [1.0] * n}
        ),
        False,
        True,
    ),
    "feature_moments": (lambda n: frechet.feature_moments(rows(n, 3)), False, False),
    "kernel_distance": (lambda n: kernel.kernel_distance(rows(n, 3), rows(n, 3)), False, False),
    "classifier_score": (lambda n: classes.classifier_score(rows(n, 3)), False, True),
    "nearest_neighbors": (
        lambda n: neighbors.nearest_neighbors(rows(n, 3), rows(n, 3), k=1),
        False,
        True,
    ),
    "precision_recall": (
        lambda n: fidelity_diversity.precision_recall(rows(n, 3), rows(n, 3)),
        False,
        False,
    ),
    "density_coverage": (
        lambda n: fidelity_diversity.density_coverage(rows(n, 3), rows(n, 3)),
        False,
        False,
    ),
    "mixture_scores": (
        lambda n: mixture.mixture_scores(rows(n, 2), MIXTURES["ring"]),
        False,
        True,
    ),
    "parabola_distance": (lambda n: parabola.parabola_distance(rows(n, 15)), False, True),
    "diagnose": (
        lambda n: diagnose({"step": np.arange(n), "d_loss": np.ones(n), "g_loss": np.ones(n)}, {}),
        True,
        True,
    ),
    "plan_blocks": (lambda n: list(plan_blocks(0, n, 5, 2)), True, True),
}


@pytest.mark.parametrize("name", COLLECTIONS)
def test_empty_and_single_element_collections_are_accepted_or_refused(name):
    function, *accepted = COLLECTIONS[name]
    results = [call_or_refuse(function, length) for length in (0, 1)]
    assert [found is not None for found, _ in results] == accepted
    assert all(len(message) > 20 for found, message in results if found is None)
