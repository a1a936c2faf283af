"""Runs experiments on images from their configuration to a trained GAN."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.classes import Classes
from jaxgan.data.sources import default_repeats, from_pixels
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.distributed.multihost import is_primary_process
from jaxgan.errors import DataError, ShapeError
from jaxgan.gan import GAN
from jaxgan.plotting.callbacks import make_class_rows, make_image_callback
from jaxgan.runs.config import ImageConfigT
from jaxgan.runs.console import print_line
from jaxgan.runs.image_data import (
    check_uses_of_labels,
    choose_probe_rows,
    data_notes,
    describe_data,
    make_source,
    open_on_all,
    read_classes,
    resolve_dataset,
)
from jaxgan.runs.image_evaluation import evaluate_gan, load_evaluator
from jaxgan.runs.run_dir import find_existing_run
from jaxgan.runs.runner import plan_training, run_training
from jaxgan.runs.runtime import configure_jax
from jaxgan.states import GANState

NUM_PROBE_SAMPLES = 64
DCGAN_HINT = "; python -m experiments.dcgan takes images of other sizes"


def train_on_images(
    config: ImageConfigT, build: Callable[[ImageConfigT], GAN]
) -> tuple[GANState, int]:
    """Trains the GAN that `build` returns for a configuration, or resumes, and prints messages.

    An epoch passes once through the data set, or several times through a small one, up to 60,000
    images.

    Args:
      config: The configuration, such as `parse_cli` returns.
      build: `config -> GAN`. It is given the configuration with the fields that follow from the
        data, `num_classes` and `image_shape`.

    Returns:
      `(state, step)`, as `train` returns them.

    Raises:
      JaxganError: If the configuration, the data and the workdir are inconsistent. The workdir is
        then unchanged.
    """
    configure_jax(config)
    config = resolve_dataset(config)
    existing = find_existing_run(config)
    if existing and not config.dataset:
        config = dataclasses.replace(config, dataset=existing["data"]["name"])
    data, message = open_on_all(config)
    check_uses_of_labels(config, data)
    if data.record is None:
        config = dataclasses.replace(config, dataset=data.name)
    labels, classes = read_classes(data) if config.conditional else (None, None)
    notes = data_notes(data, config, None if classes is None else len(classes.names))
    print_line("\n".join([f"Data: {message}", *notes]))
    repeats = default_repeats(data.num)
    rows = choose_probe_rows(data)
    examples = data.read(rows).images
    config = fill_data_fields(config, examples, classes)
    gan = build(config)
    hint = "" if hasattr(config, "image_shape") else DCGAN_HINT
    check_sample_shape(gan, data.name, examples, hint, conditional=config.conditional)
    source = make_source(config, data, labels, repeats)
    plan_training(config, gan, source)  # checks the options before a classifier is trained
    evaluator = None
    if config.evaluate_every is not None and is_primary_process():
        evaluator = load_evaluator(data.read(range(data.num)), config.data_dir)
    class_counts = None if classes is None else classes.counts
    condition, row_labels = (None, None) if classes is None else make_class_rows(classes.names)
    baseline, evaluate = None, None
    if evaluator is not None:
        baseline = evaluator.real_baseline
        evaluate = partial(evaluate_gan, gan, evaluator, config.num_seeds, class_counts)
    # The first rows of a folder are of few classes, so the conditions are taken from all rows.
    spread = np.linspace(0, len(rows) - 1, NUM_PROBE_SAMPLES).astype(int)
    return run_training(
        config,
        gan,
        source,
        data=describe_data(data, examples, classes, existing),
        make_draw_fn=partial(
            make_image_callback,
            real_baseline=baseline,
            real=examples[spread],
            condition=condition,
            row_labels=row_labels,
            log_fn=print_line,
        ),
        probe=make_sample_probe(
            gan,
            from_pixels(examples),
            NUM_PROBE_SAMPLES,
            condition=None if labels is None else labels[rows[spread]],
        ),
        evaluate=evaluate,
        epoch_note=f", {repeats} passes through the data" if repeats > 1 else "",
    )


def fill_data_fields(
    config: ImageConfigT, images: np.ndarray, classes: Classes | None
) -> ImageConfigT:
    """Returns a configuration with the shape of the images and the number of classes.

    The shape is set only if the networks of the experiment depend on it.
    """
    changes: dict[str, Any] = {}
    if getattr(config, "image_shape", ()) is None:
        changes["image_shape"] = images.shape[1:]
    if classes is not None:
        changes["num_classes"] = len(classes.names)
    return dataclasses.replace(config, **changes)


def check_sample_shape(
    gan: GAN, name: str, images: np.ndarray, hint: str = "", *, conditional: bool = False
) -> None:
    """Raises DataError if the data do not fit the networks.

    Args:
      gan: The GAN.
      name: Name of the data set.
      images: Images of the data set.
      hint: Added to the message.
      conditional: Whether the networks are given the classes of the images.
    """
    condition = jax.ShapeDtypeStruct((1,), jnp.int32) if conditional else None
    real = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    try:
        jax.eval_shape(gan.init, jax.random.key(0), real, condition)
    except ShapeError as error:
        raise DataError(
            f"data set {name} does not fit: {error}, or use another data set{hint}"
        ) from error
