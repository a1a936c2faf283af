"""The training loop: the only one, and the only impure place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxgan import history
from jaxgan.alternate import Order, alternate
from jaxgan.blocks import MOST, make_block, over_seeds, plan, play_blocks
from jaxgan.checkpoints import Checkpoints
from jaxgan.data.sources import Source
from jaxgan.errors import CheckpointError, ConfigError, TrainingError
from jaxgan.finite import SKIPPED_IN_A_ROW, OnNan, Patience, skip_not_finite, what_is_not_finite, why_it_ends
from jaxgan.gan import GAN
from jaxgan.interrupts import asked_to_stop
from jaxgan.keys import Keys, run_keys
from jaxgan.locks import alone_in
from jaxgan.processes import agree, any_of_all, leads, meet
from jaxgan.progress import Progress
from jaxgan.sharing import BATCH, MEMBERS, has_members, here, laid_out, mesh_over, place_of_state
from jaxgan.states import GANState

LOGS = ("metrics.jsonl", "probes.jsonl", "scores.jsonl", "timing.jsonl")


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
    steps_per_epoch = check_counts(source, counts | ({} if seeds is None else {"seeds": seeds}), seed)
    check_steps(steps, d_steps)
    members = None if gan.numbers is None else len(jax.tree.leaves(gan.numbers)[0])
    if members not in (None, seeds):
        raise ConfigError(f"seeds is {seeds}, expected {members}, as many as the GAN has members")
    keys, example = run_keys(seed, seeds), example_of(source)
    mesh = mesh_of(source, seeds, devices)
    patience = Patience(SKIPPED_IN_A_ROW if on_nan == "skip" else 0)
    gan = skip_not_finite(gan) if on_nan == "skip" else gan
    train_step = alternate(gan, d_steps, g_steps, order=order, share_noise=share_noise)
    play = make_block(train_step, source, min(block, steps_per_epoch), d_steps, population=seeds is not None)
    if not leads():
        probe, score, draw, report, tell = None, None, lambda *look: None, lambda now: None, lambda text: None
    measure = jax.jit(over_seeds(probe, (0, 0), seeds is not None)) if probe is not None else None
    agree("their counts", f"{counts} {g_steps} {seed} {seeds} {mesh} {order} {share_noise} {on_nan}")

    def note(name, lines):
        if leads():
            history.append(workdir / name, lines)

    def look(state, step):
        """Before the blocks, and after each. Returns the scores, where it is time for them."""
        epoch, index = divmod(step, steps_per_epoch)
        measures, ends = index % probe_every == 0, index == 0 or step == steps
        if not (measures or ends):
            return None
        state, scores = here(state), None
        if measure is not None and measures:
            values = jax.device_get(measure(state, jax.random.clone(keys.probe)))
            note("probes.jsonl", [{"step": step} | {k: v.tolist() for k, v in values.items()}])
        if score is not None and step > 0 and (step == steps or (ends and epoch % score_every == 0)):
            scores = score(state, jax.random.clone(keys.score))
            note("scores.jsonl", [{"step": step} | scores])
        if ends:
            draw(state, jax.random.clone(keys.sample), step)
        meet("the first process has looked")
        return scores

    def replay(checkpoints, until):
        anew = run_keys(seed, seeds)
        state, step = restore_or_init(gan, example, anew, checkpoints, mesh, tell)
        parts = plan(step, until, steps_per_epoch, block)
        for block_ends in play_blocks(play, source, anew, state, parts, mesh, d_steps):
            state = block_ends[0]
        return here(state)

    with alone_in(workdir), Checkpoints(workdir / "checkpoints") as checkpoints, asked_to_stop() as stop:
        state, step = restore_or_init(gan, example, keys, checkpoints, mesh, tell)
        for name in LOGS if leads() else ():
            history.cut_back(workdir / name, step or -1)  # what is recorded of step 0 is recorded anew
        if step == 0:
            look(state, step)
        parts = plan(step, steps, steps_per_epoch, block, probe_every)
        blocks = play_blocks(play, source, keys, state, parts, mesh, d_steps)
        last = {}
        for state, lines, timing in blocks:
            note("metrics.jsonl", [{"step": step + i} | line for i, line in enumerate(lines, 1)])
            step += len(lines)
            note("timing.jsonl", [{"step": step} | timing])
            if lost := patience.lost(lines):
                bad = step - len(lines) + lost[0] + 1
                tell(f"Step {bad:,} is not finite; replaying from the newest checkpoint to see what is, first of all.")
                found = what_is_not_finite(lines[lost[0]], replay(checkpoints, bad))
                raise TrainingError(why_it_ends(bad, lost[1], found, on_nan, checkpoints.steps))
            scores = look(state, step)
            last = scores or last
            report(Progress(step, steps, steps_per_epoch, timing["steps"] / timing["seconds"], lines[-1], last))
            stopped = any_of_all(stop.is_set())
            if step % steps_per_epoch == 0 or step == steps or stopped:
                checkpoints.save(step, state, record or {}, scores)
            if stopped:
                break
    return here(state), step


def mesh_of(source: Source, seeds: int | None, devices: int | None) -> Mesh:
    """The devices that share a run's work. Raises ConfigError where it cannot be shared out over so many evenly."""
    if source.stream is not None and seeds is not None:
        raise ConfigError(f"seeds is {seeds}, but a streamed source feeds one GAN; leave one of the two out")
    return (
        mesh_over(BATCH, len(example_of(source)[0]), devices) if seeds is None else mesh_over(MEMBERS, seeds, devices)
    )


def example_of(source: Source) -> tuple[jax.Array, jax.Array | None]:
    """Zeros like the source's batches."""
    keys = jax.eval_shape(run_keys, 0)
    order = jax.eval_shape(source.order, keys.order, 0)
    batch = jax.eval_shape(source.batch, source.arrays, order, keys.batch, 0)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), batch)


def restore_or_init(
    gan: GAN,
    example: tuple[jax.Array, jax.Array | None],
    keys: Keys,
    checkpoints: Checkpoints,
    mesh: Mesh,
    tell: Callable[[str], None] = print,
) -> tuple[GANState, int]:
    """The newest whole checkpoint's state and train step, or fresh networks and 0; laid out alike on the devices."""
    start = over_seeds(gan.init, (0, None, None), has_members(mesh))
    place = place_of_state(mesh)
    like = jax.tree.map(lambda x: x.update(sharding=place), jax.eval_shape(start, keys.init, *example))
    restored = checkpoints.restore_newest(like, tell)
    if restored is None:
        return laid_out(start(keys.init, *example).replace(numbers=gan.numbers), place), 0
    if not jax.tree.all(jax.tree.map(np.array_equal, here(restored[0].numbers), gan.numbers)):
        raise CheckpointError(
            f"the members of the newest checkpoint have other numbers: {here(restored[0].numbers)}, now {gan.numbers}"
        )
    return restored


def check_steps(steps: int, d_steps: int) -> None:
    """Raises ConfigError where a compiled program could not count the batches of so many train steps."""
    if steps * d_steps > MOST:
        raise ConfigError(
            f"steps is {steps}, with {d_steps} batches each; expected at most {MOST // d_steps:,}: train for fewer"
        )


def check_counts(source: Source, counts: dict[str, int], seed: int) -> int:
    """The train steps of an epoch. Raises ConfigError where a number is out of its range."""
    for name, value, least in (("seed", seed, 0), *((name, count, 1) for name, count in counts.items())):
        if value < least:
            raise ConfigError(f"{name} is {value}, expected at least {least}")
    if source.batches < counts["d_steps"]:
        raise ConfigError(
            f"an epoch has {source.batches} batches, a train step takes {counts['d_steps']}; use smaller batches"
        )
    return source.batches // counts["d_steps"]
