"""From settings to a trained GAN."""

import dataclasses
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from jaxgan import runs
from jaxgan.data.images import Images, Split, find
from jaxgan.data.sources import Source, from_pixels, image_source, passes_of
from jaxgan.data.streams import streamed_source
from jaxgan.errors import DataError, ShapeError, TrainingError
from jaxgan.evaluation import Judge, make_judge
from jaxgan.features import features_of
from jaxgan.gan import GAN
from jaxgan.locks import alone_in
from jaxgan.pictures import Draw, image_drawer
from jaxgan.probes import sample_probe
from jaxgan.processes import from_first, leads, meet
from jaxgan.progress import reporter, say, waiting
from jaxgan.settings import ImageSettings, Settings, module_name, program, set_up_jax
from jaxgan.sharing import one_of
from jaxgan.states import GANState
from jaxgan.training import check_counts, check_steps, mesh_of, train
from jaxgan.watch import watcher

PROBED_IMAGES = 1_000

Config = TypeVar("Config", bound=ImageSettings)


def train_on_images(settings: Config, build: Callable[[Config], GAN]) -> None:
    """Trains the GAN that `build` makes of the settings, or goes on training it, and says what it does.

    An epoch goes through the set once, or through a small one as many times as 60,000 images allow.

    Raises:
      JaxganError: where the settings, the data or the folder will not do; before anything that is saved is touched.
    """
    set_up_jax(settings)
    before = runs.find(settings)
    wanted = settings.dataset or (before["data"]["name"] if before else None)
    data, said = data_of_all(wanted, settings.data_dir)
    say(Console(), f"Data: {said}")
    settings = dataclasses.replace(settings, dataset=data.name)
    passes = passes_of(data.num)
    everything = range(data.num)
    if settings.stream:
        source = streamed_source(lambda rows: data.read(rows).images, data.num, settings.batch_size, passes=passes)
    else:
        source = image_source(data.read(everything).images, settings.batch_size, passes=passes)
    probed = data.read(range(min(PROBED_IMAGES, data.num))).images
    gan = build(settings)
    check_shape(gan, data.name, probed)
    judges = settings.evaluate_every is not None and leads()
    # Read again, because nothing else keeps them.
    judge = judge_of(data.read(everything), settings.data_dir) if judges else None
    carry_out(
        settings,
        gan,
        source,
        data={"name": data.name, "images": data.num, "shape": list(probed.shape[1:])},
        probe=sample_probe(gan, from_pixels(jnp.asarray(probed))),
        drawer=partial(image_drawer, perfect=None if judge is None else judge.perfect),
        score=None if judge is None else partial(scores, gan, judge, settings.seeds),
        score_every=settings.evaluate_every or 1,
        epoch=f", {passes} times through the set" if passes > 1 else "",
    )


def carry_out(
    settings: Settings,
    gan: GAN,
    source: Source,
    *,
    data: dict[str, Any],
    drawer: Callable[[GAN, Path, int, str], Draw],
    probe: Callable,
    score: Callable | None = None,
    score_every: int = 1,
    epoch: str = "",
) -> GANState:
    """Trains in the settings' folder, or goes on there, and says what it does; exits with status 130 if interrupted.

    Of several processes all but the first exit here, whose end they wait for.

    Args:
      settings: of the run.
      gan: the players.
      source: the data.
      data: what is kept of the data in config.json.
      drawer: `(gan, workdir, steps_per_epoch, caption) -> draw`, as in `pictures`.
      probe: see `train`.
      score: see `train`.
      score_every: see `train`.
      epoch: what else to say of an epoch.

    Returns:
      The trained state.
    """
    console = Console(quiet=not leads())
    steps_per_epoch = check_counts(source, {"d_steps": settings.d_steps}, settings.seed)
    steps = settings.total_steps(steps_per_epoch)
    check_steps(steps, settings.d_steps)
    mesh_of(source, settings.seeds, settings.devices)  # what `train` would refuse, before an old run is removed
    with alone_in(settings.workdir), reporter(console) as report:
        record = runs.settle(settings, data)
        say(console, f"Run: {describe(settings, steps, steps_per_epoch, epoch)}")
        draw = drawer(gan, settings.workdir, steps_per_epoch, runs.title(record))
        watch = watcher(settings.workdir, steps, lambda text: say(console, text), population=settings.seeds is not None)

        def draw_and_watch(state, key, step):
            if settings.seeds is not None:
                state, key = one_of((state, key), 0)
            draw(state, key, step)
            watch()

        try:
            state, step = train(
                gan,
                source,
                settings.workdir,
                seed=settings.seed,
                seeds=settings.seeds,
                devices=settings.devices,
                steps=steps,
                block=settings.block,
                d_steps=settings.d_steps,
                g_steps=settings.g_steps,
                order=settings.order,
                share_noise=settings.share_noise,
                record=record,
                probe=probe,
                score=score,
                score_every=score_every,
                on_nan=settings.on_nan,
                draw=draw_and_watch,
                report=report,
                tell=lambda text: say(console, text),
            )
        except TrainingError:
            if leads():
                watch()
            meet("what has been seen is told")
            raise
    say(console, farewell(settings, step, steps))
    if step < steps or not leads():
        sys.exit(130 if step < steps else 0)
    return state


def judge_of(data: Images, data_dir: Path, num: int | None = None) -> Judge:
    """What judges samples that should be like the data, with what it needs kept in `data_dir/classifiers/`.

    Says what it is waiting for. Raises what `features_of` and `make_judge` do.
    """
    console = Console()
    with waiting(console, f"Training a classifier of {data.name}, to judge by") as report:
        features = features_of(data.name, data_dir, report)
    return make_judge(features, data, num, cache=data_dir.expanduser() / "classifiers")


def scores(gan: GAN, judge: Judge, seeds: int | None, state: GANState, key: jax.Array) -> dict[str, float]:
    """What a GAN's samples score, or on average those of each of a population."""
    if seeds is None:
        return judge.scores(gan.sample(state, key, judge.num))
    found = [scores(gan, judge, None, *one_of((state, key), i)) for i in range(seeds)]
    return {name: float(np.mean([values[name] for values in found])) for name in found[0]}


def data_of_all(name: str | None, data_dir: Path) -> tuple[Split, str]:
    """What the first process chooses and prepares, for all processes; and what to say of it."""
    data, said = choose_data(name, data_dir) if leads() else (None, "")
    name = from_first("" if data is None else data.name)
    return data or find(name, data_dir), said


def choose_data(name: str | None, data_dir: Path) -> tuple[Split, str]:
    """The set of that name, or MNIST where it can be had and the embedded digits where not; and what to say of it."""
    try:
        data = find(name or "mnist", data_dir)
    except DataError as error:
        if name is not None:
            raise
        data = find("digits", data_dir)
        manual = data_dir / "downloads" / "manual" / "mnist"
        how = f"To train on MNIST, connect to a network, or put its four files into {manual}"
        return data, f"the {data.num:,} embedded digits, because MNIST cannot be had. {how}.\n({error})"
    return data, f"{data.name}, {data.num:,} images"


def check_shape(gan: GAN, name: str, images: np.ndarray) -> None:
    """Raises DataError where the networks are for images of another shape than the set of that name has."""
    real = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    try:
        jax.eval_shape(gan.init, jax.random.key(0), real)
    except ShapeError as error:
        raise DataError(f"{name} does not fit: {error}, or take another set") from error


def describe(settings: Settings, steps: int, steps_per_epoch: int, epoch: str) -> str:
    """How much there is to do, how long that takes, and what the documented run is."""
    size = f"{steps:,} steps of {settings.batch_size} samples ({steps_per_epoch:,} an epoch{epoch})"
    said = f"{size}, {duration(settings, steps)} on 2 cores, into {settings.workdir}."
    full = type(settings)().total_steps(steps_per_epoch)
    if steps < full:
        said += f" The documented run has {full:,} steps, {duration(settings, full)}."
    return said


def duration(settings: Settings, steps: int) -> str:
    """About how long so many train steps take."""
    usual = type(settings)
    share = settings.batch_size / usual.batch_size * (settings.seeds or 1) / (usual.seeds or 1)
    minutes = steps * settings.seconds_per_step * share / 60
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
        "Train on with more --steps, or start anew with --overwrite."
    )
