"""The latent explorer of a report: precomputed samples on two planes of the latent space.

One plane interpolates between four chosen latent vectors. The other is spanned by the first two
principal directions of the generator's first hidden layer.
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
from jaxgan.report.images import encode_grid, limit_size
from jaxgan.report.samples import describe_curves, describe_points, round_list

GRID_SIZE = 21
CLASS_GRID_SIZE = 11
MAX_CLASSES = 10
MAX_SIDE = 64  # pixels of an image
NUM_PCA_SAMPLES = 1_000
NUM_LAYERS = 3  # the first layer that depends on z is one of so many
MIN_RADIUS = 2.5  # standard deviations of z
BATCH_SIZE = 256
DEFAULT_SEEDS = (0, 1, 2, 3)

Explorer = dict[str, Any]


class Plane(NamedTuple):
    """A plane of the latent space.

    Attributes:
      title: Its name in the page.
      note: A description of its axes.
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
    """Computes the samples of the latent explorer, on two planes of the latent space.

    Args:
      gan: The GAN.
      variables: The variables of the generator, such as `state.g_ema` or `state.g.variables`.
      data_name: Name of the data set, such as `"ring"` or `"parabola"`, which determines how
        samples other than images are drawn.
      class_names: Names of the classes of a conditional GAN; at most ten classes are explored.
      seeds: Four seeds: those of the latent vectors at the corners of the first plane, row by row.

    Returns:
      The argument `explorer` of `write_report`; None if the samples are neither images `[H, W, C]`
      with C = 1, 3 or 4, nor 2-D points, nor parabolas.

    Raises:
      ShapeError: If there are not four seeds.
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
    """Returns the plot settings of samples `[N, …]`; None if they cannot be drawn."""
    if samples.ndim == 4:
        return {"kind": "images"} if samples.shape[-1] in (1, 3, 4) else None
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
      `[2, 1, dim]`, unit vectors; `[1, 1, dim]` if z or the layer is one-dimensional.

    References:
      Härkönen et al. 2020, "GANSpace", section 2.2 (principal components of the activations of the
      first layer, transferred to the latent space by linear regression).
    """
    activations = first_layer_outputs(gan, variables, z, condition)
    centered = activations - activations.mean(0)
    if centered.shape[1] < len(centered):
        components = centered @ np.linalg.eigh(centered.T @ centered)[1]
    else:  # the same components up to scale, from the smaller Gram matrix
        components = np.linalg.eigh(centered @ centered.T)[1]
    num = min(2, z.shape[1], components.shape[1])
    # If the layer is linear, the regression is exact for any number of samples.
    latents = np.column_stack([np.asarray(z, np.float64), np.ones(len(z))])
    solution = np.linalg.lstsq(latents, components[:, ::-1][:, :num], rcond=None)[0]
    directions = solution[: z.shape[1]].T
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True))[:, None]


def first_layer_outputs(
    gan: GAN, variables: Any, z: np.ndarray, condition: np.ndarray | None
) -> np.ndarray:
    """Returns the outputs `[N, F]` of the generator's first layer that depends on z.

    If the generator has no Linen submodules, these are its samples.
    """
    # The function under jit: a compiled one would not call the layers, so nothing is intercepted.
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
    """Returns the samples `[N, …]` of each class, generated in batches of equal size."""
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
    """Returns images as one sprite sheet (a data URI), other samples as nested lists."""
    if samples.ndim != 4:
        return round_list(samples)
    return encode_grid(limit_size(to_pixels(samples), MAX_SIDE), size, gap=0)
