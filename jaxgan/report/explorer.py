"""The latent explorer of a report: samples on two planes of the latent space, computed in advance.

One plane lies between four chosen samples. The other is spanned by the first two principal
directions of the generator's first hidden layer.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxgan.data.sources import to_pixels
from jaxgan.gan import GAN
from jaxgan.latents import draw_latents, interpolate_grid, is_normal
from jaxgan.plotting.images import check_image_shape
from jaxgan.report.images import encode_grid, limit_size
from jaxgan.report.samples import describe_curves, describe_points, round_list

GRID_SIZE = 21
CLASS_GRID_SIZE = 11
MAX_CLASSES = 10
MAX_SIDE = 64  # pixels of an image
NUM_PCA_SAMPLES = 1_000
NUM_LAYERS = 3  # in which the first layer that depends on z is looked for
MIN_RADIUS = 2.5  # standard deviations
BATCH_SIZE = 256
DEFAULT_SEEDS = (0, 1, 2, 3)

Explorer = dict[str, Any]


class Plane(NamedTuple):
    """A plane of the latent space.

    Attributes:
      title: Its name in the page.
      note: Describes its axes.
      z: `[size, size, dim]`, by row and column.
    """

    title: str
    note: str
    z: jax.typing.ArrayLike


def make_explorer(
    gan: GAN,
    variables: Any,
    data_name: str | None = None,
    class_names: Sequence[str] | None = None,
    seeds: Sequence[int] = DEFAULT_SEEDS,
) -> Explorer | None:
    """Returns the samples of two planes of the latent space.

    Args:
      gan: The GAN.
      variables: The variables of the generator, such as `state.g_ema`.
      data_name: The name of the data set, which determines how samples that are not images are
        drawn.
      class_names: The names of the classes of a conditional GAN; at most ten are explored.
      seeds: Seeds of the four latent vectors at the corners of the first plane.

    Returns:
      The explorer; None if the samples are neither images, nor points of the plane, nor parabolas.
    """
    size = GRID_SIZE if class_names is None else CLASS_GRID_SIZE
    names = list(class_names or [])[:MAX_CLASSES]
    labels = list(range(len(names))) or [None]
    explorer: Explorer = {"size": size, "classes": names, "planes": []}
    for plane in (corner_plane(gan, seeds, size), principal_plane(gan, variables, names, size)):
        z = np.asarray(plane.z, np.float32).reshape(size * size, -1)
        sheets = generate(gan, variables, z, labels)
        kind = describe_kind(sheets[0], data_name)
        if kind is None:
            return None
        explorer |= kind
        explorer["planes"].append(
            {
                "title": plane.title,
                "note": plane.note,
                "sheets": [encode_samples(samples, size) for samples in sheets],
            }
        )
    return explorer


def describe_kind(samples: np.ndarray, data_name: str | None) -> dict[str, Any] | None:
    """Returns how samples are drawn; None if they are of a kind that cannot be drawn."""
    if samples.ndim == 4:
        check_image_shape(samples.shape)
        return {"kind": "images"}
    if samples.shape[1:] == (2,):
        return describe_points(data_name, samples)
    if data_name == "parabola":
        return describe_curves()
    return None


def corner_plane(gan: GAN, seeds: Sequence[int], size: int) -> Plane:
    """Returns the plane between the latent vectors of four seeds."""
    spherical = is_normal(gan.prior)
    z = interpolate_grid(draw_latents(gan.prior, seeds), size, spherical=spherical)
    kind = "spherical" if spherical else "linear"
    return Plane(
        "between four samples",
        f"The corners are the samples of seeds {', '.join(map(str, seeds))}, row by row; {kind} "
        "interpolation between them.",
        z,
    )


def principal_plane(gan: GAN, variables: Any, class_names: list[str], size: int) -> Plane:
    """Returns the plane through z = 0 that is spanned by two principal directions.

    Its half width is the typical length of a latent vector, and at least 2.5 standard deviations.
    """
    z = np.asarray(gan.prior(jax.random.key(0), NUM_PCA_SAMPLES))
    condition = np.zeros(len(z), np.int32) if class_names else None
    directions = principal_directions(gan, variables, z, condition)
    radius = max(z.shape[1] ** 0.5, MIN_RADIUS) * float(np.std(z))
    axis = np.linspace(-radius, radius, size)
    grid = axis[None, :, None] * directions[0] + axis[:, None, None] * directions[-1]
    return Plane(
        "principal directions",
        "Horizontally the first, vertically the second principal direction of the generator's "
        f"first hidden layer; z = 0 is in the middle, and the edges are {radius:.3g} away from it.",
        grid,
    )


def principal_directions(
    gan: GAN, variables: Any, z: np.ndarray, condition: np.ndarray | None = None
) -> np.ndarray:
    """Returns the latent directions of the first two principal components of a hidden layer.

    Args:
      gan: The GAN.
      variables: The variables of the generator.
      z: `[N, dim]`, samples of the prior.
      condition: `[N, …]`, the same for all samples; None for an unconditional GAN.

    Returns:
      `[2, 1, dim]`, of length 1; `[1, 1, dim]` if z or the layer has one dimension only.

    References:
      Härkönen et al. 2020, section 2.2 (principal components of the activations of the first
      layer, transferred to the latent space by regression).
    """
    activations = first_layer_outputs(gan, variables, z, condition)
    centered = activations - activations.mean(0)
    if centered.shape[1] < len(centered):
        components = centered @ np.linalg.eigh(centered.T @ centered)[1]
    else:  # the same up to scale, from the smaller matrix
        components = np.linalg.eigh(centered @ centered.T)[1]
    num = min(2, z.shape[1], components.shape[1])
    # A linear layer is recovered exactly, whatever the number of samples.
    latents = np.column_stack([np.asarray(z, np.float64), np.ones(len(z))])
    solution = np.linalg.lstsq(latents, components[:, ::-1][:, :num], rcond=None)[0]
    directions = solution[: z.shape[1]].T
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True))[:, None]


def first_layer_outputs(
    gan: GAN, variables: Any, z: np.ndarray, condition: np.ndarray | None
) -> np.ndarray:
    """Returns the outputs `[N, F]` of the generator's first layer that depends on z.

    If the generator is not made of Linen layers, these are its samples.
    """
    # Not the compiled function, which would not call the layers again.
    function = getattr(gan.generate, "__wrapped__", gan.generate)

    def call_layers(variables, z, condition):
        outputs = []

        def record(next_function, args, kwargs, context):
            output = next_function(*args, **kwargs)
            is_batch = getattr(output, "shape", ())[:1] == z.shape[:1]
            if is_batch and context.method_name == "__call__":
                outputs.append(output)
            return output

        with nn.intercept_methods(record):
            samples = function(variables, z, condition)
        # The first may be an embedding of the condition. XLA removes the layers that follow.
        return [*outputs, samples][:NUM_LAYERS]

    outputs = jax.jit(call_layers)(variables, z, condition)
    flat = [np.asarray(output, np.float64).reshape(len(z), -1) for output in outputs]
    return next((x for x in flat if x.std(0).max() > 0), flat[-1])


def generate(
    gan: GAN, variables: Any, z: np.ndarray, labels: Sequence[int | None]
) -> list[np.ndarray]:
    """Returns the samples `[N, …]` of each class, made in batches of one size."""
    num = len(z) * len(labels)
    z_all = np.resize(z, (-(-num // BATCH_SIZE) * BATCH_SIZE, z.shape[1]))
    conditional = None not in labels
    classes = np.resize(np.repeat(np.array(labels), len(z)), len(z_all)) if conditional else None
    batches = []
    for start in range(0, len(z_all), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        condition = None if classes is None else classes[part].astype(np.int32)
        samples = gan.generate(variables, jnp.asarray(z_all[part]), condition)
        batches.append(np.asarray(samples))
    return np.split(np.concatenate(batches)[:num], len(labels))


def encode_samples(samples: np.ndarray, size: int) -> Any:
    """Returns images as one sheet without gaps, other samples as a list of numbers."""
    if samples.ndim != 4:
        return round_list(samples)
    return encode_grid(limit_size(to_pixels(samples), MAX_SIDE), size, gap=0)
