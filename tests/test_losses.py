import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan import losses
from jaxgan.errors import DtypeError, ShapeError

LOG2 = np.log(2)
A_REAL, A_FAKE = [-5.0, 1.4, 12.5, 2.7], [10.0, 4.4, -5.5, 3.6]
B_REAL, B_FAKE = [1.3, 2.9, 8.4, 6.3], [4.8, 1.2, -3.5, 5.9]
RA_REAL, RA_FAKE = [-2.0, 0.4, 12.5, 2.7], A_FAKE
FAST = settings(max_examples=25, deadline=None, derandomize=True)
GAN_LOSSES = {name: loss for name, loss in vars(losses).items() if isinstance(loss, losses.GANLoss)}


def softplus(x):
    return np.logaddexp(0, np.asarray(x, np.float64))


def sigmoid(x):
    return np.exp(-softplus(-np.asarray(x, np.float64)))


# Name of a loss -> its value, and its gradients with respect to the real and the fake logits.
CLOSED_FORMS = {
    "logistic_discriminator": (
        lambda r, f: softplus(-r).mean() + softplus(f).mean(),
        lambda r, f: -sigmoid(-r) / len(r),
        lambda r, f: sigmoid(f) / len(f),
    ),
    "minimax_generator": (
        lambda r, f: -softplus(f).mean(),
        lambda r, f: np.zeros_like(r),
        lambda r, f: -sigmoid(f) / len(f),
    ),
    "non_saturating_generator": (
        lambda r, f: softplus(-f).mean(),
        lambda r, f: np.zeros_like(r),
        lambda r, f: -sigmoid(-f) / len(f),
    ),
    "least_squares_discriminator": (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: (r - 1) / len(r),
        lambda r, f: f / len(f),
    ),
    "least_squares_generator": (
        lambda r, f: ((f - 1) ** 2).mean() / 2,
        lambda r, f: np.zeros_like(r),
        lambda r, f: (f - 1) / len(f),
    ),
    "hinge_discriminator": (
        lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
        lambda r, f: np.where(r < 1, -1, 0) / len(r),
        lambda r, f: np.where(f > -1, 1, 0) / len(f),
    ),
    "wasserstein_discriminator": (
        lambda r, f: f.mean() - r.mean(),
        lambda r, f: np.full_like(r, -1 / len(r)),
        lambda r, f: np.full_like(f, 1 / len(f)),
    ),
    "wasserstein_generator": (
        lambda r, f: -f.mean(),
        lambda r, f: np.zeros_like(r),
        lambda r, f: np.full_like(f, -1 / len(f)),
    ),
    "relativistic_discriminator": (
        lambda r, f: softplus(f - r).mean(),
        lambda r, f: -sigmoid(f - r) / len(r),
        lambda r, f: sigmoid(f - r) / len(f),
    ),
    "relativistic_generator": (
        lambda r, f: softplus(r - f).mean(),
        lambda r, f: sigmoid(r - f) / len(r),
        lambda r, f: -sigmoid(r - f) / len(f),
    ),
    "relativistic_average_discriminator": (
        lambda r, f: softplus(f.mean() - r).mean() + softplus(f - r.mean()).mean(),
        lambda r, f: -(sigmoid(f.mean() - r) + sigmoid(f - r.mean()).mean()) / len(r),
        lambda r, f: (sigmoid(f - r.mean()) + sigmoid(f.mean() - r).mean()) / len(f),
    ),
    "relativistic_average_generator": (
        lambda r, f: softplus(r - f.mean()).mean() + softplus(r.mean() - f).mean(),
        lambda r, f: (sigmoid(r - f.mean()) + sigmoid(r.mean() - f).mean()) / len(r),
        lambda r, f: -(sigmoid(r.mean() - f) + sigmoid(r - f.mean()).mean()) / len(f),
    ),
}


def test_closed_forms_cover_every_loss():
    names = {
        loss_fn.__name__
        for loss in GAN_LOSSES.values()
        for loss_fn in (loss.discriminator, loss.generator)
    }
    assert names == set(CLOSED_FORMS)


def test_probability_is_defined_for_logistic_losses_only():
    names = {name for name, loss in GAN_LOSSES.items() if loss.probability is not None}
    assert names == {"non_saturating", "minimax"}


@pytest.mark.parametrize(
    ("name", "real", "fake", "d_loss", "g_loss"),
    [
        # Test vectors published in other test suites, and values derived from them.
        ("non_saturating", A_REAL, A_FAKE, 5.83387, 1.38582),
        ("minimax", A_REAL, A_FAKE, 5.83387, -4.51082),
        ("least_squares", A_REAL, A_FAKE, 41.73375, 17.69625),
        ("wasserstein", A_REAL, A_FAKE, 0.225, -3.125),
        ("hinge", A_REAL, A_FAKE, 6.75, -3.125),
        ("relativistic_average", RA_REAL, RA_FAKE, 4.390114, 4.9401135),
        ("relativistic", RA_REAL, RA_FAKE, 4.3148275, 4.5898275),
        ("non_saturating", B_REAL, B_FAKE, 3.1251488, 0.9509911),
        ("minimax", B_REAL, B_FAKE, 3.1251488, -3.0509912),
        ("least_squares", B_REAL, B_FAKE, 19.76125, 7.3425),
        ("wasserstein", B_REAL, B_FAKE, -2.625, -2.1),
        ("non_saturating", [1.0], [1.0], 1.6265234, 0.3132617),
        ("hinge", [1.0], [1.0], 2.0, -1.0),
        # The values for zero logits that the docstrings state.
        ("non_saturating", [0.0], [0.0], 2 * LOG2, LOG2),
        ("minimax", [0.0], [0.0], 2 * LOG2, -LOG2),
        ("least_squares", [0.0], [0.0], 0.5, 0.5),
        ("hinge", [0.0], [0.0], 2.0, 0.0),
        ("wasserstein", [0.0], [0.0], 0.0, 0.0),
        ("relativistic", [0.0], [0.0], LOG2, LOG2),
        ("relativistic_average", [0.0], [0.0], 2 * LOG2, 2 * LOG2),
    ],
)
def test_losses_have_the_published_values(name, real, fake, d_loss, g_loss):
    loss = GAN_LOSSES[name]
    real, fake = jnp.array(real), jnp.array(fake)
    np.testing.assert_allclose(loss.discriminator(real, fake), d_loss, rtol=3e-6)
    np.testing.assert_allclose(loss.generator(real, fake), g_loss, rtol=3e-6)


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_losses_and_their_gradients_have_the_closed_forms_up_to_large_logits(name, scale):
    value_fn, real_grad_fn, fake_grad_fn = CLOSED_FORMS[name]
    loss_fn = getattr(losses, name)
    rng = np.random.default_rng(0)
    extremes = [-scale, 0.0, scale]

    def draw_logits(first):
        return np.r_[first, rng.uniform(-scale, scale, 5)]

    rows = [(draw_logits(extremes), draw_logits(extremes[::-1])) for _ in range(3)]
    # Multiples of 1/64 have exact differences and exact means of eight in float32, so that the
    # tolerances only cover the loss itself.
    rows = np.round(64 * np.array(rows)) / 64
    evaluate = jax.jit(lambda r, f: (loss_fn(r, f), jax.grad(loss_fn, (0, 1))(r, f)))
    for r, f in rows:
        value, (real_grad, fake_grad) = evaluate(*jnp.float32([r, f]))
        np.testing.assert_allclose(value, value_fn(r, f), rtol=1e-6)
        np.testing.assert_allclose(real_grad, real_grad_fn(r, f), rtol=1e-5, atol=1e-37)
        np.testing.assert_allclose(fake_grad, fake_grad_fn(r, f), rtol=1e-5, atol=1e-37)

    def closed_form(fn):
        return [fn(r, f) for r, f in rows]

    batched = jax.vmap(evaluate)(jnp.float32(rows[:, 0]), jnp.float32(rows[:, 1]))
    values, (real_grads, fake_grads) = batched
    np.testing.assert_allclose(values, closed_form(value_fn), rtol=1e-6)
    np.testing.assert_allclose(real_grads, closed_form(real_grad_fn), rtol=1e-5, atol=1e-37)
    np.testing.assert_allclose(fake_grads, closed_form(fake_grad_fn), rtol=1e-5, atol=1e-37)


logits = st.lists(st.integers(-300, 300), min_size=4, max_size=4).map(lambda x: jnp.float32(x) / 64)


@FAST
@given(logits, logits, st.integers(-9, 9))
def test_wasserstein_and_relativistic_losses_depend_only_on_differences(real, fake, shift):
    for loss_fn in (
        losses.wasserstein.discriminator,
        losses.relativistic.discriminator,
        losses.relativistic.generator,
        losses.relativistic_average.discriminator,
        losses.relativistic_average.generator,
    ):
        shifted = loss_fn(real + shift, fake + shift)
        np.testing.assert_allclose(shifted, loss_fn(real, fake), rtol=1e-6)


@FAST
@given(logits, logits)
def test_relativistic_generators_exchange_real_and_fake(real, fake):
    for loss in (losses.relativistic, losses.relativistic_average):
        np.testing.assert_allclose(
            loss.generator(real, fake), loss.discriminator(fake, real), rtol=1e-6
        )


@FAST
@given(logits, logits)
def test_minimax_is_zero_sum(real, fake):
    # With real logits of about 1e4 the real term of the discriminator's loss is 0.
    d_loss = losses.minimax.discriminator(1e4 + real, fake)
    np.testing.assert_allclose(losses.minimax.generator(real, fake) + d_loss, 0)


@FAST
@given(logits, logits)
def test_hinge_discriminator_ignores_logits_beyond_the_margin(real, fake):
    loss_fn = losses.hinge.discriminator
    real, fake = 1.01 + jnp.abs(real), -1.01 - jnp.abs(fake)
    assert loss_fn(real, fake) == 0
    assert not np.any(jax.grad(loss_fn, (0, 1))(real, fake))
    assert loss_fn(fake, real) > 4


@FAST
@given(logits)
def test_discriminator_losses_of_indistinguishable_batches_are_at_least_chance_level(same):
    # If real and fake logits are equal, the logistic loss is smallest at D = 1/2, with 2 log 2.
    zeros = jnp.zeros_like(same)
    np.testing.assert_allclose(losses.logistic_discriminator(zeros, zeros), 2 * LOG2, rtol=1e-6)
    assert losses.logistic_discriminator(same, same) >= 2 * LOG2 - 1e-6
    assert losses.relativistic_discriminator(same, same) == pytest.approx(LOG2, rel=1e-6)


X = np.linspace(-12, 16, 200_001)

# On smooth densities the quadrature is exact for this purpose. float32 leaves errors of about 1e-7
# in values up to 2, and the published values have an error of up to 5e-8.
QUADRATURE_TOLERANCE = {"rtol": 0, "atol": 1e-6}


def gaussian_densities(m):
    """Returns the densities of N(0, 1), the real data, and of N(m, 1), the fakes, at X."""
    return (np.exp(-((X - mean) ** 2) / 2) / np.sqrt(2 * np.pi) for mean in (0, m))


def weighted_losses(loss_fn, real_density, fake_density, logits, zero_loss_logits):
    """Returns the loss at each point of X, weighted by the densities.

    `logits` are those of the discriminator at X. `zero_loss_logits` are a real and a fake logit
    that contribute nothing to the loss: they fill in for the other batch.
    """
    free_real, free_fake = (jnp.full((1,), logit, jnp.float32) for logit in zero_loss_logits)
    real_losses, fake_losses = jax.vmap(lambda x: (loss_fn(x, free_fake), loss_fn(free_real, x)))(
        jnp.float32(logits)[:, None]
    )
    return real_density * real_losses + fake_density * fake_losses


def integrate(values):
    return np.sum(np.float64(values)) * (X[1] - X[0])


@pytest.mark.parametrize(
    ("m", "published"), [(0, -1.3862944), (1, -1.1634514), (2, -0.7126327), (3, -0.3327397)]
)
def test_logistic_discriminator_optimum_is_the_jensen_shannon_divergence(m, published):
    real, fake = gaussian_densities(m)
    optimum = m**2 / 2 - m * X  # log p - log q; the loss is 2 log 2 - 2 JSD
    values = weighted_losses(losses.logistic_discriminator, real, fake, optimum, (1e4, -1e4))
    np.testing.assert_allclose(-integrate(values), published, **QUADRATURE_TOLERANCE)


@pytest.mark.parametrize("m", [0, 1, 2, 3])
def test_hinge_discriminator_optimum_is_the_total_variation(m):
    real, fake = gaussian_densities(m)
    optimum = np.sign(m**2 / 2 - m * X)
    values = weighted_losses(losses.hinge_discriminator, real, fake, optimum, (1, -1))
    total_variation = math.erf(m / math.sqrt(8))
    np.testing.assert_allclose(integrate(values), 2 - 2 * total_variation, **QUADRATURE_TOLERANCE)


@pytest.mark.parametrize("m", [0, 1, 2, 3])
def test_wasserstein_discriminator_optimum_is_the_wasserstein_distance(m):
    real, fake = gaussian_densities(m)
    optimum = -X  # 1-Lipschitz
    values = weighted_losses(losses.wasserstein_discriminator, real, fake, optimum, (0, 0))
    np.testing.assert_allclose(-integrate(values), m, **QUADRATURE_TOLERANCE)


@pytest.mark.parametrize(
    ("name", "optimum_fn", "zero_loss_logits"),
    [
        ("logistic_discriminator", lambda p, q: np.log(p / q), (1e4, -1e4)),
        ("least_squares_discriminator", lambda p, q: p / (p + q), (1, 0)),
    ],
)
def test_discriminator_losses_are_stationary_at_the_optimum(name, optimum_fn, zero_loss_logits):
    real, fake = gaussian_densities(1)
    loss_fn = getattr(losses, name)
    grad_fn = jax.grad(
        lambda logits: weighted_losses(loss_fn, real, fake, logits, zero_loss_logits).sum()
    )
    np.testing.assert_allclose(grad_fn(jnp.float32(optimum_fn(real, fake))), 0, atol=1e-7)
    assert float(jnp.abs(grad_fn(jnp.float32(optimum_fn(fake, real)))).max()) > 0.1


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_losses_raise_if_an_argument_is_not_of_rank_one(name):
    loss_fn = getattr(losses, name)
    good, bad = jnp.zeros(4), jnp.zeros((4, 1))
    with pytest.raises(ShapeError, match=r"real_logits has shape \(4, 1\), expected \[B\]"):
        loss_fn(bad, good)
    with pytest.raises(ShapeError, match="fake_logits has"):
        jax.jit(loss_fn)(good, bad)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_losses_raise_if_an_argument_is_empty_or_not_floating(name):
    loss_fn = getattr(losses, name)
    with pytest.raises(ShapeError, match=r"fake_logits has shape \(0,\)"):
        loss_fn(jnp.zeros(4), jnp.zeros(0))
    with pytest.raises(DtypeError, match="fake_logits is a tuple, expected one array"):
        loss_fn(jnp.ones(4), (jnp.ones(4), jnp.ones(4)))
    with pytest.raises(DtypeError, match="real_logits is int32, expected floating point"):
        loss_fn(jnp.zeros(4, jnp.int32), jnp.zeros(4))


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_losses_accept_batches_of_different_sizes_unless_they_form_pairs(name):
    loss_fn = getattr(losses, name)
    r, f = np.arange(4.0), np.arange(1.0)  # a single fake would broadcast
    if name in ("relativistic_discriminator", "relativistic_generator"):
        with pytest.raises(ShapeError, match="there are 4 real_logits and 1 fake_logits"):
            loss_fn(jnp.float32(r), jnp.float32(f))
    else:
        np.testing.assert_allclose(
            loss_fn(jnp.float32(r), jnp.float32(f)), CLOSED_FORMS[name][0](r, f), rtol=1e-6
        )


def test_gan_loss_replace_changes_one_loss():
    loss = losses.non_saturating._replace(discriminator=lambda r, f: jnp.mean(f) - jnp.mean(r))
    assert loss.generator is losses.non_saturating.generator
    assert loss.discriminator(jnp.array([3.0]), jnp.array([1.0])) == -2.0
