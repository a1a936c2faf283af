"""The training loop."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from jaxgan._checks import check_instance
from jaxgan.data.sources import Source
from jaxgan.distributed.multihost import any_process, barrier, is_primary_process
from jaxgan.distributed.sharding import to_host_local
from jaxgan.errors import TrainingError
from jaxgan.gan import GAN
from jaxgan.states import GANState
from jaxgan.training.blocks import plan_blocks
from jaxgan.training.callbacks import CallbackRunner, Callbacks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.config_file import (
    describe_training,
    format_config,
    read_config,
    write_config,
)
from jaxgan.training.metric_log import truncate_after
from jaxgan.training.nonfinite import (
    MAX_CONSECUTIVE_SKIPS,
    Failure,
    NonfiniteCounter,
    describe_nonfinite,
    failure_message,
)
from jaxgan.training.options import TrainOptions
from jaxgan.training.program import (
    Program,
    init_or_restore,
    make_program,
    run_blocks,
    start_compiling,
)
from jaxgan.training.resume import compare_training, same_versions, start_message
from jaxgan.training.rng import make_rng_streams
from jaxgan.training.signals import stop_on_signal
from jaxgan.training.workdir_lock import lock_workdir

LOG_FILES = ("metrics.jsonl", "probes.jsonl", "scores.jsonl", "timing.jsonl")


def train(
    gan: GAN,
    source: Source,
    workdir: str | os.PathLike[str],
    options: TrainOptions,
    callbacks: Callbacks | None = None,
) -> tuple[GANState, int]:
    """Trains a GAN up to a train step; resumes from the latest checkpoint in the workdir.

    A checkpoint is saved after every epoch and at the end. Ctrl-C and SIGTERM stop the run after
    the current block, with a checkpoint; a second Ctrl-C stops it immediately. The result depends
    only on the GAN, the data, the seed and the train step. A run that is stopped and resumed, or
    divided into blocks of another length, ends with the same bits on the same devices.

    A run is resumed only with the same seed, number of seeds, updates per train step, batches and
    data, unless `allow_changes` is set. Under the same versions of the packages, the networks,
    loss, penalty, augmentation, optimizers and schedules must be the same too; they are compared by
    fingerprints in config.json. The content of a streaming source and arrays that your functions
    close over are not compared.

    In a multi-process run (see `jaxgan.distributed.initialize`), every process must call this with
    the same arguments, and the workdir must be visible to all of them. Only the primary writes logs
    and calls the callbacks; a signal to any process stops all of them.

    Args:
      gan: The GAN. If `make_population` built it, `num_seeds` must equal its number of members.
      source: The data. A train step takes `d_steps` batches.
      workdir: Directory of the run, created if it is missing. Receives config.json, checkpoints/,
        and the logs metrics.jsonl (every train step), timing.jsonl (every block), probes.jsonl and
        scores.jsonl (results of the callbacks).
      options: Length, seed and schedule of the run.
      callbacks: Functions to call during training. None only prints progress and messages.

    Returns:
      `(state, step)`: the state, on the devices of this process, and its train step, which is less
      than `options.steps` if the run was stopped. With `num_seeds`, every array of the state has a
      leading axis of members. The result of each member equals that of a separate run: bitwise on
      CPUs, up to rounding elsewhere.

    Raises:
      ConfigError: If an argument is of the wrong type; the options do not fit the GAN, the source
        or the devices; the workdir contains a run that differs from this one; or another process is
        training there.
      CheckpointError: If the latest checkpoint belongs to other networks, optimizers or
        hyperparameters, all checkpoints are corrupt, or a checkpoint cannot be saved.
      DataError: If a log of the run that is resumed is corrupt.
      OSError: If another file of the run cannot be written.
      TrainingError: If a loss or a gradient is not finite (see `on_nonfinite`). The message names
        the train step, the metric and the array.
    """
    callbacks = Callbacks() if callbacks is None else callbacks
    check_instance("gan", gan, GAN)
    check_instance("source", source, Source)
    check_instance("options", options, TrainOptions)
    check_instance("callbacks", callbacks, Callbacks)
    workdir, program = Path(workdir), make_program(gan, source, options)
    runner = CallbackRunner(callbacks, workdir, program, options)
    counter = NonfiniteCounter(MAX_CONSECUTIVE_SKIPS if options.on_nonfinite == "skip" else 0)
    with (
        lock_workdir(workdir),
        Checkpoints(workdir / "checkpoints", keep_every=options.keep_every) as checkpoints,
        stop_on_signal() as stop,
        closing(runner),
        ThreadPoolExecutor(max_workers=1) as executor,
    ):
        # A run that is resumed may be refused, so it is compiled after the checks.
        is_new = not checkpoints.all_steps
        compiling = start_compiling(program, executor) if is_new else None
        state, step = init_or_restore(program, checkpoints, runner.log)
        record = begin_records(workdir, program, options, step, runner.log)
        if compiling is None and step < options.steps:
            compiling = start_compiling(program, executor)
        runner.begin(state, step, record)
        blocks = run_blocks(program, state, plan_run(program, options, step), compiling)
        for state, rows, timing in blocks:
            step += len(rows)
            runner.append_block(step, rows, timing)
            if failure := counter.first_failure(step - len(rows), rows):
                raise_failure(program, options, checkpoints, failure, runner.log)
            scores = runner.measure(state, step)
            stopped = any_process(stop.is_set())
            if stopped or runner.saves_at(step):
                checkpoints.save(step, state, record, scores)
            runner.after_save(state, step, rows[-1], timing)
            if stopped:
                break
    return to_host_local(state), step


def plan_run(program: Program, options: TrainOptions, step: int) -> Iterator[tuple[int, int, int]]:
    """Plans the blocks of a run, from train step `step` to the end."""
    return plan_blocks(
        step,
        options.steps,
        program.steps_per_epoch,
        options.steps_per_block,
        options.probe_every,
        stop_every=options.keep_every,
    )


def begin_records(
    workdir: Path,
    program: Program,
    options: TrainOptions,
    step: int,
    log_fn: Callable[[str], None],
) -> dict[str, Any]:
    """Checks that the run may be resumed, writes config.json, and truncates the logs.

    Rows of the logs that belong to later train steps than `step` are removed.

    Returns:
      The content of config.json.

    Raises:
      ConfigError: If the run was started with other settings; see `compare_training`.
    """
    old, new = read_config(workdir) or {}, describe_training(program, options)
    changes = []
    if step > 0 and "train" in old:
        changes = compare_training(workdir, old, new, allow_changes=options.allow_changes)
        new["train"]["changes"] = old["train"]["changes"]
        new["train"]["changes"] += [{"step": step, "changes": changes}] if changes else []
    log_fn(start_message(workdir, step, options.steps))
    if changes:
        log_fn(f"Continuing with changes: {'; '.join(changes)}.")
    if "train" in old and not same_versions(old, new):
        log_fn(
            f"The run was started with other package versions ({old['versions']}), so its "
            "networks, loss and optimizers are not compared with the current ones."
        )
    barrier("config.json read")
    config = old | new
    if is_primary_process():
        for name in LOG_FILES:
            truncate_after(workdir / name, step or -1)  # step 0 is logged again
        write_config(workdir, config)
    barrier("records begun")
    return json.loads(format_config(config))


def raise_failure(
    program: Program,
    options: TrainOptions,
    checkpoints: Checkpoints,
    failure: Failure,
    log_fn: Callable[[str], None],
) -> NoReturn:
    """Replays the run up to the failed train step, and reports what is not finite there.

    Raises:
      TrainingError: Always.
    """
    log_fn(
        f"A loss or gradient of step {failure.step:,} is not finite. Replaying the run from the "
        "latest checkpoint to find the first such metric and array."
    )
    program = program._replace(streams=make_rng_streams(options.seed, options.num_seeds))
    state, start = init_or_restore(program, checkpoints, log_fn)
    plan = plan_blocks(start, failure.step, program.steps_per_epoch, options.steps_per_block)
    for result in run_blocks(program, state, plan):
        state = result[0]
    found = describe_nonfinite(failure.row, to_host_local(state))
    raise TrainingError(
        failure_message(failure, found, options.on_nonfinite, checkpoints.all_steps)
    )
