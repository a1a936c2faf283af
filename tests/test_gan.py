import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from jaxgan import losses, make_gan, optimizers, penalties, priors
from jaxgan.errors import ConfigError, DtypeError, ShapeError
from jaxgan.models import MLPDiscriminator, MLPGenerator
from tests.helpers.networks import (
    SHAPE,
    Discriminator,
    Generator,
    assert_same_bits,
    real_batch,
    small_gan,
    tiny_gan,
)

REAL = real_batch()
LABELS = jnp.arange(8) % 10
CONDITIONS = [
    pytest.param(None, id="unconditional", marks=pytest.mark.stress),
    pytest.param(LABELS, id="conditional"),
]


def build_and_init(seed=0, **changes):
    gan = small_gan(**changes)
    return gan, gan.init(jax.random.key(seed), REAL)


def max_abs(tree):
    return max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree))


def test_d_step_and_g_step_update_one_network_only():
    gan, state = build_and_init(ema_half_life=100.0)
    after_d, _ = gan.d_step(state, REAL, jax.random.key(1))
    assert_same_bits(after_d.replace(d=state.d), state)
    after_g, _ = gan.g_step(state, REAL, jax.random.key(1))
    assert_same_bits(after_g.replace(g=state.g, g_ema=state.g_ema), state)
    for before, after in ((state.d, after_d.d), (state.g, after_g.g)):
        assert int(after.step) == int(before.step) + 1
        for a, b in zip(jax.tree.leaves(before.params), jax.tree.leaves(after.params), strict=True):
            assert not np.array_equal(a, b)
        with pytest.raises(AssertionError):
            chex.assert_trees_all_equal(before.model_state, after.model_state)


def test_init_and_step_are_determined_by_the_seed():
    def run(seed):
        gan, state = build_and_init(seed)
        return gan.step(state, REAL, jax.random.key(seed))

    assert_same_bits(run(3), run(3))
    with pytest.raises(AssertionError):
        assert_same_bits(run(3), run(4))


def test_init_reads_only_the_shape_of_real():
    gan, state = build_and_init()
    assert_same_bits(gan.init(jax.random.key(0), jnp.zeros((1, *SHAPE))), state)
    assert_same_bits(gan.init(jax.random.key(0), 0.3 * real_batch(31)), state)


@pytest.mark.parametrize(
    ("loss", "simultaneous"),
    [
        (losses.non_saturating, False),
        (losses.minimax, True),
        pytest.param(losses.non_saturating, True, marks=pytest.mark.stress),
        pytest.param(losses.minimax, False, marks=pytest.mark.stress),
    ],
)
def test_step_equals_d_step_then_g_step_with_the_same_key(loss, simultaneous):
    gan, state = build_and_init(loss=loss, ema_half_life=100.0)
    after_d, d_metrics = gan.d_step(state, REAL, jax.random.key(1))
    after_g, g_metrics = gan.g_step(state if simultaneous else after_d, REAL, jax.random.key(1))
    expected = after_g.replace(d=after_d.d)
    found, metrics = gan.step(state, REAL, jax.random.key(1), simultaneous=simultaneous)
    np.testing.assert_allclose(metrics["d"]["loss"], d_metrics["loss"], rtol=1e-6)
    np.testing.assert_allclose(metrics["g"]["loss"], g_metrics["loss"], rtol=1e-6)
    chex.assert_trees_all_close(metrics, {"d": d_metrics, "g": g_metrics}, rtol=1e-4, atol=1e-6)
    chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_step_in_scan_equals_single_calls(condition):
    gan = small_gan()
    state, indices = gan.init(jax.random.key(0), REAL, condition), jnp.arange(3)

    def step(state, i):
        return gan.step(state, REAL, jax.random.fold_in(jax.random.key(1), i), condition)

    scanned, metrics = jax.lax.scan(step, state, indices)
    for i in indices:
        state, single = step(state, i)
        rtol = 1e-5 if i else 1e-6
        np.testing.assert_allclose(metrics["d"]["loss"][i], single["d"]["loss"], rtol=rtol)
    chex.assert_trees_all_close(scanned, state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_init_and_step_in_vmap_equal_single_calls(condition):
    """Every member has its own key and, if there are conditions, its own conditions."""

    def make_keys(seed):
        return jax.random.split(jax.random.key(seed), 3)

    gan = small_gan()
    conditions = None if condition is None else jnp.stack([(condition + i) % 10 for i in range(3)])
    axis = None if condition is None else 0
    states = jax.vmap(gan.init, in_axes=(0, None, axis))(make_keys(0), REAL, conditions)
    step = jax.vmap(gan.step, in_axes=(0, None, 0, axis))
    states, metrics = step(states, REAL, make_keys(1), conditions)
    for i, (init_key, key) in enumerate(zip(make_keys(0), make_keys(1), strict=True)):
        own = None if condition is None else conditions[i]
        state, single = gan.step(gan.init(init_key, REAL, own), REAL, key, own)
        np.testing.assert_allclose(metrics["d"]["loss"][i], single["d"]["loss"], rtol=1e-6)
        np.testing.assert_allclose(metrics["g"]["loss"][i], single["g"]["loss"], rtol=1e-6)
        member = jax.tree.map(lambda x, i=i: x[i], states)
        chex.assert_trees_all_close(member, state, rtol=1e-4, atol=1e-5)


def test_make_gan_accepts_traced_hyperparameters():
    _, state = build_and_init()

    def update_kernel(learning_rate):
        gan = small_gan(d_tx=optax.sgd(learning_rate))
        return gan.d_step(state, REAL, jax.random.key(1))[0].d.params["Dense_0"]["kernel"]

    kernels = jax.vmap(update_kernel)(jnp.array([0.0, 0.1, 0.2]))
    updates = kernels - state.d.params["Dense_0"]["kernel"][None]
    np.testing.assert_allclose(updates[0], 0, atol=1e-7)
    np.testing.assert_allclose(updates[2], 2 * updates[1], rtol=1e-3, atol=1e-6)


def test_projection_is_applied_to_the_discriminator_after_every_update():
    gan = small_gan(projection=optimizers.clip_weights(0.01), d_tx=optax.sgd(0.1))
    _, state = build_and_init()
    for step_fn, is_projected in ((gan.d_step, True), (gan.g_step, False), (gan.step, True)):
        updated, _ = step_fn(state, REAL, jax.random.key(1))
        assert (max_abs(updated.d.params) == np.float32(0.01)) == is_projected
        assert max_abs(updated.g.params) > 0.01


def test_losses_get_logits_of_at_least_float32():
    dtypes = []

    def record_dtypes(real_logits, fake_logits):
        dtypes.extend([real_logits.dtype, fake_logits.dtype])
        return losses.non_saturating.discriminator(real_logits, fake_logits)

    gan = tiny_gan(
        generator=MLPGenerator(shape=SHAPE, widths=(8,), dtype=jnp.bfloat16),
        discriminator=MLPDiscriminator(widths=(8,), dtype=jnp.bfloat16),
        loss=losses.non_saturating._replace(discriminator=record_dtypes),
    )
    state, metrics = gan.step(gan.init(jax.random.key(0), REAL), REAL, jax.random.key(1))
    assert set(dtypes) == {jnp.dtype(jnp.float32)}
    assert metrics["d"]["loss"].dtype == jnp.float32
    assert gan.sample(state, jax.random.key(2), 3).dtype == jnp.float32


class CenteredDiscriminator(nn.Module):
    """In train mode only, the mean of its logits is 0, the initial bias of BatchNorm."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Dense(1, bias_init=nn.initializers.ones)(x.reshape(len(x), -1))
        return nn.BatchNorm(use_running_average=not train)(x).squeeze(-1)


def test_step_applies_the_discriminator_in_train_mode_in_both_updates():
    gan = small_gan(discriminator=CenteredDiscriminator())
    _, metrics = gan.step(gan.init(jax.random.key(0), REAL), REAL, jax.random.key(1))
    assert abs(float(metrics["g"]["fake_logits"])) < 0.01
    assert abs(float(metrics["d"]["fake_logits"])) < 0.01


def test_step_is_traced_once_per_batch_shape():
    calls = {"g": 0, "d": 0}

    class CountingGenerator(Generator):
        def __call__(self, *args, **kwargs):
            calls["g"] += 1
            return super().__call__(*args, **kwargs)

    class CountingDiscriminator(Discriminator):
        def __call__(self, *args, **kwargs):
            calls["d"] += 1
            return super().__call__(*args, **kwargs)

    gan, state = build_and_init(
        generator=CountingGenerator(), discriminator=CountingDiscriminator()
    )
    calls.update(g=0, d=0)
    for seed in range(3):
        state, _ = gan.step(state, REAL, jax.random.key(seed))
    # G is applied once. D is applied to real and to fake samples, in its own update and in G's.
    assert calls == {"g": 1, "d": 4}
    gan.step(state, real_batch(4), jax.random.key(9))
    assert calls == {"g": 2, "d": 8}


def test_step_equals_gradient_descent_by_hand():
    """Compares one SGD update of linear networks with derivatives computed by hand."""

    class LinearGenerator(nn.Module):
        @nn.compact
        def __call__(self, z, *, train):
            return z * self.param("theta", lambda key: jnp.float32(0.7))

    class LinearDiscriminator(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return (x * self.param("psi", lambda key: jnp.float32(-0.4))).squeeze(-1)

    def ones_prior(key, num):
        return jnp.ones((num, 1), jnp.float32)

    def sigmoid(t):
        return 1 / (1 + np.exp(-t))

    h, theta, psi = 0.1, 0.7, -0.4
    tx = optax.sgd(h)
    gan = make_gan(
        LinearGenerator(), LinearDiscriminator(), losses.non_saturating, tx, tx, ones_prior
    )
    real = jnp.array([[2.0], [3.0]])
    state, metrics = gan.step(gan.init(jax.random.key(0), real), real, jax.random.key(1))
    real_gradient = np.mean([-x * sigmoid(-psi * x) for x in (2.0, 3.0)])
    d_gradient = real_gradient + theta * sigmoid(psi * theta)
    new_psi = psi - h * d_gradient
    new_theta = theta - h * -new_psi * sigmoid(-new_psi * theta)
    np.testing.assert_allclose(state.d.params["psi"], new_psi, rtol=1e-6)
    np.testing.assert_allclose(state.g.params["theta"], new_theta, rtol=1e-6)
    np.testing.assert_allclose(metrics["d"]["grad_norm"], abs(d_gradient), rtol=1e-6)
    np.testing.assert_allclose(metrics["d"]["real_logits"], psi * 2.5, rtol=1e-6)
    np.testing.assert_allclose(metrics["d"]["fake_probability"], sigmoid(psi * theta), rtol=1e-6)


def test_step_applies_the_discriminator_to_real_then_fake_samples():
    class RecordingDiscriminator(nn.Module):
        """Stores the means of the last two batches in its model state."""

        @nn.compact
        def __call__(self, x, *, train):
            last = self.variable("means", "last", lambda: jnp.float32(0))
            previous = self.variable("means", "previous", lambda: jnp.float32(0))
            if train and not self.is_initializing():
                previous.value, last.value = last.value, jnp.mean(x).astype(jnp.float32)
            return nn.Dense(1)(x.reshape(len(x), -1)).squeeze(-1)

    gan, state = build_and_init(discriminator=RecordingDiscriminator())
    updated, _ = gan.step(state, 5 + REAL, jax.random.key(1))
    means = updated.d.model_state["means"]
    assert float(means["previous"]) > 4  # real
    assert abs(float(means["last"])) < 1  # fake; G's update does not change D's model state


def test_g_ema_follows_its_closed_form():
    """The half-life is a tenth of the images seen, at most three tenths of a batch."""
    gan, state = build_and_init(ema_half_life=0.3 * len(REAL))
    assert_same_bits(state.g_ema, state.g.variables)
    ema = state.g_ema
    for update, batches in enumerate((0.1, 0.2, 0.3, 0.3)):
        state, _ = gan.g_step(state, REAL, jax.random.key(update))
        weight = 1 - 0.5 ** (1 / batches)
        ema = optax.incremental_update(state.g.variables, ema, weight)
    chex.assert_trees_all_close(state.g_ema, ema, rtol=1e-5, atol=1e-6)


def test_sample_uses_g_ema_if_there_is_one():
    gan, state = build_and_init(ema_half_life=16.0)
    state, _ = gan.g_step(state, REAL, jax.random.key(0))
    z = gan.prior(jax.random.key(5), 4)
    np.testing.assert_array_equal(
        gan.sample(state, jax.random.key(5), 4), gan.generate(state.g_ema, z)
    )
    assert not np.array_equal(gan.generate(state.g_ema, z), gan.generate(state.g.variables, z))


def test_g_ema_of_half_precision_parameters_is_float32():
    class HalfPrecisionGenerator(nn.Module):
        @nn.compact
        def __call__(self, z, *, train):
            return nn.Dense(36, param_dtype=jnp.bfloat16, dtype=jnp.bfloat16)(z).reshape(-1, *SHAPE)

    gan, state = build_and_init(generator=HalfPrecisionGenerator(), ema_half_life=1e6)
    updated, metrics = gan.g_step(state, REAL, jax.random.key(1))
    assert {x.dtype for x in jax.tree.leaves(updated.g.params)} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for x in jax.tree.leaves(updated.g_ema)} == {jnp.dtype(jnp.float32)}
    assert metrics["loss"].dtype == jnp.float32
    chex.assert_trees_all_equal_dtypes(state, updated)
    assert gan.sample(updated, jax.random.key(2), 2).dtype == jnp.float32


def test_penalty_changes_the_update_but_not_the_loss_metric():
    plain_gan, state = build_and_init()
    penalized_gan = small_gan(penalty=penalties.r1(100.0))
    plain, plain_metrics = plain_gan.d_step(state, REAL, jax.random.key(1))
    penalized, metrics = penalized_gan.d_step(state, REAL, jax.random.key(1))
    assert "penalty" not in plain_metrics
    assert float(metrics["penalty"]) > 0
    np.testing.assert_allclose(metrics["loss"], plain_metrics["loss"], rtol=1e-5)
    plain_kernel, kernel = (s.d.params["Dense_0"]["kernel"] for s in (plain, penalized))
    assert max_abs(kernel - plain_kernel) > 1e-5


def test_metrics_have_no_probabilities_if_the_loss_defines_none():
    gan, state = build_and_init(loss=losses.wasserstein)
    _, metrics = gan.step(state, REAL, jax.random.key(1))
    assert set(metrics["d"]) == {"loss", "real_logits", "fake_logits", "grad_norm", "finite"}
    np.testing.assert_allclose(
        metrics["d"]["loss"], metrics["d"]["fake_logits"] - metrics["d"]["real_logits"], rtol=1e-5
    )


def test_finite_metric_is_false_for_nan_data():
    gan, state = build_and_init()
    _, metrics = gan.d_step(state, REAL.at[0, 0, 0, 0].set(jnp.nan), jax.random.key(1))
    assert not bool(metrics["finite"])
    assert bool(gan.d_step(state, REAL, jax.random.key(2))[1]["finite"])


@pytest.mark.parametrize(
    "tx",
    [
        pytest.param(optimizers.adam(1e-3), marks=pytest.mark.stress),
        pytest.param(optimizers.rmsprop(1e-3), marks=pytest.mark.stress),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3)),
        optax.inject_hyperparams(optax.adam)(1e-3, b1=0.5),
        optax.adam(optax.cosine_decay_schedule(1e-3, 100)),
    ],
    ids=["adam", "rmsprop", "chain", "inject", "schedule"],
)
def test_make_gan_accepts_any_optax_optimizer(tx):
    gan, state = build_and_init(d_tx=tx, g_tx=tx)
    after, metrics = gan.step(state, REAL, jax.random.key(1))
    chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
    chex.assert_tree_all_finite((after, metrics))


def test_condition_reaches_both_networks_and_the_samples():
    gan = small_gan()
    labels = jnp.arange(8) % 3
    state = gan.init(jax.random.key(0), REAL, labels)
    after, _ = gan.step(state, REAL, jax.random.key(1), labels)
    after_other, _ = gan.step(state, REAL, jax.random.key(1), (labels + 1) % 3)
    for network in ("d", "g"):
        a, b = (getattr(s, network).params["Embed_0"]["embedding"] for s in (after, after_other))
        assert not np.array_equal(a, b)
    z = gan.prior(jax.random.key(2), 8)
    images = gan.generate(after.g.variables, z, labels)
    np.testing.assert_array_equal(gan.sample(after, jax.random.key(2), 8, labels), images)
    assert not np.allclose(images, gan.generate(after.g.variables, z, labels + 1))


def test_step_trains_a_conditional_gan_to_follow_its_label():
    """Real points lie around (cos, sin) of an angle that depends on the label."""

    class PointGenerator(nn.Module):
        @nn.compact
        def __call__(self, z, condition, *, train):
            x = jnp.concatenate([z, jax.nn.one_hot(condition, 3, dtype=z.dtype)], -1)
            return nn.Dense(2)(nn.relu(nn.Dense(32)(x)))

    class PointDiscriminator(nn.Module):
        @nn.compact
        def __call__(self, x, condition, *, train):
            x = jnp.concatenate([x, jax.nn.one_hot(condition, 3, dtype=x.dtype)], -1)
            return nn.Dense(1)(nn.leaky_relu(nn.Dense(64)(x), 0.2)).squeeze(-1)

    def class_center(labels):
        angle = 2 * jnp.pi * labels / 3
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)

    tx = optimizers.adam(3e-3)
    gan = make_gan(
        PointGenerator(), PointDiscriminator(), losses.non_saturating, tx, tx, priors.normal(2)
    )

    def train_step(state, i):
        label_key, noise_key, key = jax.random.split(jax.random.fold_in(jax.random.key(0), i), 3)
        labels = jax.random.randint(label_key, (96,), 0, 3)
        real = class_center(labels) + 0.1 * jax.random.normal(noise_key, (96, 2), jnp.float32)
        return gan.step(state, real.astype(jnp.float32), key, labels)

    state = gan.init(jax.random.key(1), jnp.zeros((1, 2)), jnp.zeros(1, int))
    state, _ = jax.jit(lambda s: jax.lax.scan(train_step, s, jnp.arange(1500)))(state)
    labels = jnp.repeat(jnp.arange(3), 100)
    points = gan.sample(state, jax.random.key(3), 300, labels)
    distances = jnp.linalg.norm(points[:, None] - class_center(jnp.arange(3))[None], axis=-1)
    assert float(jnp.mean(jnp.argmin(distances, axis=1) == labels)) > 0.95


def test_init_and_steps_raise_on_invalid_arguments():
    gan, state = build_and_init()
    key = jax.random.key(1)
    with pytest.raises(DtypeError, match="real is uint8, expected floating point"):
        gan.d_step(state, REAL.astype(jnp.uint8), key)
    with pytest.raises(DtypeError, match=r"key is uint32\[2\], expected a typed key"):
        gan.step(state, REAL, jax.random.key_data(jax.random.key(5)))
    with pytest.raises(ShapeError, match=r"real has shape \[0, 6, 6, 1\], expected \[B, …\]"):
        gan.step(state, REAL[:0], key)
    with pytest.raises(ShapeError, match=r"condition has shape \[3\], expected \[8, …\]"):
        gan.g_step(state, REAL, key, jnp.zeros(3, int))
    message = r"the generator makes \[6, 6, 1\], the data has \[5, 5, 1\]"
    with pytest.raises(ShapeError, match=message):
        gan.init(jax.random.key(2), jnp.zeros((2, 5, 5, 1)))


def test_init_and_steps_raise_if_an_argument_is_not_an_array():
    gan, state = build_and_init()
    key = jax.random.key(1)
    with pytest.raises(DtypeError, match="real is a list, expected one array"):
        gan.step(state, REAL.tolist(), key)
    with pytest.raises(DtypeError, match="condition is a list, expected one array"):
        gan.step(state, REAL, key, [0] * len(REAL))
    with pytest.raises(DtypeError, match="condition is a dict, expected one array"):
        gan.sample(state, key, 8, {"label": jnp.zeros(8, int)})


@pytest.mark.parametrize("num", [2.0, "2", None])
def test_sample_raises_if_num_is_not_an_integer(num):
    gan, state = build_and_init()
    with pytest.raises(ConfigError, match=f"num is {num!r}, expected an integer"):
        gan.sample(state, jax.random.key(1), num)


@pytest.mark.parametrize(
    "half_life", [0, -1.0, float("nan"), float("inf"), np.float32(-2), np.int64(0)]
)
def test_make_gan_raises_if_ema_half_life_is_not_positive(half_life):
    with pytest.raises(ConfigError, match=f"ema_half_life is {half_life}, expected a finite"):
        small_gan(ema_half_life=half_life)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": Generator}, "the generator is Generator, expected a Linen module"),
        ({"discriminator": None}, "the discriminator is None, expected a Linen module"),
        ({"d_tx": 1e-3}, "d_tx is 0.001, expected an optax optimizer"),
        ({"g_tx": optimizers.adam}, "g_tx is adam, expected an optax optimizer"),
        ({"prior": 64}, r"prior is 64, expected a function of \(key, num\)"),
        ({"prior": priors.normal}, r"prior is normal, expected a function of \(key, num\)"),
        ({"penalty": 10.0}, "penalty is 10.0, expected a function of"),
        ({"penalty": penalties.r1}, "penalty is r1, expected .*call it first"),
        ({"projection": 0.01}, r"projection is 0.01, expected a function of \(params\)"),
        (
            {"loss": losses.GANLoss(losses.hinge.discriminator, None, None)},
            r"loss.generator is None, expected a function of \(real_logits, fake_logits\)",
        ),
    ],
)
def test_make_gan_raises_if_an_argument_is_of_another_kind(changes, message):
    with pytest.raises(ConfigError, match=message):
        small_gan(**changes)


@pytest.mark.parametrize(
    ("convert", "error", "message"),
    [
        (lambda x: (x, x), DtypeError, "the generator's output is a tuple, expected one array"),
        (lambda x: None, DtypeError, "the generator's output is a NoneType"),
        (lambda x: (255 * x).astype(jnp.uint8), DtypeError, "output is uint8, expected floating"),
        (lambda x: jnp.tile(x, (4, 1, 1, 1)), ShapeError, "makes 32 samples in a batch of 8"),
    ],
)
def test_init_raises_if_the_output_of_the_generator_does_not_fit(convert, error, message):
    class ConvertedGenerator(nn.Module):
        @nn.compact
        def __call__(self, z, *, train):
            return convert(nn.Dense(36)(z).reshape(-1, *SHAPE))

    with pytest.raises(error, match=message):
        build_and_init(generator=ConvertedGenerator())


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (lambda logits: None, DtypeError, "loss is a NoneType, expected one array"),
        (lambda logits: (jnp.mean(logits),), DtypeError, "loss is a tuple, expected one array"),
        (lambda logits: jnp.sum(logits > 0), DtypeError, "loss is int32, expected floating point"),
        (lambda logits: -logits, ShapeError, r"loss has shape \[8\], expected a scalar"),
    ],
)
def test_steps_raise_if_a_loss_is_not_a_real_scalar(value, error, message):
    loss = losses.GANLoss(lambda real, fake: value(real), lambda real, fake: value(fake), None)
    gan, state = build_and_init(loss=loss)
    for step in (gan.d_step, gan.g_step):
        with pytest.raises(error, match=message):
            step(state, REAL, jax.random.key(1))


@pytest.mark.parametrize("shape", [(1,), (2, 3)])
def test_d_step_raises_if_logits_are_not_of_rank_one(shape):
    class WideDiscriminator(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = nn.Dense(int(np.prod(shape)))(x.reshape(len(x), -1))
            return x.reshape(len(x), *shape)

    gan, state = build_and_init(discriminator=WideDiscriminator())
    with pytest.raises(ShapeError, match="real_logits"):
        gan.d_step(state, REAL, jax.random.key(1))
