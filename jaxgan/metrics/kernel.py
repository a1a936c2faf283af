"""Kernel distance between two sets of features: the KID, with the features of any network.

Unlike the Fréchet distance, the estimate is unbiased at every sample size, and it comes with a
standard error.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating
from jaxgan.errors import ConfigError, ShapeError


class KernelDistance(NamedTuple):
    """Kernel distance and its standard error; both are scalars.

    Attributes:
      value: Estimate of the squared maximum mean discrepancy (MMD). Its mean is 0 if both
        distributions are equal, so it may be negative.
      standard_error: Standard error of `value`; a rough estimate if there are few blocks.
    """

    value: jax.Array
    standard_error: jax.Array


# Without jit, every eager call would compile the loop of `lax.map` again.
@partial(jax.jit, static_argnames="block_size")
def kernel_distance(real: jax.Array, fake: jax.Array, *, block_size: int = 1000) -> KernelDistance:
    """Squared MMD of real and fake features under the cubic kernel (x·y/F + 1)³.

    Both sets are split into n = max(2, ⌊min(N, M) / block_size⌋) blocks of
    min(block_size, ⌊min(N, M) / 2⌋) consecutive samples; the remaining samples are unused. The
    unbiased estimate is computed for each of the n pairs of blocks. The result is the mean of the
    n estimates, and their standard deviation over √n. Blocks are taken in order, so the samples
    must be shuffled.

    Args:
      real: `[N, F]`, floating features of real samples, N at least 4.
      fake: `[M, F]`, floating features of generated samples, M at least 4.
      block_size: Samples per block, at least 2.

    Returns:
      The distance and its standard error, at least float32. The scale depends on the features:
      the kernel is of third degree in x·y/F.

    Raises:
      ShapeError: If the features are not `[N, F]` and `[M, F]` with N and M at least 4.
      DtypeError: If the features are not floating.
      ConfigError: If `block_size` is below 2.

    References:
      Bińkowski et al. 2018, section 4; Gretton et al. 2012, eq. 3.
    """
    same_features = real.ndim == fake.ndim == 2 and real.shape[1] == fake.shape[1] > 0
    if not same_features or min(len(real), len(fake)) < 4:
        raise ShapeError(
            f"real has shape {list(real.shape)}, fake {list(fake.shape)}, expected [N, F] and "
            "[M, F] with N and M at least 4; pass features from the same network"
        )
    check_floating(real=real, fake=fake)
    if block_size < 2:
        raise ConfigError(
            f"block_size is {block_size}, expected at least 2 samples; the default is 1000"
        )
    num_samples, dim = min(len(real), len(fake)), real.shape[1]
    num, size = max(2, num_samples // block_size), min(block_size, num_samples // 2)
    dtype = jnp.promote_types(jnp.promote_types(real.dtype, fake.dtype), jnp.float32)
    x, y = (
        features[: num * size].astype(dtype).reshape(num, size, dim) for features in (real, fake)
    )

    # Write the samples as c + u and c + v, with the center c. The argument of the kernel's cube is
    #   t = (c + u)·(c + v)/F + 1 = a + w,   w = p(u) + p(v) + q,
    # with a = c·c/F + 1, p(u) = c·u/F and q = u·v/F. Adding f(x) + f(y) to a kernel does not change
    # the unbiased estimate, so a³ and 3a²(p(u) + p(v)) are dropped from t³: they are large and
    # would only add rounding errors.
    center = jnp.mean(x, axis=(0, 1))
    a = jnp.sum(center**2) / dim + 1

    def kernel_fn(u, v):
        q = jnp.matmul(u, v.T, precision="highest") / dim
        p_u, p_v = (jnp.matmul(z, center, precision="highest") / dim for z in (u, v))
        w = p_u[:, None] + p_v[None] + q
        return w**2 * (w + 3 * a) + 3 * a**2 * q

    def estimate_mmd(blocks):
        u, v = (features - center[None] for features in blocks)
        off_diagonal = ~jnp.eye(size, dtype=bool)
        # Row sums first: a sum of partial sums has a smaller rounding error than one long sum.
        within = [
            jnp.sum(jnp.sum(jnp.where(off_diagonal, kernel_fn(z, z), 0), axis=1)) for z in (u, v)
        ]
        between = jnp.mean(jnp.mean(kernel_fn(u, v), axis=1))
        return sum(within) / (size * (size - 1)) - 2 * between

    values = jax.lax.map(estimate_mmd, (x, y))
    return KernelDistance(jnp.mean(values), jnp.std(values, ddof=1) / num**0.5)
