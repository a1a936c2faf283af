"""The kernel distance of two sets of features: the KID, with any network's features.

Unlike the Fréchet distance it is unbiased, whatever the sample sizes, and comes with an error.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating
from jaxgan.errors import ConfigError, ShapeError


class KernelDistance(NamedTuple):
    """Scalars.

    Attributes:
      value: the estimate of the squared maximum mean discrepancy; 0 on average for equal laws, so it may be negative.
      error: its standard error; rough where the blocks are few.
    """

    value: jax.Array
    error: jax.Array


@partial(jax.jit, static_argnames="block")  # else each call would compile its loop anew
def kernel_distance(real: jax.Array, fake: jax.Array, *, block: int = 1000) -> KernelDistance:
    """The squared MMD of `real [N, F]` and `fake [M, F]` under the kernel (x·y/F + 1)³.

    The unbiased estimate is taken in each of n pairs of blocks: n = max(2, ⌊min(N, M) / block⌋), and a block is the
    next min(block, ⌊min(N, M) / 2⌋) samples of its set; the remaining samples are unused. The value is the mean over
    the pairs, the error their standard deviation over √n. As blocks are taken as they come, the samples should come in
    random order.

    Raises:
      ShapeError: where the features are not `[N, F]` and `[M, F]` with N and M of at least 4.
      DtypeError: where they are not floating.
      ConfigError: where block is below 2.

    References:
      Bińkowski et al. 2018, section 4; Gretton et al. 2012, eq. 3.
    """
    fit = real.ndim == fake.ndim == 2 and real.shape[1] == fake.shape[1] > 0
    if not fit or min(len(real), len(fake)) < 4:
        shapes = f"real has shape {list(real.shape)}, fake {list(fake.shape)}"
        raise ShapeError(f"{shapes}, expected [N, F] and [M, F] with N and M of at least 4")
    check_floating(real=real, fake=fake)
    if block < 2:
        raise ConfigError(f"block is {block}, expected at least 2 samples")
    least, dim = min(len(real), len(fake)), real.shape[1]
    num, size = max(2, least // block), min(block, least // 2)
    dtype = jnp.promote_types(jnp.promote_types(real.dtype, fake.dtype), jnp.float32)
    x, y = (
        features[: num * size].astype(dtype).reshape(num, size, dim) for features in (real, fake)
    )

    # With x = c + u, t = x·y/F + 1 is a + p(u) + p(v) + q, where a = c·c/F + 1, p(u) = c·u/F, q = u·v/F. Adding f(x) +
    # f(y) to the kernel adds nothing to the estimate; so a³ and 3a²(p + p), large and of no effect, are left out of t³.
    centre = jnp.mean(x, axis=(0, 1))
    a = jnp.sum(centre**2) / dim + 1

    def kernel(u, v):
        q = jnp.matmul(u, v.T, precision="highest") / dim
        p, r = (jnp.matmul(w, centre, precision="highest") / dim for w in (u, v))
        w = p[:, None] + r[None] + q
        return w**2 * (w + 3 * a) + 3 * a**2 * q

    def estimate(pair):
        u, v = (features - centre[None] for features in pair)
        others = ~jnp.eye(size, dtype=bool)
        # Rows first: a sum of many sums rounds less than one long sum.
        within = [jnp.sum(jnp.sum(jnp.where(others, kernel(w, w), 0), axis=1)) for w in (u, v)]
        return sum(within) / (size * (size - 1)) - 2 * jnp.mean(jnp.mean(kernel(u, v), axis=1))

    values = jax.lax.map(estimate, (x, y))
    return KernelDistance(jnp.mean(values), jnp.std(values, ddof=1) / num**0.5)
