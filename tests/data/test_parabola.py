"""The source of parabolas."""

import jax
import numpy as np
import pytest

from jaxgan.data.parabola import POINTS, parabola_source
from jaxgan.errors import ConfigError


def test_parabola_source_draws_uniform_coefficients():
    source = parabola_source(4000)
    batch = jax.jit(lambda key: source.batch((), (), key, 0)[0])
    x = np.asarray(batch(jax.random.key(0)), np.float64)
    assert x.shape == (4000, 15)
    # At x = 0 a curve is a - 1, at x = ±1 it is 2a - 1.
    np.testing.assert_allclose(x[:, 7], x[:, 0] / 2 - 0.5, atol=1e-6)
    a = x[:, 7] + 1
    np.testing.assert_allclose(x, a[:, None] * POINTS[None] ** 2 + a[:, None] - 1, atol=1e-6)
    assert 1 <= a.min() < 1.01
    assert 1.99 < a.max() <= 2
    np.testing.assert_allclose(np.quantile(a, [0.25, 0.5, 0.75]), [1.25, 1.5, 1.75], atol=0.03)
    assert not np.array_equal(x, batch(jax.random.key(1)))


def test_parabola_source_refuses_sizes_below_one():
    with pytest.raises(ConfigError, match="batch_size is 0 and batches_per_epoch is 500"):
        parabola_source(0)
