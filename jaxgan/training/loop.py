"""The training loop: the only one, and the only impure place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxgan.data.sources import Source
from jaxgan.distributed.multihost import any_process, assert_equal, barrier, is_primary_process
from jaxgan.distributed.sharding import (
    BATCH_SPEC,
    MEMBER_SPEC,
    is_population_mesh,
    make_mesh,
    state_sharding,
    to_global,
    to_host_local,
)
from jaxgan.errors import CheckpointError, ConfigError, TrainingError
from jaxgan.gan import GAN
from jaxgan.states import GANState
from jaxgan.train_step import Order, make_train_step
from jaxgan.training import metric_log
from jaxgan.training.blocks import MAX_STEPS, make_train_block, maybe_vmap, plan_blocks, run_blocks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.nonfinite import (
    MAX_CONSECUTIVE_SKIPS,
    NonfiniteCounter,
    OnNan,
    failure_message,
    find_nonfinite,
    skip_nonfinite_updates,
)
from jaxgan.training.progress import Progress
from jaxgan.training.rng import RngStreams, make_rng_streams
from jaxgan.training.signals import stop_on_signal
from jaxgan.training.workdir_lock import lock_workdir

LOG_FILES = ("metrics.jsonl", "probes.jsonl", "scores.jsonl", "timing.jsonl")


def train(
    gan: GAN,
    source: Source,
    workdir: Path,
    *,
    seed: int,
    seeds: int | None = None,
    devices: int | None = None,
    steps: int,
    block: int = 20,
    d_steps: int = 1,
    g_steps: int = 1,
    order: Order = "d_first",
    share_noise: bool = True,
    record: dict[str, Any] | None = None,
    probe: Callable[[GANState, jax.Array], dict[str, jax.Array]] | None = None,
    probe_every: int = 100,
    on_nan: OnNan = "stop",
    score: Callable[[GANState, jax.Array], dict[str, float]] | None = None,
    score_every: int = 1,
    draw: Callable[[GANState, jax.Array, int], None] = lambda state, key, step: None,
    report: Callable[[Progress], None] = lambda progress: None,
    tell: Callable[[str], None] = print,
) -> tuple[GANState, int]:
    """Trains up to a train step, going on from the newest checkpoint in the workdir if there is one.

    After every epoch and at the end it draws and saves a checkpoint. Ctrl-C and SIGTERM end it after the block, with a
    checkpoint. What a run computes depends on the seed and the step alone: interrupted or not, in blocks of whatever
    length, it ends with the same bits.

    Several processes that have joined (`processes.join`) call it alike, with a workdir that all see. The first of them
    alone writes there, and calls `probe`, `score`, `draw`, `report` and `tell`; a signal to any of them ends all.

    Args:
      gan: the players; those that `vary` makes need as many `seeds` as they have members.
      source: the data. A train step takes `d_steps` of its batches; those that are too few for one end the epoch
        unused.
      workdir: a folder; metrics.jsonl (every train step), probes.jsonl, timing.jsonl (every block) and checkpoints/ are
        kept there.
      seed: of all randomness.
      seeds: train so many GANs at once, with the seeds `seed`, `seed + 1`, …, each as if alone: on CPUs to the bit,
        elsewhere up to rounding. All arrays of the state, and `draw`'s key, then have a first axis of that length;
        metrics.jsonl has means over it. None trains one, without the axis.
      devices: over how many the batches of one GAN, or the members of a population, are shared out. Results depend on
        it by rounding only, and a run may go on with another number. None takes as many as JAX sees and can be used
        evenly; but one CPU device for one GAN.
      steps: train steps in all, those before the checkpoint counted in.
      block: at most so many train steps run in one call of the compiled program. It decides how often the run reports.
      d_steps: see `alternate`.
      g_steps: see `alternate`.
      order: see `alternate`.
      share_noise: see `alternate`.
      record: what to keep with each checkpoint, as JSON.
      probe: `(state, key) -> {name: scalar or [n]}` of one GAN's state, pure; called at the start, at every
        `probe_every`-th train step of an epoch and after its last, always with the same key; kept in probes.jsonl.
      probe_every: see `probe`.
      on_nan: `"stop"` at the first loss or gradient that is not finite; or `"skip"` such updates, as
        `finite.skip_not_finite` does, and stop after more than 20 train steps in a row.
      score: `(state, key) -> {name: value}`, called after every `score_every`-th epoch and at the end, always with the
        same key; kept in scores.jsonl. Of the checkpoints, that with the lowest first score is kept besides the newest.
      score_every: see `score`.
      draw: called with (state, key, step) at the start, after every epoch and at the end, before the checkpoint; always
        with the same key.
      report: called after every block.
      tell: takes a text for the user, such as that the newest checkpoint is damaged, and the one before is used.

    Returns:
      The state, all of it on this process' devices, and the train step it is at: less than `steps` if the run was
      interrupted.

    Raises:
      ConfigError: where a number is out of its range, the work cannot be shared out over so many devices evenly, or
        another process trains in the workdir.
      CheckpointError: where the newest checkpoint is not of these networks, optimisers and numbers, or all are damaged.
      TrainingError: where a loss or a gradient is not finite, or has not been for too long; it names the train step,
        the metric and the array. The newest checkpoint is from before.
    """
    counts = {
        "steps": steps,
        "block": block,
        "d_steps": d_steps,
        "probe_every": probe_every,
        "score_every": score_every,
    }
    steps_per_epoch = check_counts(
        source, counts | ({} if seeds is None else {"seeds": seeds}), seed
    )
    check_steps(steps, d_steps)
    members = None if gan.hyperparams is None else len(jax.tree.leaves(gan.hyperparams)[0])
    if members not in (None, seeds):
        raise ConfigError(f"seeds is {seeds}, expected {members}, as many as the GAN has members")
    keys, example = make_rng_streams(seed, seeds), zeros_like_batch(source)
    mesh = make_run_mesh(source, seeds, devices)
    patience = NonfiniteCounter(MAX_CONSECUTIVE_SKIPS if on_nan == "skip" else 0)
    gan = skip_nonfinite_updates(gan) if on_nan == "skip" else gan
    train_step = make_train_step(gan, d_steps, g_steps, order=order, share_noise=share_noise)
    play = make_train_block(
        train_step, source, min(block, steps_per_epoch), d_steps, population=seeds is not None
    )
    if not is_primary_process():
        probe, score, draw, report, tell = (
            None,
            None,
            lambda *look: None,
            lambda now: None,
            lambda text: None,
        )
    measure = jax.jit(maybe_vmap(probe, (0, 0), seeds is not None)) if probe is not None else None
    assert_equal(
        "their counts", f"{counts} {g_steps} {seed} {seeds} {mesh} {order} {share_noise} {on_nan}"
    )

    def note(name, lines):
        if is_primary_process():
            metric_log.append_rows(workdir / name, lines)

    def look(state, step):
        """Before the blocks, and after each. Returns the scores, where it is time for them."""
        epoch, index = divmod(step, steps_per_epoch)
        measures, ends = index % probe_every == 0, index == 0 or step == steps
        if not (measures or ends):
            return None
        state, scores = to_host_local(state), None
        if measure is not None and measures:
            values = jax.device_get(measure(state, jax.random.clone(keys.probe)))
            note("probes.jsonl", [{"step": step} | {k: v.tolist() for k, v in values.items()}])
        if (
            score is not None
            and step > 0
            and (step == steps or (ends and epoch % score_every == 0))
        ):
            scores = score(state, jax.random.clone(keys.score))
            note("scores.jsonl", [{"step": step} | scores])
        if ends:
            draw(state, jax.random.clone(keys.sample), step)
        barrier("the first process has looked")
        return scores

    def replay(checkpoints, until):
        anew = make_rng_streams(seed, seeds)
        state, step = restore_or_init(gan, example, anew, checkpoints, mesh, tell)
        parts = plan_blocks(step, until, steps_per_epoch, block)
        for block_ends in run_blocks(play, source, anew, state, parts, mesh, d_steps):
            state = block_ends[0]
        return to_host_local(state)

    with (
        lock_workdir(workdir),
        Checkpoints(workdir / "checkpoints") as checkpoints,
        stop_on_signal() as stop,
    ):
        state, step = restore_or_init(gan, example, keys, checkpoints, mesh, tell)
        for name in LOG_FILES if is_primary_process() else ():
            metric_log.truncate_after(
                workdir / name, step or -1
            )  # what is recorded of step 0 is recorded anew
        if step == 0:
            look(state, step)
        parts = plan_blocks(step, steps, steps_per_epoch, block, probe_every)
        blocks = run_blocks(play, source, keys, state, parts, mesh, d_steps)
        last = {}
        for state, lines, timing in blocks:
            note("metrics.jsonl", [{"step": step + i} | line for i, line in enumerate(lines, 1)])
            step += len(lines)
            note("timing.jsonl", [{"step": step} | timing])
            if lost := patience.lost(lines):
                bad = step - len(lines) + lost[0] + 1
                tell(
                    f"Step {bad:,} is not finite; replaying from the newest checkpoint to see what is, first of all."
                )
                found = find_nonfinite(lines[lost[0]], replay(checkpoints, bad))
                raise TrainingError(
                    failure_message(bad, lost[1], found, on_nan, checkpoints.all_steps)
                )
            scores = look(state, step)
            last = scores or last
            report(
                Progress(
                    step,
                    steps,
                    steps_per_epoch,
                    timing["steps"] / timing["seconds"],
                    lines[-1],
                    last,
                )
            )
            stopped = any_process(stop.is_set())
            if step % steps_per_epoch == 0 or step == steps or stopped:
                checkpoints.save(step, state, record or {}, scores)
            if stopped:
                break
    return to_host_local(state), step


def make_run_mesh(source: Source, seeds: int | None, devices: int | None) -> Mesh:
    """The devices that share a run's work. Raises ConfigError where it cannot be shared out over so many evenly."""
    if source.stream is not None and seeds is not None:
        raise ConfigError(
            f"seeds is {seeds}, but a streamed source feeds one GAN; leave one of the two out"
        )
    return (
        make_mesh(BATCH_SPEC, len(zeros_like_batch(source)[0]), devices)
        if seeds is None
        else make_mesh(MEMBER_SPEC, seeds, devices)
    )


def zeros_like_batch(source: Source) -> tuple[jax.Array, jax.Array | None]:
    """Zeros like the source's batches."""
    keys = jax.eval_shape(make_rng_streams, 0)
    order = jax.eval_shape(source.order, keys.order, 0)
    batch = jax.eval_shape(source.batch, source.arrays, order, keys.batch, 0)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), batch)


def restore_or_init(
    gan: GAN,
    example: tuple[jax.Array, jax.Array | None],
    keys: RngStreams,
    checkpoints: Checkpoints,
    mesh: Mesh,
    tell: Callable[[str], None] = print,
) -> tuple[GANState, int]:
    """The newest whole checkpoint's state and train step, or fresh networks and 0; laid out alike on the devices."""
    start = maybe_vmap(gan.init, (0, None, None), is_population_mesh(mesh))
    place = state_sharding(mesh)
    like = jax.tree.map(
        lambda x: x.update(sharding=place), jax.eval_shape(start, keys.init, *example)
    )
    restored = checkpoints.restore_latest(like, tell)
    if restored is None:
        return to_global(start(keys.init, *example).replace(hyperparams=gan.hyperparams), place), 0
    if not jax.tree.all(
        jax.tree.map(np.array_equal, to_host_local(restored[0].hyperparams), gan.hyperparams)
    ):
        raise CheckpointError(
            f"the members of the newest checkpoint have other numbers: {to_host_local(restored[0].hyperparams)}, now {gan.hyperparams}"
        )
    return restored


def check_steps(steps: int, d_steps: int) -> None:
    """Raises ConfigError where a compiled program could not count the batches of so many train steps."""
    if steps * d_steps > MAX_STEPS:
        raise ConfigError(
            f"steps is {steps}, with {d_steps} batches each; expected at most {MAX_STEPS // d_steps:,}: train for fewer"
        )


def check_counts(source: Source, counts: dict[str, int], seed: int) -> int:
    """The train steps of an epoch. Raises ConfigError where a number is out of its range."""
    for name, value, least in (
        ("seed", seed, 0),
        *((name, count, 1) for name, count in counts.items()),
    ):
        if value < least:
            raise ConfigError(f"{name} is {value}, expected at least {least}")
    if source.batches_per_epoch < counts["d_steps"]:
        raise ConfigError(
            f"an epoch has {source.batches_per_epoch} batches, a train step takes {counts['d_steps']}; use smaller batches"
        )
    return source.batches_per_epoch // counts["d_steps"]
