"""Measures how training cost scales with batch size, width, number of GANs and data set size.

    python -m benchmarks.scaling

Trains each system for a few blocks, and writes scaling.json, scaling.md (tables) and scaling.png
into the workdir. Fractions of the peak are relative to the FLOP/s of a product of two large
matrices in the same process, measured just before.
"""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from benchmarks.scaling_report import markdown_tables, save_plot
from experiments import mnist_cnn, mnist_mlp, parabola
from jaxgan import GAN, losses, make_gan, models, optimizers, priors
from jaxgan._io import write_atomic, write_json
from jaxgan.data.parabola import parabola_source
from jaxgan.data.sources import Source, array_source
from jaxgan.distributed.sharding import REPLICATED, is_population_mesh, state_sharding
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import RunConfig
from jaxgan.runs.console import print_line
from jaxgan.runs.runtime import configure_jax
from jaxgan.train_step import UpdateOrder, make_train_step
from jaxgan.training.blocks import maybe_vmap
from jaxgan.training.options import TrainOptions, check_ranges
from jaxgan.training.program import Program, make_program, zeros_like_batch

NUM_IMAGES = 60_000
PEAK_MATRIX_SIZE = 2_048


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options of the measurements."""

    sweeps: tuple[Literal["batch", "width", "gans", "data"], ...] = (
        "batch",
        "width",
        "gans",
        "data",
    )
    """What to vary: the batch size, the width of the hidden layers, the number of GANs trained at
    once, the number of images."""
    seconds: float = 2.0
    """Training time per measured point, in seconds, for three repetitions of at most an epoch; the
    fastest counts."""
    workdir: Path = Path("runs/scaling")
    """Directory for the results."""

    def __post_init__(self):
        """Raises ConfigError if a value is out of range."""
        check_ranges(self)


@dataclasses.dataclass(frozen=True)
class SweepPoint:
    """A point of a sweep.

    Attributes:
      system: Name of the system.
      x: Value of the swept quantity.
      build: Returns the GAN and its data; called when the point is measured.
      samples_per_step: Real samples per train step, of all GANs together.
      num_seeds: Number of GANs trained at once; None for a single GAN without a member axis.
      update_order: Update order of the train step.
    """

    system: str
    x: int
    build: Callable[[], tuple[GAN, Source]]
    samples_per_step: int
    num_seeds: int | None = None
    update_order: UpdateOrder = "d_first"


def random_images(num: int = NUM_IMAGES) -> np.ndarray:
    """Returns images of uniform noise, uint8 `[num, 28, 28, 1]`."""
    return np.random.default_rng(0).integers(0, 256, (num, 28, 28, 1), np.uint8)


def build_experiment(
    module: ModuleType, batch_size: int, num_images: int = NUM_IMAGES
) -> tuple[GAN, Source]:
    """Builds an image experiment with its defaults, except for the batch size and the images."""
    gan = module.build(module.Config(batch_size=batch_size))
    return gan, array_source(random_images(num_images), batch_size)


def build_mlp(width: int, batch_size: int = 128) -> tuple[GAN, Source]:
    """Builds `mnist_mlp` with hidden layers of the given width in both networks."""
    tx = optimizers.adam(3e-4)
    gan = make_gan(
        models.MLPGenerator(widths=(width, width)),
        models.MLPDiscriminator(widths=(width, width)),
        losses.non_saturating,
        tx,
        tx,
        priors.uniform(100),
    )
    return gan, array_source(random_images(), batch_size)


def build_parabola() -> tuple[GAN, Source]:
    """Builds `parabola` with its defaults."""
    config = parabola.Config()
    return parabola.build(config), parabola_source(config.batch_size)


SWEEPS: dict[str, list[SweepPoint]] = {
    "batch": [
        *(
            SweepPoint("mnist_mlp", b, partial(build_experiment, mnist_mlp, b), b)
            for b in (32, 128, 512, 2048)
        ),
        *(
            SweepPoint("mnist_cnn", b, partial(build_experiment, mnist_cnn, b), b)
            for b in (16, 32, 64, 128, 256)
        ),
    ],
    "width": [
        SweepPoint("mnist_mlp", width, partial(build_mlp, width), 128)
        for width in (64, 128, 256, 512, 1024, 2048)
    ],
    "gans": [
        *(
            SweepPoint("parabola", n, build_parabola, 64 * n, n, "simultaneous")
            for n in (1, 2, 4, 16, 64, 256)
        ),
        *(
            SweepPoint("mnist_mlp", n, partial(build_experiment, mnist_mlp, 128), 128 * n, n)
            for n in (1, 2, 4, 8, 16)
        ),
    ],
    "data": [
        SweepPoint("mnist_mlp", num, partial(build_experiment, mnist_mlp, 128, num), 128)
        for num in (60_000, 600_000, 6_000_000)
    ],
}


def main() -> None:
    """Runs the sweeps of the command line."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(RunConfig(num_seeds=1))
        results = {}
        for sweep in config.sweeps:
            results[sweep] = []
            for point in SWEEPS[sweep]:
                figures = measure_point(point, config.seconds)
                results[sweep].append(figures)
                rate = f"{figures['steps_per_second']:.4g} steps/s"
                print_line(f"{point.system}, {sweep} {point.x:,}: {rate}")
        tables = markdown_tables(results)
        write_json(config.workdir / "scaling.json", results)
        write_atomic(config.workdir / "scaling.md", f"{tables}\n".encode())
        save_plot(config.workdir / "scaling.png", results)
        print_line(f"{tables}\n\nResults written to {config.workdir}")


def measure_point(point: SweepPoint, min_seconds: float) -> dict[str, Any]:
    """Measures one point of a sweep.

    Args:
      point: The point.
      min_seconds: Duration of the measurement in seconds, if an epoch is long enough.

    Returns:
      The figures by name: the keys of `scaling_report.COLUMNS`, and `system` and `x`.
    """
    gan, source = point.build()
    num_gans, steps_per_epoch = point.num_seeds or 1, source.batches_per_epoch
    options = TrainOptions(
        steps=steps_per_epoch,
        num_seeds=point.num_seeds,
        update_order=point.update_order,
        steps_per_block=steps_per_epoch,
    )
    program = make_program(gan, source, options)
    order, shuffle_seconds = time_shuffle(program)
    peak = peak_flops()
    run_steps, compile_seconds = compile_block(program, order)
    rate = steps_per_second(run_steps, steps_per_epoch, min_seconds)
    flops = num_gans * count_flops(program, point.update_order)
    return {
        "system": point.system,
        "x": point.x,
        "steps_per_second": rate,
        "samples_per_second": rate * point.samples_per_step,
        "epoch_seconds": shuffle_seconds + steps_per_epoch / rate,
        "compile_seconds": compile_seconds,
        "flops_per_step": flops,
        "fraction_of_peak": flops * rate / peak,
    }


def time_shuffle(program: Program) -> tuple[Any, float]:
    """Returns the shuffled order of an epoch, and the seconds that computing it took."""
    order_fn = jax.jit(
        maybe_vmap(program.source.order, (0, None), is_population_mesh(program.mesh)),
        out_shardings=state_sharding(program.mesh),
    )
    jax.block_until_ready(order_fn(program.streams.shuffle, jnp.int32(0)))  # compiles
    start = time.perf_counter()
    order = jax.block_until_ready(order_fn(program.streams.shuffle, jnp.int32(1)))
    return order, time.perf_counter() - start


def compile_block(program: Program, order: Any) -> tuple[Callable[[int], None], float]:
    """Compiles the train block.

    Returns:
      A function that runs a number of train steps and waits for them, and the compile time in
      seconds.
    """
    sharding = state_sharding(program.mesh)
    init = maybe_vmap(program.gan.init, (0, None, None), is_population_mesh(program.mesh))
    state = init(program.streams.init, *zeros_like_batch(program.source))
    state, streams = jax.device_put((state, program.streams), sharding)
    arrays = jax.device_put(program.source.arrays, NamedSharding(program.mesh, REPLICATED))
    start = time.perf_counter()
    with jax.set_mesh(program.mesh):
        lowered = program.train_block.lower(
            state, streams, arrays, order, *map(np.int32, (0, 0, 1))
        )
        compiled = lowered.compile()
    compile_seconds = time.perf_counter() - start

    def run_steps(count):
        nonlocal state
        position = map(np.int32, (0, 0, count))
        state, metrics = compiled(state, streams, arrays, order, *position)
        jax.block_until_ready((state, metrics))

    return run_steps, compile_seconds


def steps_per_second(run_steps: Callable[[int], None], max_steps: int, min_seconds: float) -> float:
    """Returns the train steps per second in the fastest of three runs.

    Each run has as many steps as take `min_seconds / 3`, but at most `max_steps`.
    """
    run_steps(1)
    count, seconds = 1, 0.0
    while seconds < min_seconds / 3 and count < max_steps:
        count = min(2 * count, max_steps)
        seconds = time_steps(run_steps, count)
    return count / min(time_steps(run_steps, count) for _ in range(3))


def time_steps(run_steps: Callable[[int], None], count: int) -> float:
    """Returns the seconds that `count` train steps take."""
    start = time.perf_counter()
    run_steps(count)
    return time.perf_counter() - start


def count_flops(program: Program, update_order: UpdateOrder) -> float:
    """Returns XLA's count of the floating-point operations of a train step of one GAN."""
    train_step = make_train_step(program.gan, update_order=update_order)
    batch = jax.eval_shape(lambda: zeros_like_batch(program.source))
    state = jax.eval_shape(program.gan.init, jax.random.key(0), *batch)
    real, _ = batch
    real = jax.ShapeDtypeStruct((1, *real.shape), real.dtype)  # d_steps is 1
    compiled = jax.jit(train_step).lower(state, real, jax.random.key(0)).compile()
    return compiled.cost_analysis()["flops"]


def peak_flops() -> float:
    """Returns the FLOP/s of a float32 product of large matrices, the fastest of five."""
    x = jnp.ones((PEAK_MATRIX_SIZE, PEAK_MATRIX_SIZE))
    product = jax.jit(jnp.matmul).lower(x, x).compile()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        jax.block_until_ready(product(x, x))
        seconds.append(time.perf_counter() - start)
    return 2 * PEAK_MATRIX_SIZE**3 / min(seconds)


if __name__ == "__main__":
    main()
