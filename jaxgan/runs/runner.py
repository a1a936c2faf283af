"""From settings to a trained GAN."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from jaxgan.data.sources import Source
from jaxgan.diagnostics.monitor import make_monitor
from jaxgan.distributed.multihost import barrier, is_primary_process
from jaxgan.distributed.sharding import select_member
from jaxgan.errors import TrainingError
from jaxgan.gan import GAN
from jaxgan.plotting.callbacks import DrawFn
from jaxgan.runs import loading, run_dir
from jaxgan.runs.command_line import module_name, python_command
from jaxgan.runs.config import ImageRunConfig, RunConfig
from jaxgan.runs.console import print_line, progress_reporter
from jaxgan.states import GANState
from jaxgan.training.loop import check_counts, check_steps, make_run_mesh, train
from jaxgan.training.workdir_lock import lock_workdir

Config = TypeVar("Config", bound=ImageRunConfig)


def run_training(
    settings: RunConfig,
    gan: GAN,
    source: Source,
    *,
    data: dict[str, Any],
    drawer: Callable[[GAN, Path, int, str], DrawFn],
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
    console = Console(quiet=not is_primary_process())
    steps_per_epoch = check_counts(source, {"d_steps": settings.d_steps}, settings.seed)
    steps = settings.total_steps(steps_per_epoch)
    check_steps(steps, settings.d_steps)
    make_run_mesh(
        source, settings.seeds, settings.devices
    )  # what `train` would refuse, before an old run is removed
    with lock_workdir(settings.workdir), progress_reporter(console) as report:
        record = run_dir.write_config(settings, data)
        print_line(console, f"Run: {plan_message(settings, steps, steps_per_epoch, epoch)}")
        draw = drawer(gan, settings.workdir, steps_per_epoch, loading.run_title(record))
        watch = make_monitor(
            settings.workdir,
            steps,
            lambda text: print_line(console, text),
            population=settings.seeds is not None,
        )

        def draw_and_watch(state, key, step):
            if settings.seeds is not None:
                state, key = select_member((state, key), 0)
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
                tell=lambda text: print_line(console, text),
            )
        except TrainingError:
            if is_primary_process():
                watch()
            barrier("what has been seen is told")
            raise
    print_line(console, exit_message(settings, step, steps))
    if step < steps or not is_primary_process():
        sys.exit(130 if step < steps else 0)
    return state


def plan_message(settings: RunConfig, steps: int, steps_per_epoch: int, epoch: str) -> str:
    """How much there is to do, how long that takes, and what the documented run is."""
    size = f"{steps:,} steps of {settings.batch_size} samples ({steps_per_epoch:,} an epoch{epoch})"
    said = f"{size}, {format_duration(settings, steps)} on 2 cores, into {settings.workdir}."
    full = type(settings)().total_steps(steps_per_epoch)
    if steps < full:
        said += f" The documented run has {full:,} steps, {format_duration(settings, full)}."
    return said


def format_duration(settings: RunConfig, steps: int) -> str:
    """About how long so many train steps take."""
    usual = type(settings)
    share = settings.batch_size / usual.batch_size * (settings.seeds or 1) / (usual.seeds or 1)
    minutes = steps * settings.seconds_per_step * share / 60
    return f"about {minutes:.0f} minutes" if minutes >= 1.5 else "about a minute"


def exit_message(settings: RunConfig, step: int, steps: int) -> str:
    """Where things are, and how to go on."""
    module = module_name(type(settings))
    if step < steps:
        again = [argument for argument in sys.argv[1:] if argument != "--overwrite"]
        command = shlex.join([*python_command(module), *again])
        return f"Stopped at step {step:,} of {steps:,}; all is saved. To go on: {command}"
    sample = shlex.join(
        [*python_command("experiments.sample"), str(settings.workdir), "--out", "samples.png"]
    )
    return (
        f"Finished at step {step:,}. Look at {settings.workdir}/progress.png and losses.png; draw more with\n"
        f"  {sample}\n"
        "Train on with more --steps, or start anew with --overwrite."
    )
