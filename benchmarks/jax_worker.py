"""Worker that trains a system with this package; see `benchmarks.worker`.

python -m benchmarks.jax_worker SYSTEM DATA_DIR
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from benchmarks.systems import SYSTEMS
from benchmarks.worker import serve_commands
from jaxgan import GAN
from jaxgan.data.image_datasets import load_split
from jaxgan.data.parabola import parabola_source
from jaxgan.data.sources import Source, array_source
from jaxgan.distributed.sharding import select_member, state_sharding, to_host_local
from jaxgan.runs.config import RunConfig
from jaxgan.runs.runtime import configure_jax
from jaxgan.training.blocks import maybe_vmap, plan_blocks
from jaxgan.training.program import (
    count_steps_per_epoch,
    make_program,
    run_blocks,
    zeros_like_batch,
)


class JaxWorker:
    """A GAN or a population in training.

    Args:
      gan: The GAN.
      source: The training batches.
      config: The options of the training loop.
    """

    def __init__(self, gan: GAN, source: Source, config: RunConfig):
        options = config.train_options(count_steps_per_epoch(source, config))
        self.program = make_program(gan, source, options)
        self.population = config.num_seeds is not None
        self.steps_per_block = config.steps_per_block
        init = maybe_vmap(self.program.gan.init, (0, None, None), self.population)
        state = init(self.program.streams.init, *zeros_like_batch(source))
        self.state = jax.device_put(state, state_sharding(self.program.mesh))
        self.step = self.end_step = 0
        # One generator for all calls of `train`: it keeps the compiled program and the epoch's
        # shuffled order.
        self.blocks = run_blocks(self.program, self.state, self.plan_blocks())

    def train(self, steps: int) -> float:
        """Runs `steps` train steps; returns the last discriminator loss."""
        self.end_step, rows = self.step + steps, []
        while self.step < self.end_step:
            self.state, rows, _ = next(self.blocks)
            self.step += len(rows)
        return float(rows[-1]["d_loss"])

    def plan_blocks(self) -> Iterator[tuple[int, int, int]]:
        """Yields blocks forever; none crosses the end of the current call of `train`."""
        while True:
            yield next(
                plan_blocks(
                    self.step, self.end_step, self.program.steps_per_epoch, self.steps_per_block
                )
            )

    def sample(self, num: int, condition: jax.typing.ArrayLike | None = None) -> np.ndarray:
        """Returns samples `[num, …]` of the GAN or of member 0, in the value range of the data.

        A conditional GAN needs the condition `[num, …]`.
        """
        state, key = self.state, jax.random.clone(self.program.streams.sample)
        if self.population:
            state, key = select_member((state, key), 0)
        else:
            state = to_host_local(state)
        return np.asarray(self.program.gan.sample(state, key, num, condition))


def make_worker(name: str, data_dir: Path) -> JaxWorker:
    """Returns the worker of a system.

    Args:
      name: Key of `SYSTEMS`.
      data_dir: Directory of the prepared data sets.
    """
    system = SYSTEMS[name]
    experiment = importlib.import_module(f"experiments.{system.experiment}")
    config = experiment.Config.from_preset(system.preset, num_seeds=system.num_seeds)
    configure_jax(config)
    if system.images:
        source = array_source(load_split("mnist", data_dir).images, config.batch_size)
    else:
        source = parabola_source(config.batch_size)
    return JaxWorker(experiment.build(config), source, config)


if __name__ == "__main__":
    serve_commands(make_worker(sys.argv[1], Path(sys.argv[2])))
