"""Runs an experiment from its configuration to a trained GAN."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxgan.data.sources import Source
from jaxgan.diagnostics.monitor import make_monitor
from jaxgan.distributed.multihost import barrier, is_primary_process
from jaxgan.distributed.sharding import select_member
from jaxgan.errors import ConfigError, TrainingError
from jaxgan.gan import GAN
from jaxgan.plotting.callbacks import DrawFn
from jaxgan.runs.command_line import module_name, python_command
from jaxgan.runs.config import RunConfig
from jaxgan.runs.console import print_line, progress_reporter
from jaxgan.runs.finish import report_run
from jaxgan.runs.run_dir import begin_run_dir
from jaxgan.states import GANState
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.config_file import run_title
from jaxgan.training.dashboards import find_writers
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from jaxgan.training.program import count_steps_per_epoch, make_program
from jaxgan.training.workdir_lock import lock_workdir


def run_training(
    config: RunConfig,
    gan: GAN,
    source: Source,
    *,
    data: dict[str, Any],
    make_draw_fn: Callable[[GAN, Path, int, str], DrawFn],
    probe: Callable,
    evaluate: Callable | None = None,
    epoch_note: str = "",
) -> tuple[GANState, int]:
    """Trains the GAN of an experiment in its workdir, or resumes there, and prints messages.

    Args:
      config: The configuration.
      gan: The GAN.
      source: The data.
      data: The section "data" of config.json.
      make_draw_fn: `(gan, workdir, steps_per_epoch, caption) -> draw`, as in `jaxgan.plotting`.
      probe: See `Callbacks`.
      evaluate: See `Callbacks`.
      epoch_note: Added to the description of an epoch.

    Returns:
      `(state, step)`, as `train` returns them.

    Raises:
      JaxganError: If the configuration, the data and the workdir are inconsistent. The workdir is
        then unchanged.
    """
    steps_per_epoch, options = plan_training(config, gan, source)
    with lock_workdir(config.workdir), progress_reporter() as report:
        record = begin_run_dir(config, data)
        print_line(plan_message(config, options, steps_per_epoch, epoch_note))
        for warning in config.warnings(options.steps):
            print_line(warning)
        population = config.num_seeds is not None
        draw = make_draw_fn(gan, config.workdir, steps_per_epoch, run_title(record))
        monitor = make_monitor(config.workdir, options.steps, print_line, population=population)

        def draw_and_monitor(state, key, step):
            state, key = select_member((state, key), 0) if population else (state, key)
            pictures = draw(state, key, step)
            if step % steps_per_epoch == 0 or step == options.steps:
                monitor()
            return pictures

        callbacks = Callbacks(
            probe=probe,
            evaluate=evaluate,
            draw=draw_and_monitor,
            progress=report,
            log=print_line,
            writers=find_writers(config.log or ()),
        )
        try:
            state, step = train(gan, source, config.workdir, options, callbacks)
        except TrainingError:
            if is_primary_process():
                monitor()
                report_run(config)
            barrier("findings printed")
            raise
    print_line(exit_message(config, step, options.steps))
    return state, step


def plan_training(config: RunConfig, gan: GAN, source: Source) -> tuple[int, TrainOptions]:
    """Returns the train steps per epoch and the options of a run.

    Raises:
      ConfigError: If `train` would raise it. Called before a run is overwritten, and before any
        long computation.
    """
    steps_per_epoch = count_steps_per_epoch(source, config)
    options = config.train_options(steps_per_epoch)
    make_program(gan, source, options)
    find_writers(config.log or ())
    return steps_per_epoch, options


def plan_message(
    config: RunConfig, options: TrainOptions, steps_per_epoch: int, epoch_note: str
) -> str:
    """Returns the message with the length of the run, and of the default run if that is longer."""
    message = (
        f"Run: {options.steps:,} train steps ({steps_per_epoch:,} per epoch{epoch_note}), batches "
        f"of {config.batch_size} samples, in {config.workdir}."
    )
    default_steps = default_length(config, steps_per_epoch)
    if default_steps is not None and options.steps < default_steps:
        message += f" The default run has {default_steps:,} train steps."
    return message


def default_length(config: RunConfig, steps_per_epoch: int) -> int | None:
    """Returns the train steps of a preset's default run; None if it has no default."""
    preset = getattr(config, "preset", None)
    default = type(config)() if preset is None else type(config).from_preset(preset)
    try:
        return default.total_steps(steps_per_epoch)
    except ConfigError:
        return None


def exit_message(config: RunConfig, step: int, steps: int) -> str:
    """Returns the final message: where the results are, and how to continue."""
    sample = shlex.join([*python_command("jaxgan"), "sample", str(config.workdir)])
    if step < steps:
        words = [word for word in sys.argv[1:] if word != "--overwrite"]
        command = shlex.join([*python_command(module_name(type(config))), *words])
        return (
            f"Stopped at step {step:,} of {steps:,}; a checkpoint is saved. Resume with: "
            f"{command}\nDraw samples with: {sample}"
        )
    return (
        f"Finished at step {step:,}. See {config.workdir}/progress.png and losses.png. Draw more "
        f"samples with\n  {sample}\n{config.longer_hint(step)}"
    )
