"""The configuration of an experiment: its command-line options, which config.json records."""

import dataclasses
import os
import typing
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import jax.numpy as jnp
import optax

from jaxgan import dynamics, optimizers
from jaxgan.augment import AUGMENTATIONS, AugmentName
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR
from jaxgan.data.image_decoding import format_size, parse_size
from jaxgan.distributed.multihost import validate_distributed_args
from jaxgan.errors import ConfigError
from jaxgan.gan import FieldTransform
from jaxgan.training.dashboards import WriterName
from jaxgan.training.options import LoopOptions, TrainOptions, describe_type, matches_type

PRECISIONS = {
    "float32": {"dtype": jnp.float32, "param_dtype": jnp.float32},
    "bf16": {"dtype": jnp.bfloat16, "param_dtype": jnp.float32},
    "float64": {"dtype": jnp.float64, "param_dtype": jnp.float64},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig(LoopOptions):
    """The options of every experiment; an experiment's `Config` adds its own.

    Raises:
      ConfigError: If an option is out of its range.
    """

    workdir: Path = Path("runs/run")
    """Directory of the run. A run that exists there is resumed from its latest checkpoint."""
    overwrite: bool = False
    """Remove the existing run in the workdir and start a new one."""
    steps: int | None = None
    """Total number of train steps."""
    batch_size: int = 128
    """Real samples per update of the discriminator."""
    report: bool = True
    """Write report.html, a page that shows what happened, when the run ends."""
    precision: Literal["float32", "bf16", "float64"] = "float32"
    """Floating point type of the computation. With bf16 the parameters stay in float32."""
    log: tuple[WriterName, ...] | None = None
    """Dashboards that also receive the metrics, scores, samples and settings: tensorboard (files in
    the workdir), wandb (Weights & Biases). Separate several by spaces. Unset: none; the logs in
    JSON Lines format are always written."""
    compilation_cache: bool = True
    """Keep compiled programs in compilation_cache of the data directory, so that the next run with
    the same networks starts sooner. JAX_COMPILATION_CACHE_DIR sets another directory."""
    coordinator: str | None = None
    """Address HOST:PORT of process 0, for a run of several processes that are started by the same
    command; or auto on Slurm, Open MPI, GKE and Cloud TPU. Unset: a single process."""
    num_processes: int | None = None
    """Number of processes. Leave unset with --coordinator auto."""
    process_id: int | None = None
    """Index of this process, from 0. Leave unset with --coordinator auto."""

    single_threaded: ClassVar[bool] = False
    """Whether the networks are too small to gain from a second core."""
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    """For each preset, the fields that differ from the defaults."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is out of its range."""
        super().__post_init__()
        object.__setattr__(self, "workdir", Path(os.path.expanduser(self.workdir)))
        validate_distributed_args(self.coordinator, self.num_processes, self.process_id)

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> Self:
        """Returns the configuration of a preset, with some fields changed."""
        fields = cls.presets.get(name, {}) | changes
        return cls(preset=name, **fields)  # pyright: ignore[reportCallIssue]

    def total_steps(self, steps_per_epoch: int) -> int:
        """Returns the total number of train steps. Raises ConfigError if it is not given."""
        del steps_per_epoch
        if self.steps is None:
            raise ConfigError("steps is not given; set the number of train steps (--steps)")
        return self.steps

    def warnings(self, steps: int) -> list[str]:
        """Returns warnings for the user about the length of the run, `steps` train steps."""
        del steps
        return []

    def longer_hint(self, step: int) -> str:
        """Returns how a run that has ended at train step `step` can be trained for longer."""
        del step
        return "Train longer with more --steps, or start over with --overwrite."

    def train_options(self, steps_per_epoch: int) -> TrainOptions:
        """Returns the options of the training loop, with epochs resolved to train steps."""
        shared = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(LoopOptions)
        }
        return TrainOptions(steps=self.total_steps(steps_per_epoch), **shared)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageRunConfig(RunConfig):
    """The options of every experiment on images."""

    dataset: str | None = None
    """mnist, fashion_mnist, kmnist, mnist_5k, digits, or another data set that TFDS has prepared; a
    folder of images, with one subfolder per class if they have classes; or a .npy or .npz file.
    Unset: mnist, or mnist_5k if MNIST is not available."""
    size: str | None = None
    """Size N or HxW to which images of a folder are scaled and cropped. Unset: their own size."""
    channels: Literal[1, 3] | None = None
    """Channels of the images of a folder: 1 is gray, 3 is RGB. Unset: 3 if any image has color."""
    skip_damaged: bool = False
    """Leave out and count the damaged files of a folder. Otherwise a damaged file is an error."""
    conditional: bool = False
    """Train a class-conditional GAN on the labels of the data set, which generates samples of a
    given class."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets. Files in downloads/manual/NAME/ there are used instead
    of a download."""
    stream: bool = False
    """Read the images from disk during training, for data sets that do not fit into memory. An
    evaluation still reads all of them."""
    epochs: int | None = None
    """Total number of epochs. An epoch passes once through the data set, or several times through a
    small one, up to 60000 images. Ignored if steps is given."""
    ema_half_life: float | None = None
    """Half-life, in images, of the exponential moving average of the generator; early in training,
    a tenth of the images so far. Samples and scores come from the average. Unset: no average."""
    augment: tuple[AugmentName, ...] | None = None
    """Random augmentations of the real and generated images that the discriminator receives, for
    training on few images: color (brightness, saturation and contrast), translation (a shift),
    cutout (a rectangle set to gray), flip (left to right). Separate several by spaces. Unset:
    none."""
    latent_dim: int = 100
    """Dimension of the latent vector z."""
    num_classes: int | None = dataclasses.field(default=None, metadata={"option": False})
    """Number of classes if conditional, which `train_on_images` takes from the data."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is out of its range."""
        super().__post_init__()
        object.__setattr__(self, "data_dir", Path(os.path.expanduser(self.data_dir)))
        if self.augment == ():
            raise ConfigError(
                f"augment names no augmentation, expected some of {', '.join(AUGMENTATIONS)}, such "
                "as --augment color translation cutout; leave it out for none"
            )
        if self.size is not None:  # 64 and 64x64 are the same size
            object.__setattr__(self, "size", format_size(parse_size(self.size)))

    def total_steps(self, steps_per_epoch: int) -> int:
        """Returns `steps` if it was given, else the steps of `epochs`, else the default `steps`."""
        if self.epochs is not None and self.steps == type(self).steps:
            return self.epochs * steps_per_epoch
        return super().total_steps(steps_per_epoch)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GameOptions(RunConfig):
    """The options of optimizers that are made for games; see also `update_order`."""

    optimistic: bool = False
    """Make the optimizer optimistic: it adds to each update its difference from the previous one
    (Daskalakis et al. 2018)."""
    consensus_gamma: float = 0.0
    """Weight gamma of consensus optimization, in which both networks also descend the squared norm
    of both gradients (Mescheder et al. 2017). 0: none."""

    def make_optimistic(self, tx: optax.GradientTransformation) -> optax.GradientTransformation:
        """Returns an optimizer, optimistic if asked for."""
        return optimizers.optimistic(tx) if self.optimistic else tx

    def make_field_transform(self) -> FieldTransform | None:
        """Returns the argument `field_transform` of `make_gan`: consensus, or None."""
        return dynamics.consensus(self.consensus_gamma) if self.consensus_gamma else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamOptions(GameOptions):
    """The options of experiments in which Adam updates both networks.

    The learning rates are above 0; `b1` is above -1 and below 1, `b2` at least 0 and below 1.
    """

    learning_rate: float = 3e-4
    """Learning rate of Adam, for both networks."""
    d_learning_rate: float | None = None
    """Another learning rate for the discriminator. Unset: the same."""
    decay_steps: int | None = None
    """Train steps over which the learning rates fall linearly to 0. Unset: they are constant."""
    b1: float = 0.5
    """Decay rate of Adam's first moment, above -1 and below 1. A negative value damps the rotation
    of alternating updates."""
    b2: float = 0.999
    """Decay rate of Adam's second moment."""

    def make_optimizers(self) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
        """Returns the optimizers of D and of G: Adam, with falling learning rates if asked for."""
        # The schedule of an optimizer counts its updates; an extragradient step has two of each.
        extragradient = self.update_order == "extragradient"
        d_updates, g_updates = (2, 2) if extragradient else (self.d_steps, self.g_steps)
        d_rate = self.learning_rate if self.d_learning_rate is None else self.d_learning_rate
        return self.make_adam(d_rate, d_updates), self.make_adam(self.learning_rate, g_updates)

    def make_adam(self, learning_rate: float, updates: int) -> optax.GradientTransformation:
        """Returns the optimizer of a network that is updated several times per train step."""
        rate = learning_rate
        if self.decay_steps is not None:
            rate = optax.linear_schedule(learning_rate, 0.0, self.decay_steps * updates)
        return self.make_optimistic(optimizers.adam(rate, self.b1, self.b2))

    def warnings(self, steps: int) -> list[str]:
        """Returns a warning if the learning rate is 0 for some of the train steps."""
        found = super().warnings(steps)
        if self.decay_steps is None or steps <= self.decay_steps:
            return found
        return [
            *found,
            f"The learning rate is 0 from step {self.decay_steps:,} on (decay_steps), so the "
            f"last {steps - self.decay_steps:,} of {steps:,} steps change nothing.",
        ]

    def longer_hint(self, step: int) -> str:
        """Returns how to train for longer, which is not possible at a learning rate of 0."""
        if self.decay_steps is None or step < self.decay_steps:
            return super().longer_hint(step)
        return (
            "The learning rate has fallen to 0. To train for longer, start over with --overwrite "
            "and larger --steps and --decay-steps."
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamConfig(AdamOptions, ImageRunConfig):
    """The options of the experiments on images in which Adam updates both networks."""

    r1_gamma: float = 0.0
    """Weight gamma of R1, the penalty on the discriminator's gradient at real images. 0: none."""


ConfigT = TypeVar("ConfigT", bound=RunConfig)
ImageConfigT = TypeVar("ImageConfigT", bound=ImageRunConfig)


def is_option(field: dataclasses.Field) -> bool:
    """Returns whether the command line has an option for a field of a configuration.

    Fields with `metadata={"option": False}` have none; they follow from the data.
    """
    return field.metadata.get("option", True)


def config_from_json(config_type: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Returns a configuration from the section "config" of config.json.

    Args:
      config_type: The class of the configuration.
      values: The content of the section; lists become tuples.

    Raises:
      ConfigError: If it has unknown fields, or values of the wrong type or out of their range.
    """
    hints = typing.get_type_hints(config_type)
    # JSON has lists, the fields are tuples.
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    unknown = sorted(values.keys() - {field.name for field in dataclasses.fields(config_type)})
    if unknown:
        raise ConfigError(
            f"config.json has fields that {config_type.__module__} does not know: "
            f"{', '.join(unknown)}; use the version of the experiment that wrote them"
        )
    for name, value in values.items():
        if not matches_type(value, hints[name]):
            raise ConfigError(
                f"config.json is corrupt: {name} is {value!r}, expected "
                f"{describe_type(hints[name])}; restore the file from a copy, or train the run "
                "again with --overwrite"
            )
    return config_type(**values)
