import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from jaxgan import losses, make_gan, models, optimizers, priors
from jaxgan.errors import ConfigError, DtypeError, ShapeError
from tests.helpers.networks import (
    SHAPE,
    Discriminator,
    Generator,
    assert_same_bits,
    real_batch,
    small_gan,
)

REAL = real_batch()


def start(seed=0, **changes):
    gan = small_gan(**changes)
    return gan, gan.init(jax.random.key(seed), REAL)


def test_one_player_moves():
    gan, state = start(ema_half_life=100.0)
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


def test_same_seed_same_bits():
    def run(seed):
        gan, state = start(seed)
        return gan.step(state, REAL, jax.random.key(seed))

    assert_same_bits(run(3), run(3))
    with pytest.raises(AssertionError):
        assert_same_bits(run(3), run(4))


def test_init_reads_only_the_shape():
    gan, state = start()
    assert_same_bits(gan.init(jax.random.key(0), jnp.zeros((1, *SHAPE))), state)
    assert_same_bits(gan.init(jax.random.key(0), 0.3 * real_batch(31)), state)


@pytest.mark.parametrize("simultaneous", [False, True])
@pytest.mark.parametrize("loss", [losses.non_saturating, losses.minimax])
def test_step_is_d_step_and_g_step_with_the_same_key(loss, simultaneous):
    gan, state = start(loss=loss, ema_half_life=100.0)
    d_moved, d_metrics = gan.d_step(state, REAL, jax.random.key(1))
    g_moved, g_metrics = gan.g_step(state if simultaneous else d_moved, REAL, jax.random.key(1))
    apart = g_moved.replace(d=d_moved.d)
    together, metrics = gan.step(state, REAL, jax.random.key(1), simultaneous=simultaneous)
    np.testing.assert_allclose(metrics["d"]["loss"], d_metrics["loss"], rtol=1e-6)
    np.testing.assert_allclose(metrics["g"]["loss"], g_metrics["loss"], rtol=1e-6)
    chex.assert_trees_all_close(metrics, {"d": d_metrics, "g": g_metrics}, rtol=1e-4, atol=1e-6)
    chex.assert_trees_all_close(together, apart, rtol=1e-5, atol=1e-5)


def test_scan_is_single_calls():
    gan, state = start()
    numbers = jnp.arange(3)
    scanned, metrics = jax.lax.scan(
        lambda s, i: gan.step(s, REAL, jax.random.fold_in(jax.random.key(1), i)), state, numbers
    )
    for i in numbers:
        state, newest = gan.step(state, REAL, jax.random.fold_in(jax.random.key(1), i))
        np.testing.assert_allclose(
            metrics["d"]["loss"][i], newest["d"]["loss"], rtol=1e-5 if i else 1e-6
        )
    chex.assert_trees_all_close(scanned, state, rtol=1e-4, atol=1e-5)


def test_vmap_is_a_loop():
    gan = small_gan()
    keys = lambda seed: jax.random.split(jax.random.key(seed), 3)  # noqa: E731
    states = jax.vmap(gan.init, in_axes=(0, None))(keys(0), REAL)
    states, metrics = jax.vmap(gan.step, in_axes=(0, None, 0))(states, REAL, keys(1))
    for i, (init_key, key) in enumerate(zip(keys(0), keys(1), strict=True)):
        state, one = gan.step(gan.init(init_key, REAL), REAL, key)
        np.testing.assert_allclose(metrics["d"]["loss"][i], one["d"]["loss"], rtol=1e-6)
        np.testing.assert_allclose(metrics["g"]["loss"][i], one["g"]["loss"], rtol=1e-6)
        chex.assert_trees_all_close(
            jax.tree.map(lambda x, i=i: x[i], states), state, rtol=1e-4, atol=1e-5
        )


def test_hyper_parameters_may_be_traced():
    _, state = start()

    def after(rate):
        gan = small_gan(d_tx=optax.sgd(rate))
        return gan.d_step(state, REAL, jax.random.key(1))[0].d.params["Dense_0"]["kernel"]

    kernels = jax.vmap(after)(jnp.array([0.0, 0.1, 0.2]))
    moved = kernels - state.d.params["Dense_0"]["kernel"][None]
    np.testing.assert_allclose(moved[0], 0, atol=1e-7)
    np.testing.assert_allclose(moved[2], 2 * moved[1], rtol=1e-3, atol=1e-6)


def test_a_projection_holds_the_discriminators_parameters_after_every_update():
    gan = small_gan(projection=optimizers.clip_weights(0.01), d_tx=optax.sgd(0.1))
    _, state = start()
    for step, holds in ((gan.d_step, True), (gan.g_step, False), (gan.step, True)):
        moved, _ = step(state, REAL, jax.random.key(1))
        largest = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(moved.d.params))
        assert (largest == np.float32(0.01)) == holds
        assert max(float(jnp.abs(x).max()) for x in jax.tree.leaves(moved.g.params)) > 0.01


def test_losses_are_at_least_float32():
    dtypes = {"dtype": jnp.bfloat16}
    seen = []

    def watched(real_logits, fake_logits):
        seen.extend([real_logits.dtype, fake_logits.dtype])
        return losses.non_saturating.discriminator(real_logits, fake_logits)

    gan = small_gan(
        generator=models.MLPGenerator(shape=SHAPE, widths=(8,), **dtypes),
        discriminator=models.MLPDiscriminator(widths=(8,), **dtypes),
        loss=losses.non_saturating._replace(discriminator=watched),
    )
    state, metrics = gan.step(gan.init(jax.random.key(0), REAL), REAL, jax.random.key(1))
    assert set(seen) == {jnp.dtype(jnp.float32)}
    assert metrics["d"]["loss"].dtype == jnp.float32
    assert gan.sample(state, jax.random.key(2), 3).dtype == jnp.float32


class Centred(nn.Module):
    """Its logits have the mean of a bias that starts at 0, in train mode, and only there."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Dense(1, bias_init=nn.initializers.ones)(x.reshape(len(x), -1))
        return nn.BatchNorm(use_running_average=not train)(x).squeeze(-1)


def test_the_generator_moves_against_a_discriminator_in_train_mode():
    gan = small_gan(discriminator=Centred())
    _, metrics = gan.step(gan.init(jax.random.key(0), REAL), REAL, jax.random.key(1))
    assert abs(float(metrics["g"]["fake_logits"])) < 0.01
    assert abs(float(metrics["d"]["fake_logits"])) < 0.01


def test_each_step_is_traced_once_a_shape():
    calls = {"g": 0, "d": 0}

    class CountingGenerator(Generator):
        def __call__(self, *args, **kwargs):
            calls["g"] += 1
            return super().__call__(*args, **kwargs)

    class CountingDiscriminator(Discriminator):
        def __call__(self, *args, **kwargs):
            calls["d"] += 1
            return super().__call__(*args, **kwargs)

    gan, state = start(generator=CountingGenerator(), discriminator=CountingDiscriminator())
    calls.update(g=0, d=0)
    for seed in range(3):
        state, _ = gan.step(state, REAL, jax.random.key(seed))
    assert calls == {
        "g": 1,
        "d": 4,
    }  # G plays once; D sees real and fake in its own update and in G's
    state, _ = gan.step(state, real_batch(4), jax.random.key(9))
    assert calls == {"g": 2, "d": 8}


def test_gradient_descent_by_hand():
    """One plain SGD update of linear players against derivatives on paper."""

    class Scale(nn.Module):
        @nn.compact
        def __call__(self, z, *, train):
            return z * self.param("theta", lambda key: jnp.float32(0.7))

    class Slope(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return (x * self.param("psi", lambda key: jnp.float32(-0.4))).squeeze(-1)

    def ones(key, num):
        return jnp.ones((num, 1), jnp.float32)

    h, theta, psi = 0.1, 0.7, -0.4
    gan = make_gan(Scale(), Slope(), losses.non_saturating, optax.sgd(h), optax.sgd(h), ones)
    real = jnp.array([[2.0], [3.0]])
    state, metrics = gan.step(gan.init(jax.random.key(0), real), real, jax.random.key(1))
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    d_gradient = np.mean([-x * sigmoid(-psi * x) for x in (2.0, 3.0)]) + theta * sigmoid(
        psi * theta
    )
    new_psi = psi - h * d_gradient
    new_theta = theta - h * -new_psi * sigmoid(-new_psi * theta)
    np.testing.assert_allclose(state.d.params["psi"], new_psi, rtol=1e-6)
    np.testing.assert_allclose(state.g.params["theta"], new_theta, rtol=1e-6)
    np.testing.assert_allclose(metrics["d"]["grad_norm"], abs(d_gradient), rtol=1e-6)
    np.testing.assert_allclose(metrics["d"]["real_logits"], psi * 2.5, rtol=1e-6)
    np.testing.assert_allclose(metrics["d"]["fake_probability"], sigmoid(psi * theta), rtol=1e-6)


def test_discriminator_sees_real_then_fake():
    class Seen(nn.Module):
        """Keeps the mean of the last batch, and the one before, as its statistics."""

        @nn.compact
        def __call__(self, x, *, train):
            last = self.variable("seen", "last", lambda: jnp.float32(0))
            before = self.variable("seen", "before", lambda: jnp.float32(0))
            if train and not self.is_initializing():
                before.value, last.value = last.value, jnp.mean(x).astype(jnp.float32)
            return nn.Dense(1)(x.reshape(len(x), -1)).squeeze(-1)

    gan, state = start(discriminator=Seen())
    moved, _ = gan.step(state, 5 + REAL, jax.random.key(1))
    assert float(moved.d.model_state["seen"]["before"]) > 4  # real
    assert (
        abs(float(moved.d.model_state["seen"]["last"])) < 1
    )  # fake; what G's update let D see is dropped


def test_average_follows_the_closed_form():
    gan, state = start(ema_half_life=16.0)
    assert_same_bits(state.g_ema, state.g.variables)
    average = state.g_ema
    for seed in range(3):
        state, _ = gan.g_step(state, REAL, jax.random.key(seed))
        decay = 0.5 ** (len(REAL) / 16.0)
        average = jax.tree.map(
            lambda a, new, decay=decay: decay * a + (1 - decay) * new, average, state.g.variables
        )
    chex.assert_trees_all_close(state.g_ema, average, rtol=1e-5, atol=1e-6)
    z = gan.prior(jax.random.key(5), 4)
    np.testing.assert_array_equal(
        gan.sample(state, jax.random.key(5), 4), gan.generate(state.g_ema, z)
    )
    assert not np.array_equal(gan.generate(state.g_ema, z), gan.generate(state.g.variables, z))


def test_average_of_half_precision_parameters_is_kept_in_float32():
    class HalfGenerator(nn.Module):
        @nn.compact
        def __call__(self, z, *, train):
            return nn.Dense(36, param_dtype=jnp.bfloat16, dtype=jnp.bfloat16)(z).reshape(-1, *SHAPE)

    gan, state = start(generator=HalfGenerator(), ema_half_life=1e6)
    moved, metrics = gan.g_step(state, REAL, jax.random.key(1))
    assert {x.dtype for x in jax.tree.leaves(moved.g.params)} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for x in jax.tree.leaves(moved.g_ema)} == {jnp.dtype(jnp.float32)}
    assert metrics["loss"].dtype == jnp.float32
    chex.assert_trees_all_equal_dtypes(state, moved)
    assert gan.sample(moved, jax.random.key(2), 2).dtype == jnp.float32


def test_penalty_is_added_to_the_loss_but_not_reported_in_it():
    def r1(disc_fn, real, fake, key):
        gradients = jax.grad(lambda x: disc_fn(x).sum())(real)
        return 50.0 * jnp.mean(jnp.sum(gradients**2, axis=(1, 2, 3)))

    plain, state = start()
    punished = small_gan(penalty=r1)
    free, without = plain.d_step(state, REAL, jax.random.key(1))
    held, metrics = punished.d_step(state, REAL, jax.random.key(1))
    assert "penalty" not in without
    assert float(metrics["penalty"]) > 0
    np.testing.assert_allclose(metrics["loss"], without["loss"], rtol=1e-5)
    assert (
        float(
            jnp.abs(held.d.params["Dense_0"]["kernel"] - free.d.params["Dense_0"]["kernel"]).max()
        )
        > 1e-5
    )


def test_critics_report_no_probabilities():
    critic = losses.GANLoss(lambda r, f: jnp.mean(f) - jnp.mean(r), lambda r, f: -jnp.mean(f), None)
    gan, state = start(loss=critic)
    _, metrics = gan.step(state, REAL, jax.random.key(1))
    assert set(metrics["d"]) == {"loss", "real_logits", "fake_logits", "grad_norm", "finite"}
    np.testing.assert_allclose(
        metrics["d"]["loss"], metrics["d"]["fake_logits"] - metrics["d"]["real_logits"], rtol=1e-5
    )


def test_finite_tells_when_it_is_not():
    gan, state = start()
    _, metrics = gan.d_step(state, REAL.at[0, 0, 0, 0].set(jnp.nan), jax.random.key(1))
    assert not bool(metrics["finite"])
    assert bool(gan.d_step(state, REAL, jax.random.key(2))[1]["finite"])


@pytest.mark.parametrize(
    "tx",
    [
        optimizers.adam(1e-3),
        optimizers.rmsprop(1e-3),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3)),
        optax.inject_hyperparams(optax.adam)(1e-3, b1=0.5),
        optax.adam(optax.cosine_decay_schedule(1e-3, 100)),
    ],
    ids=["adam", "rmsprop", "chain", "inject", "schedule"],
)
def test_any_optimiser_of_optax_works(tx):
    gan, state = start(d_tx=tx, g_tx=tx)
    after, metrics = gan.step(state, REAL, jax.random.key(1))
    chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
    chex.assert_tree_all_finite((after, metrics))


def test_conditions_reach_both_players_and_the_samples():
    gan = small_gan()
    labels = jnp.arange(8) % 3
    state = gan.init(jax.random.key(0), REAL, labels)
    one, _ = gan.step(state, REAL, jax.random.key(1), labels)
    other, _ = gan.step(state, REAL, jax.random.key(1), (labels + 1) % 3)
    for player in ("d", "g"):
        a, b = (getattr(s, player).params["Embed_0"]["embedding"] for s in (one, other))
        assert not np.array_equal(a, b)
    key = jax.random.key(2)
    z = gan.prior(key, 8)
    np.testing.assert_array_equal(
        gan.sample(one, jax.random.key(2), 8, labels), gan.generate(one.g.variables, z, labels)
    )
    assert not np.allclose(
        gan.generate(one.g.variables, z, labels), gan.generate(one.g.variables, z, labels + 1)
    )


def test_a_conditional_toy_learns_to_follow_its_label():
    """Points around (cos, sin) of the label's angle, told apart by nothing but the condition."""

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

    def centre(labels):
        angle = 2 * jnp.pi * labels / 3
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)

    tx = optimizers.adam(3e-3)
    gan = make_gan(
        PointGenerator(), PointDiscriminator(), losses.non_saturating, tx, tx, priors.normal(2)
    )

    def train_step(state, i):
        label_key, noise_key, key = jax.random.split(jax.random.fold_in(jax.random.key(0), i), 3)
        labels = jax.random.randint(label_key, (96,), 0, 3)
        real = centre(labels) + 0.1 * jax.random.normal(noise_key, (96, 2), jnp.float32)
        return gan.step(state, real.astype(jnp.float32), key, labels)

    state = gan.init(jax.random.key(1), jnp.zeros((1, 2)), jnp.zeros(1, int))
    state, _ = jax.jit(lambda s: jax.lax.scan(train_step, s, jnp.arange(1500)))(state)
    labels = jnp.repeat(jnp.arange(3), 100)
    points = gan.sample(state, jax.random.key(3), 300, labels)
    distances = jnp.linalg.norm(points[:, None] - centre(jnp.arange(3))[None], axis=-1)
    assert float(jnp.mean(jnp.argmin(distances, axis=1) == labels)) > 0.95


def test_bad_arguments_are_refused_when_traced():
    gan, state = start()
    key = jax.random.key(1)
    with pytest.raises(DtypeError, match="real is uint8"):
        gan.d_step(state, REAL.astype(jnp.uint8), key)
    with pytest.raises(DtypeError, match=r"key is uint32\[2\], expected a typed key"):
        gan.step(state, REAL, jax.random.key_data(jax.random.key(5)))
    with pytest.raises(ShapeError, match=r"condition has shape \[3\], expected \[8, …\]"):
        gan.g_step(state, REAL, key, jnp.zeros(3, int))
    with pytest.raises(
        ShapeError, match=r"the generator makes \[6, 6, 1\], the data has \[5, 5, 1\]"
    ):
        gan.init(jax.random.key(2), jnp.zeros((2, 5, 5, 1)))
    with pytest.raises(ConfigError, match="ema_half_life is 0"):
        small_gan(ema_half_life=0)


@pytest.mark.parametrize("shape", [(1,), (2, 3)])
def test_logits_of_another_rank_are_refused_and_not_broadcast(shape):
    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(int(np.prod(shape)))(x.reshape(len(x), -1)).reshape(len(x), *shape)

    gan, state = start(discriminator=Wide())
    with pytest.raises(ShapeError, match="real_logits"):
        gan.d_step(state, REAL, jax.random.key(1))
