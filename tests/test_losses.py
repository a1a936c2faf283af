import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan import losses
from jaxgan.errors import ShapeError

LOG2 = np.log(2)
A_REAL, A_FAKE = [-5.0, 1.4, 12.5, 2.7], [10.0, 4.4, -5.5, 3.6]
B_REAL, B_FAKE = [1.3, 2.9, 8.4, 6.3], [4.8, 1.2, -3.5, 5.9]


RA_REAL, RA_FAKE = [-2.0, 0.4, 12.5, 2.7], A_FAKE
CHEAP = settings(max_examples=25, deadline=None, derandomize=True)
PAIRS = {name: pair for name, pair in vars(losses).items() if isinstance(pair, losses.GANLoss)}


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


def test_every_loss_has_a_closed_form():
    functions = {
        function.__name__
        for pair in PAIRS.values()
        for function in (pair.discriminator, pair.generator)
    }
    assert functions == set(CLOSED_FORMS)
    assert {name for name, pair in PAIRS.items() if pair.probability} == {
        "non_saturating",
        "minimax",
    }


@pytest.mark.parametrize(
    ("pair", "real", "fake", "d", "g"),
    [
        # published test vectors of other suites, and what follows from them
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
        # what the docstrings promise when every logit is 0
        ("non_saturating", [0.0], [0.0], 2 * LOG2, LOG2),
        ("minimax", [0.0], [0.0], 2 * LOG2, -LOG2),
        ("least_squares", [0.0], [0.0], 0.5, 0.5),
        ("hinge", [0.0], [0.0], 2.0, 0.0),
        ("wasserstein", [0.0], [0.0], 0.0, 0.0),
        ("relativistic", [0.0], [0.0], LOG2, LOG2),
        ("relativistic_average", [0.0], [0.0], 2 * LOG2, 2 * LOG2),
    ],
)
def test_published_values(pair, real, fake, d, g):
    loss = PAIRS[pair]
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
        (
            np.r_[ends, rng.uniform(-scale, scale, 5)],
            np.r_[ends[::-1], rng.uniform(-scale, scale, 5)],
        )
        for _ in "123"
    ]
    # Sixty-fourths have exact differences, and means of eight, in float32: what is tested is the loss alone.
    rows = np.round(64 * np.array(rows)) / 64
    evaluate = jax.jit(lambda r, f: (loss(r, f), jax.grad(loss, (0, 1))(r, f)))
    for r, f in rows:
        found, gradients = evaluate(*jnp.float32([r, f]))
        np.testing.assert_allclose(found, value(r, f), rtol=1e-6)
        np.testing.assert_allclose(gradients[0], by_real(r, f), rtol=1e-5, atol=1e-37)
        np.testing.assert_allclose(gradients[1], by_fake(r, f), rtol=1e-5, atol=1e-37)
    batched = jax.vmap(evaluate)(jnp.float32(rows[:, 0]), jnp.float32(rows[:, 1]))
    np.testing.assert_allclose(batched[0], [value(r, f) for r, f in rows], rtol=1e-6)
    np.testing.assert_allclose(
        batched[1][0], [by_real(r, f) for r, f in rows], rtol=1e-5, atol=1e-37
    )
    np.testing.assert_allclose(
        batched[1][1], [by_fake(r, f) for r, f in rows], rtol=1e-5, atol=1e-37
    )


logits = st.lists(st.integers(-300, 300), min_size=4, max_size=4).map(lambda x: jnp.float32(x) / 64)


@CHEAP
@given(logits, logits, st.integers(-9, 9))
def test_critics_see_differences_only(real, fake, shift):
    for name in ("wasserstein", "relativistic", "relativistic_average"):
        loss = PAIRS[name].discriminator
        np.testing.assert_allclose(loss(real + shift, fake + shift), loss(real, fake), rtol=1e-6)
    for name in ("relativistic", "relativistic_average"):
        loss = PAIRS[name].generator
        np.testing.assert_allclose(loss(real + shift, fake + shift), loss(real, fake), rtol=1e-6)


@CHEAP
@given(logits, logits)
def test_the_players_of_these_games_have_exchanged_roles(real, fake):
    for name in ("relativistic", "relativistic_average"):
        np.testing.assert_allclose(
            PAIRS[name].generator(real, fake), PAIRS[name].discriminator(fake, real), rtol=1e-6
        )
    np.testing.assert_allclose(
        losses.minimax.generator(real, fake) + losses.minimax.discriminator(1e4 + real, fake), 0
    )


@CHEAP
@given(logits, logits)
def test_hinge_leaves_alone_what_is_beyond_the_margin(real, fake):
    loss, beyond = losses.hinge.discriminator, (1.01 + jnp.abs(real), -1.01 - jnp.abs(fake))
    assert loss(*beyond) == 0
    assert not np.any(jax.grad(loss, (0, 1))(*beyond))
    assert loss(*beyond[::-1]) > 4


@CHEAP
@given(logits)
def test_a_discriminator_without_an_opinion_loses_two_bits(anything):
    # D = 1/2, or logits that do not tell real from fake, is worth 2 log 2 at best, whatever G does
    half = jnp.zeros_like(anything)
    np.testing.assert_allclose(losses.logistic_discriminator(half, half), 2 * LOG2, rtol=1e-6)
    assert losses.logistic_discriminator(anything, anything) >= 2 * LOG2 - 1e-6
    assert losses.relativistic_discriminator(anything, anything) == pytest.approx(LOG2, rel=1e-6)


X = np.linspace(-12, 16, 200_001)


def normals(m):
    """The densities of N(0, 1), which is real, and of N(m, 1), which is fake, on X."""
    return (np.exp(-((X - c) ** 2) / 2) / np.sqrt(2 * np.pi) for c in (0, m))


def weigh(loss, p, q, scores, free):
    """The loss of these scores on X, point by point; `free` are a real and a fake score that cost nothing."""
    free_real, free_fake = (jnp.full((1,), score, jnp.float32) for score in free)
    of_real, of_fake = jax.vmap(lambda x: (loss(x, free_fake), loss(free_real, x)))(
        jnp.float32(scores)[:, None]
    )
    return p * of_real + q * of_fake


def integrate(values):
    return np.sum(np.float64(values)) * (X[1] - X[0])


# On smooth densities the quadrature is as good as exact; float32 leaves some 1e-7 of values up to 2, the published
# figures end at 5e-8, and 1e-6 is safe from both.
WITHIN = {"rtol": 0, "atol": 1e-6}


@pytest.mark.parametrize(
    ("m", "published"), [(0, -1.3862944), (1, -1.1634514), (2, -0.7126327), (3, -0.3327397)]
)
def test_optimal_discriminators_reach_the_divergences(m, published):
    p, q = normals(m)
    optimum = m**2 / 2 - m * X  # log p - log q: the loss is 2 log 2 - 2 JSD
    value = -integrate(weigh(losses.logistic_discriminator, p, q, optimum, (1e4, -1e4)))
    np.testing.assert_allclose(value, published, **WITHIN)
    total_variation = math.erf(m / math.sqrt(8))
    value = integrate(weigh(losses.hinge_discriminator, p, q, np.sign(optimum), (1, -1)))
    np.testing.assert_allclose(value, 2 - 2 * total_variation, **WITHIN)
    value = -integrate(weigh(losses.wasserstein_discriminator, p, q, -X, (0, 0)))  # of slope 1
    np.testing.assert_allclose(value, m, **WITHIN)


@pytest.mark.parametrize(
    ("name", "optimum", "free"),
    [
        ("logistic_discriminator", lambda p, q: np.log(p / q), (1e4, -1e4)),
        ("least_squares_discriminator", lambda p, q: p / (p + q), (1, 0)),
    ],
)
def test_optimal_discriminators_are_stationary_at_every_point(name, optimum, free):
    p, q = normals(1)
    slopes = jax.grad(lambda scores: weigh(getattr(losses, name), p, q, scores, free).sum())
    np.testing.assert_allclose(slopes(jnp.float32(optimum(p, q))), 0, atol=1e-7)
    assert float(jnp.abs(slopes(jnp.float32(optimum(q, p)))).max()) > 0.1


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_other_ranks_are_refused_by_name(name):
    loss = getattr(losses, name)
    good, bad = jnp.zeros(4), jnp.zeros((4, 1))
    with pytest.raises(ShapeError, match=r"real_logits has shape \(4, 1\), expected \[B\]"):
        loss(bad, good)
    with pytest.raises(ShapeError, match="fake_logits has"):
        jax.jit(loss)(good, bad)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_batches_may_differ_in_size_unless_they_form_pairs(name):
    loss = getattr(losses, name)
    r, f = np.arange(4.0), np.arange(1.0)  # one fake would be the partner of every real
    if name in ("relativistic_discriminator", "relativistic_generator"):
        with pytest.raises(ShapeError, match="there are 4 real_logits and 1 fake_logits"):
            loss(jnp.float32(r), jnp.float32(f))
    else:
        np.testing.assert_allclose(
            loss(jnp.float32(r), jnp.float32(f)), CLOSED_FORMS[name][0](r, f), rtol=1e-6
        )


def test_half_a_loss_can_be_swapped():
    mine = losses.non_saturating._replace(discriminator=lambda r, f: jnp.mean(f) - jnp.mean(r))
    assert mine.generator is losses.non_saturating.generator
    assert mine.discriminator(jnp.array([3.0]), jnp.array([1.0])) == -2.0
