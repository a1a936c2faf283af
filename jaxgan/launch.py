"""From settings to a trained image GAN."""

import dataclasses
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
from rich.console import Console

from jaxgan import runs
from jaxgan.data.images import Images, load
from jaxgan.data.sources import image_source
from jaxgan.errors import DataError, ShapeError
from jaxgan.gan import GAN
from jaxgan.pictures import image_drawer
from jaxgan.progress import reporter, say
from jaxgan.settings import Settings, module_name, program, use_precision
from jaxgan.training import train

EPOCH_IMAGES = 60_000

Config = TypeVar("Config", bound=Settings)


def train_on_images(settings: Config, build: Callable[[Config], GAN]) -> None:
    """Trains the GAN that `build` makes of the settings, or goes on training it, and says what it does.

    An epoch goes through the set once, or through a small one as many times as 60,000 images allow.

    Raises:
      JaxganError: where the settings, the data or the folder will not do; before anything that is saved is touched.
    """
    use_precision(settings.precision)
    console = Console()
    before = None if settings.overwrite else runs.read(settings.workdir)
    wanted = settings.dataset or (before["data"]["name"] if before else None)
    data, said = choose_data(wanted, settings.data_dir)
    say(console, f"Data: {said}")
    settings = dataclasses.replace(settings, dataset=data.name)
    passes = max(1, EPOCH_IMAGES // len(data.images))
    source = image_source(data.images, settings.batch_size, passes=passes)
    gan = build(settings)
    check_shape(gan, data)
    record = runs.settle(
        settings, {"name": data.name, "images": len(data.images), "shape": list(data.images.shape[1:])}
    )
    steps = settings.steps or settings.epochs * source.batches
    say(console, f"Run: {describe(settings, steps, source.batches, passes)}")
    with reporter(console) as report:
        _, step = train(
            gan,
            source,
            settings.workdir,
            seed=settings.seed,
            steps=steps,
            block=settings.block,
            record=record,
            draw=image_drawer(gan, settings.workdir, source.batches, runs.title(record)),
            report=report,
        )
    say(console, farewell(settings, step, steps))
    if step < steps:
        sys.exit(130)


def choose_data(name: str | None, data_dir: Path) -> tuple[Images, str]:
    """The set of that name, or MNIST where it can be had and the embedded digits where not; and what to say of it."""
    try:
        data = load(name or "mnist", data_dir)
    except DataError as error:
        if name is not None:
            raise
        data = load("digits", data_dir)
        manual = data_dir / "downloads" / "manual" / "mnist"
        how = f"To train on MNIST, connect to a network, or put its four files into {manual}"
        return data, f"the {len(data.images):,} embedded digits, because MNIST cannot be had. {how}.\n({error})"
    return data, f"{data.name}, {len(data.images):,} images"


def check_shape(gan: GAN, data: Images) -> None:
    """Raises DataError where the networks are for images of another shape."""
    real = jax.ShapeDtypeStruct((1, *data.images.shape[1:]), jnp.float32)
    try:
        jax.eval_shape(gan.init, jax.random.key(0), real)
    except ShapeError as error:
        raise DataError(f"{data.name} does not fit: {error}, or take another set") from error


def describe(settings: Settings, steps: int, steps_per_epoch: int, passes: int) -> str:
    """How much there is to do, how long that takes, and what the full run is."""
    epoch = f"{steps_per_epoch:,} an epoch" + (f", {passes} times through the set" if passes > 1 else "")
    size = f"{steps:,} steps of {settings.batch_size} images ({epoch})"
    said = f"{size}, {duration(settings, steps)} on 2 cores, into {settings.workdir}."
    full = settings.epochs * steps_per_epoch
    if steps < full:
        command = shlex.join(program(module_name(type(settings))))
        said += f" The full run, {duration(settings, full)}: {command}"
    return said


def duration(settings: Settings, steps: int) -> str:
    """About how long so many train steps take."""
    minutes = steps * settings.seconds_per_step * settings.batch_size / type(settings).batch_size / 60
    return f"about {minutes:.0f} minutes" if minutes >= 1.5 else "about a minute"


def farewell(settings: Settings, step: int, steps: int) -> str:
    """Where things are, and how to go on."""
    module = module_name(type(settings))
    if step < steps:
        again = [argument for argument in sys.argv[1:] if argument != "--overwrite"]
        command = shlex.join([*program(module), *again])
        return f"Stopped at step {step:,} of {steps:,}; all is saved. To go on: {command}"
    sample = shlex.join([*program("experiments.sample"), str(settings.workdir), "--out", "samples.png"])
    return (
        f"Finished at step {step:,}. Look at {settings.workdir}/progress.png and losses.png; draw more with\n"
        f"  {sample}\n"
        "Train on with more --epochs or --steps, or start anew with --overwrite."
    )
