import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import losses
from jaxgan.errors import ShapeError

LOG2 = np.log(2)
A_REAL, A_FAKE = [-5.0, 1.4, 12.5, 2.7], [10.0, 4.4, -5.5, 3.6]
B_REAL, B_FAKE = [1.3, 2.9, 8.4, 6.3], [4.8, 1.2, -3.5, 5.9]


def softplus(x):
    return np.logaddexp(0, np.asarray(x, np.float64))


def sigmoid(x):
    return np.exp(-softplus(-np.asarray(x, np.float64)))


# name -> value and gradients by real and by fake logits, in closed form
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
}


@pytest.mark.parametrize(
    ("pair", "real", "fake", "d", "g"),
    [
        # published test vectors of two other suites, and what follows from them
        ("non_saturating", A_REAL, A_FAKE, 5.83387, 1.38582),
        ("minimax", A_REAL, A_FAKE, 5.83387, -4.51082),
        ("non_saturating", B_REAL, B_FAKE, 3.1251488, 0.9509911),
        ("minimax", B_REAL, B_FAKE, 3.1251488, -3.0509912),
        ("non_saturating", [1.0], [1.0], 1.6265234, 0.3132617),
        ("non_saturating", [0.0], [0.0], 2 * LOG2, LOG2),
        ("minimax", [0.0], [0.0], 2 * LOG2, -LOG2),
    ],
)
def test_published_values(pair, real, fake, d, g):
    loss = getattr(losses, pair)
    real, fake = jnp.array(real), jnp.array(fake)
    np.testing.assert_allclose(loss.discriminator(real, fake), d, rtol=3e-6)
    np.testing.assert_allclose(loss.generator(real, fake), g, rtol=3e-6)


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_values_and_gradients_are_the_closed_forms_even_far_out(name, scale):
    value, by_real, by_fake = CLOSED_FORMS[name]
    loss = getattr(losses, name)
    rng = np.random.default_rng(0)
    ends = [-scale, 0.0, scale]
    rows = [
        (np.r_[ends, rng.uniform(-scale, scale, 5)], np.r_[ends[::-1], rng.uniform(-scale, scale, 5)]) for _ in "123"
    ]
    rows = [(r.astype(np.float32), f.astype(np.float32)) for r, f in rows]
    for r, f in rows:
        np.testing.assert_allclose(jax.jit(loss)(r, f), value(r, f), rtol=1e-6)
        gradients = jax.jit(jax.grad(loss, (0, 1)))(r, f)
        np.testing.assert_allclose(gradients[0], by_real(r, f), rtol=1e-5, atol=1e-37)
        np.testing.assert_allclose(gradients[1], by_fake(r, f), rtol=1e-5, atol=1e-37)
    batched = jax.vmap(jax.value_and_grad(loss, (0, 1)))(*map(jnp.stack, zip(*rows, strict=True)))
    np.testing.assert_allclose(batched[0], [value(r, f) for r, f in rows], rtol=1e-6)
    np.testing.assert_allclose(batched[1][1], [by_fake(r, f) for r, f in rows], rtol=1e-5, atol=1e-37)


def test_optimal_discriminator_reaches_twice_the_divergence():
    # D* = log p - log q makes -loss = -2 log 2 + 2 JSD; for N(0, 1) against N(m, 1) by quadrature
    x = np.linspace(-12, 16, 200_001)
    for m, published in [(0, -1.3862944), (1, -1.1634514), (2, -0.7126327), (3, -0.3327397)]:
        p, q = (np.exp(-((x - c) ** 2) / 2) / np.sqrt(2 * np.pi) for c in (0, m))
        logits, sure = (m**2 / 2 - m * x)[:, None], np.full((len(x), 1), 1e4)
        of_real = jax.vmap(losses.logistic_discriminator)(logits, -sure)  # the other term is 0 where D is sure
        of_fake = jax.vmap(losses.logistic_discriminator)(sure, logits)
        value = -np.sum(p * np.asarray(of_real) + q * np.asarray(of_fake)) * (x[1] - x[0])
        np.testing.assert_allclose(value, published, atol=2e-6)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_other_ranks_are_refused_by_name(name):
    loss = getattr(losses, name)
    good, bad = jnp.zeros(4), jnp.zeros((4, 1))
    with pytest.raises(ShapeError, match=r"real_logits has shape \(4, 1\), expected \[B\]"):
        loss(bad, good)
    with pytest.raises(ShapeError, match="fake_logits"):
        jax.jit(loss)(good, bad)


def test_half_a_loss_can_be_swapped():
    mine = losses.non_saturating._replace(discriminator=lambda r, f: jnp.mean(f) - jnp.mean(r))
    assert mine.generator is losses.non_saturating.generator
    assert mine.discriminator(jnp.array([3.0]), jnp.array([1.0])) == -2.0
