"""GAN inversion: finds the latent vectors from which a generator reproduces given samples."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxgan._checks import check_floating, check_integers, check_key
from jaxgan.errors import ConfigError, ShapeError
from jaxgan.gan import GAN
from jaxgan.states import GANState


class Inversion(NamedTuple):
    """The result of an inversion of N samples.

    Attributes:
      z: `[N, dim]`, the best latent vector of each sample.
      samples: `[N, …]`, the samples that the generator makes of `z`.
      error: `[N]`, mean squared error of `samples`; from 0 to 4 for images in [-1, 1].
    """

    z: jax.Array
    samples: jax.Array
    error: jax.Array


def invert(
    gan: GAN,
    state: GANState,
    images: jax.Array,
    key: jax.Array,
    condition: jax.typing.ArrayLike | None = None,
    *,
    num_starts: int = 8,
    steps: int = 500,
    learning_rate: float = 0.1,
    projection: Callable[[jax.Array], jax.Array] | None = None,
) -> Inversion:
    """Finds latent vectors from which the generator reproduces given images or other samples.

    Adam minimizes the mean squared error of each image over z, from several starting points at
    once; the result with the smallest error is kept. The learning rate falls to 0 by a cosine
    schedule. Uses the moving average of the generator if there is one.

    Args:
      gan: The GAN.
      state: The state of a single GAN, not of a population.
      images: `[N, …]`, floating, in the range of the generator's output.
      key: A typed PRNG key, which is consumed. It draws the starting points from the prior.
      condition: `[N, …]`, the condition of each image; None for an unconditional GAN.
      num_starts: Number of starting points per image, at least 1.
      steps: Number of Adam updates, at least 1.
      learning_rate: The initial learning rate, above 0.
      projection: `z [N, dim] -> z [N, dim]`, applied after each update, for example
        `lambda z: jnp.clip(z, -1, 1)` to stay in the support of a uniform prior. None: no
        projection.

    Returns:
      The latent vectors, the samples that the generator makes of them, and their errors.

    Raises:
      ShapeError: If the images do not have the shape of the samples, or a condition is missing or
        given although the GAN takes none.
      DtypeError: If the images are not floating.
      ConfigError: If a number is out of range.

    References:
      Creswell and Bharath 2018, "Inverting the generator of a generative adversarial network"
      (gradient descent on z); Zhu et al. 2016, "Generative visual manipulation on the natural image
      manifold", section 4.1.
    """
    check_key(key)
    check_integers(num_starts=num_starts, steps=steps)
    for name, value in {"num_starts": num_starts, "steps": steps}.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}, expected at least 1")
    if not learning_rate > 0:
        raise ConfigError(f"learning_rate is {learning_rate}, expected a number above 0")
    images = jnp.asarray(images)
    check_floating(images=images)
    variables = state.g.variables if state.g_ema is None else state.g_ema
    num = max(1, images.shape[0]) if images.ndim else 1
    z = jax.eval_shape(lambda key: gan.prior(key, num), jax.random.key(0))
    sample_shape = jax.eval_shape(gan.generate, variables, z, condition).shape
    if images.shape != sample_shape:
        raise ShapeError(
            f"images have shape {list(images.shape)}, but the generator makes samples of shape "
            f"{list(sample_shape[1:])}; pass a batch [N, …] of such samples, N at least 1"
        )
    options = (num_starts, steps, learning_rate)
    return optimize_latents(
        gan.generate, gan.prior, projection, options, variables, images, key, condition
    )


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def optimize_latents(
    generate: Callable,
    prior: Callable,
    projection: Callable | None,
    options: tuple[int, int, float],
    variables: Any,
    images: jax.Array,
    key: jax.Array,
    condition: jax.Array | None,
) -> Inversion:
    """Runs the optimization of `invert`.

    Args:
      generate: `GAN.generate`.
      prior: `GAN.prior`.
      projection: See `invert`.
      options: `(num_starts, steps, learning_rate)`, see `invert`.
      variables: Variables of the generator.
      images: `[N, …]`.
      key: Consumed.
      condition: `[N, …]` or None.
    """
    num_starts, steps, learning_rate = options
    tx = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))

    def errors(z):
        difference = generate(variables, z, condition) - images
        return jnp.mean(difference**2, axis=range(1, images.ndim))

    def update(carry, _):
        z, opt_state = carry
        # Each row of z affects only its own error, so one gradient of the sum serves all rows.
        grads = jax.grad(lambda z: jnp.sum(errors(z)))(z)
        updates, opt_state = tx.update(grads, opt_state, z)
        z = optax.apply_updates(z, updates)
        return (z if projection is None else projection(z), opt_state), None

    def descend(z):
        (z, _), _ = jax.lax.scan(update, (z, tx.init(z)), length=steps)
        return z, errors(z)

    starts = jax.vmap(lambda key: prior(key, len(images)))(jax.random.split(key, num_starts))
    z, error = jax.vmap(descend)(starts)
    best = jnp.argmin(jnp.where(jnp.isnan(error), jnp.inf, error), axis=0)
    rows = jnp.arange(len(images))
    z, error = z[best, rows], error[best, rows]
    return Inversion(z, generate(variables, z, condition), error)
