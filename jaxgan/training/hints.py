"""Hints about likely mistakes that cause no error in training."""

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.distributed.sharding import select_member
from jaxgan.gan import GAN
from jaxgan.states import GANState
from jaxgan.training.program import Program
from jaxgan.training.rng import make_rng_streams

NUM_SAMPLES = 16
SATURATING_SCALE = 1_000.0  # factor on G's parameters that saturates a tanh or sigmoid output


def data_range_hint(program: Program, state: GANState) -> str | None:
    """Returns a hint if the data are outside the range of a bounded generator, else None.

    Streaming sources and sources of uint8 images, which scale pixels to [-1, 1], are not checked.

    Args:
      program: The program of the run.
      state: The state, host-local, because only the primary process calls this.
    """
    leaves = jax.tree.leaves(program.source.arrays)
    if program.source.stream is not None or any(x.dtype == jnp.uint8 for x in leaves):
        return None
    real, condition = first_batch(program)
    low, high = float(real.min()), float(real.max())
    if -1 <= low < 0 and high <= 1:
        return None
    if program.streams.init.ndim:
        state = select_member(state, 0)
    bounds = output_bounds(program.original_gan, state, condition)
    if bounds is None or (bounds[0] <= low < bounds[0] + 0.5 and high <= bounds[1]):
        return None
    return (
        f"The generator's output is bounded by {bounds[0]:g} and {bounds[1]:g}, but the first "
        f"batch of the data has values from {low:.3g} to {high:.3g}. Scale the data to the range "
        "of the generator, such as [-1, 1] for tanh."
    )


def first_batch(program: Program) -> tuple[jax.Array, jax.Array | None]:
    """Returns a batch of the source, drawn with keys that the run does not use."""
    streams, source = make_rng_streams(0), program.source
    order = jax.jit(source.order)(streams.shuffle, 0)
    return jax.jit(source.batch)(source.arrays, order, streams.batch, 0)


def output_bounds(
    gan: GAN, state: GANState, condition: jax.Array | None
) -> tuple[float, float] | None:
    """Returns (-1, 1) if the generator ends in tanh, (0, 1) if in a sigmoid, else None."""
    params = jax.tree.map(lambda x: SATURATING_SCALE * x, state.g.params)
    z = gan.prior(jax.random.key(0), NUM_SAMPLES)
    some = None if condition is None else jnp.resize(condition, (NUM_SAMPLES, *condition.shape[1:]))
    samples = np.asarray(gan.generate(state.g.replace(params=params).variables, z, some))
    if not np.isfinite(samples).all() or np.abs(samples).max() > 1:
        return None
    return (-1.0, 1.0) if samples.min() < 0 else (0.0, 1.0)


def parameter_checksums(state: GANState) -> dict[str, int]:
    """Returns a checksum of the parameters of each network."""

    def checksum(params: Any) -> int:
        value = 0
        for x in jax.tree.leaves(params):
            value = zlib.crc32(np.asarray(x).tobytes(), value)
        return value

    return {"discriminator": checksum(state.d.params), "generator": checksum(state.g.params)}


def unchanged_hint(before: dict[str, int], now: dict[str, int], steps: int) -> str | None:
    """Returns a hint if the parameters of a network did not change within some train steps."""
    names = [name for name in now if before.get(name) == now[name]]
    if not names:
        return None
    return (
        f"The parameters of the {' and the '.join(names)} have not changed in the last {steps:,} "
        "train steps, so further steps have no effect; check whether the learning rate is 0."
    )
