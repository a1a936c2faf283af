import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import priors
from jaxgan.errors import ConfigError


@pytest.mark.parametrize(
    ("prior_fn", "mean_square", "max_abs"),
    [(priors.normal, 1.0, 7.0), (priors.uniform, 1 / 3, 1.0)],
    ids=["normal", "uniform"],
)
def test_priors_have_the_moments_of_their_distribution(prior_fn, mean_square, max_abs):
    z = prior_fn(50)(jax.random.key(0), 4000)
    assert z.shape == (4000, 50)
    assert z.dtype == jnp.float32
    np.testing.assert_allclose(jnp.mean(z), 0, atol=0.01)
    np.testing.assert_allclose(jnp.mean(z**2), mean_square, rtol=0.02)
    assert 0.99 * min(max_abs, 4.0) < float(jnp.abs(z).max()) <= max_abs


@pytest.mark.parametrize("dim", [0, -1, 2.0, "3"])
@pytest.mark.parametrize("prior_fn", [priors.normal, priors.uniform], ids=["normal", "uniform"])
def test_priors_raise_if_the_dimension_is_not_a_positive_int(prior_fn, dim):
    with pytest.raises(ConfigError, match=f"latent dimension is {dim!r}"):
        prior_fn(dim)
