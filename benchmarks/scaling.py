"""How the cost of training grows: with the batch, the networks' width, the number of GANs, and the data.

`python -m benchmarks.scaling` trains each system for a few blocks, and writes a table, the figures and a plot into its
folder. Fractions of the peak are of what a product of two large matrices reaches in the same process, just before.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from rich.console import Console

from benchmarks.scaling_report import draw, tables
from experiments import mnist_cnn, mnist_mlp, parabola
from jaxgan import GAN, losses, make_gan, models, optimizers, priors
from jaxgan._io import write_atomic
from jaxgan.data.parabola import parabola_source
from jaxgan.data.sources import Source, array_source
from jaxgan.distributed.sharding import (
    BATCH_SPEC,
    MEMBER_SPEC,
    REPLICATED,
    make_mesh,
    state_sharding,
)
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import RunConfig, check_ranges
from jaxgan.runs.console import print_line
from jaxgan.runs.runtime import configure_jax
from jaxgan.train_step import Order, make_train_step
from jaxgan.training.blocks import make_train_block, maybe_vmap
from jaxgan.training.rng import make_rng_streams

IMAGES = 60_000
SIDE = 2_048


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    sweeps: tuple[Literal["batch", "width", "gans", "data"], ...] = (
        "batch",
        "width",
        "gans",
        "data",
    )
    """Which of them."""
    seconds: float = 2.0
    """How long to train for one figure, at most an epoch at a time; the fastest of three is taken."""
    workdir: Path = Path("runs/scaling")
    """Where the figures go."""

    def __post_init__(self):
        """Raises ConfigError at the first setting that will not do."""
        check_ranges(self)


@dataclasses.dataclass(frozen=True)
class Case:
    """A point of a sweep.

    Attributes:
      system: its name.
      x: how much of what grows.
      build: the GAN and its data, made when it is measured.
      samples: real ones a train step, of all GANs together.
      seeds: how many GANs; None for one, without an axis.
      order: of play.
    """

    system: str
    x: int
    build: Callable[[], tuple[GAN, Source]]
    samples: int
    seeds: int | None = None
    order: Order = "d_first"


def images(num: int = IMAGES) -> np.ndarray:
    """Grey noise, uint8 `[num, 28, 28, 1]`."""
    return np.random.default_rng(0).integers(0, 256, (num, 28, 28, 1), np.uint8)


def of_experiment(module: Any, batch: int, num: int = IMAGES) -> tuple[GAN, Source]:
    """An experiment on images with its defaults, but for the batch, on so many images."""
    return module.build(module.Config(batch_size=batch)), array_source(images(num), batch)


def of_width(width: int, batch: int = 128) -> tuple[GAN, Source]:
    """`mnist_mlp` with hidden layers of so many units in both networks."""
    tx = optimizers.adam(3e-4)
    gan = make_gan(
        models.MLPGenerator(widths=(width, width)),
        models.MLPDiscriminator(widths=(width, width)),
        losses.non_saturating,
        tx,
        tx,
        priors.uniform(100),
    )
    return gan, array_source(images(), batch)


def of_parabolas() -> tuple[GAN, Source]:
    """`parabola` with its defaults."""
    config = parabola.Config()
    return parabola.build(config), parabola_source(config.batch_size)


SWEEPS: dict[str, list[Case]] = {
    "batch": [
        Case(module.__name__.split(".")[-1], b, partial(of_experiment, module, b), b)
        for module, batches in (
            (mnist_mlp, (32, 128, 512, 2048)),
            (mnist_cnn, (16, 32, 64, 128, 256)),
        )
        for b in batches
    ],
    "width": [
        Case("mnist_mlp", width, partial(of_width, width), 128)
        for width in (64, 128, 256, 512, 1024, 2048)
    ],
    "gans": [
        *(
            Case("parabola", n, of_parabolas, 64 * n, n, "simultaneous")
            for n in (1, 2, 4, 16, 64, 256)
        ),
        *(
            Case("mnist_mlp", n, partial(of_experiment, mnist_mlp, 128), 128 * n, n)
            for n in (1, 2, 4, 8, 16)
        ),
    ],
    "data": [
        Case("mnist_mlp", num, partial(of_experiment, mnist_mlp, 128, num), 128)
        for num in (60_000, 600_000, 6_000_000)
    ],
}


def main() -> None:
    """Measures as the command line says."""
    with exit_on_error():
        config, console = parse_cli(Config), Console()
        configure_jax(RunConfig(seeds=1))
        found = {}
        for sweep in config.sweeps:
            found[sweep] = []
            for case in SWEEPS[sweep]:
                figures = measure(case, config.seconds)
                found[sweep].append(figures)
                print_line(
                    console,
                    f"{sweep} {case.x:,} of {case.system}: {figures['steps_per_second']:.4g} steps/s",
                )
        write_atomic(config.workdir / "scaling.json", (json.dumps(found, indent=2) + "\n").encode())
        write_atomic(config.workdir / "scaling.md", (tables(found) + "\n").encode())
        draw(config.workdir / "scaling.png", found)
        print_line(console, f"{tables(found)}\n\nIn {config.workdir}")


def measure(case: Case, least: float) -> dict[str, Any]:
    """The figures of a case, by name."""
    gan, source = case.build()
    population, keys = case.seeds is not None, make_rng_streams(0, case.seeds)
    train_step = make_train_step(gan, order=case.order)
    example = (
        jnp.zeros((1, *np.shape(source.arrays[0])[1:])) if source.arrays else jnp.zeros((1, 15))
    )
    init = maybe_vmap(lambda key: gan.init(key, example), (0,), population)
    mesh = make_mesh(MEMBER_SPEC, case.seeds) if case.seeds else make_mesh(BATCH_SPEC, case.samples)
    place = state_sharding(mesh)
    order_of = jax.jit(maybe_vmap(source.order, (0, None), population), out_shardings=place)
    order = jax.block_until_ready(order_of(keys.order, jnp.int32(0)))
    began = time.perf_counter()
    order = jax.block_until_ready(order_of(keys.order, jnp.int32(1)))
    order_seconds = time.perf_counter() - began

    state, peak = jax.device_put(jax.jit(init)(keys.init), place), peak_flops()
    keys, arrays = (
        jax.device_put(keys, place),
        jax.device_put(source.arrays, NamedSharding(mesh, REPLICATED)),
    )
    play = make_train_block(train_step, source, source.batches_per_epoch, population=population)
    began = time.perf_counter()
    with jax.set_mesh(mesh):
        compiled = play.lower(state, keys, arrays, order, *map(np.int32, (0, 0, 1))).compile()
    compile_seconds = time.perf_counter() - began

    def run(count):
        nonlocal state
        state, metrics = compiled(state, keys, arrays, order, *map(np.int32, (0, 0, count)))
        jax.block_until_ready((state, metrics))

    steps = rate(run, source.batches_per_epoch, least)
    flops = work(gan, train_step, example, case.samples // (case.seeds or 1)) * (case.seeds or 1)
    return {
        "system": case.system,
        "x": case.x,
        "steps_per_second": steps,
        "samples_per_second": steps * case.samples,
        "epoch_seconds": order_seconds + source.batches_per_epoch / steps,
        "compile_seconds": compile_seconds,
        "flops_per_step": flops,
        "fraction_of_peak": flops * steps / peak,
    }


def rate(run: Callable[[int], None], most: int, least: float) -> float:
    """Train steps a second, of the fastest of three runs of as many as take a third of `least` seconds."""
    run(1)
    count, seconds = 1, 0.0
    while seconds < least / 3 and count < most:
        count = min(2 * count, most)
        seconds = clock(run, count)
    return count / min(clock(run, count) for _ in range(3))


def clock(run: Callable[[int], None], count: int) -> float:
    """Seconds."""
    began = time.perf_counter()
    run(count)
    return time.perf_counter() - began


def work(gan: GAN, train_step: Callable, example: jax.Array, batch: int) -> float:
    """Floating-point operations of a train step of one GAN, as XLA counts those of the compiled program."""
    state = jax.eval_shape(lambda key: gan.init(key, example), jax.random.key(0))
    real = jax.ShapeDtypeStruct((1, batch, *example.shape[1:]), jnp.float32)
    return (
        jax.jit(train_step).lower(state, real, jax.random.key(0)).compile().cost_analysis()["flops"]
    )


def peak_flops() -> float:
    """Floating-point operations a second of the fastest of five products of large matrices in float32."""
    x = jnp.ones((SIDE, SIDE))
    product = jax.jit(jnp.matmul).lower(x, x).compile()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        jax.block_until_ready(product(x, x))
        seconds.append(time.perf_counter() - began)
    return 2 * SIDE**3 / min(seconds)


if __name__ == "__main__":
    main()
