"""One of our systems, trained on demand: `python -m benchmarks.jax_side SYSTEM FOLDER`; see `benchmarks.side`."""

import importlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.side import serve
from benchmarks.systems import SYSTEMS
from jaxgan.data.image_datasets import load_split
from jaxgan.data.parabola import parabola_source
from jaxgan.data.sources import array_source
from jaxgan.distributed.sharding import (
    BATCH_SPEC,
    MEMBER_SPEC,
    make_mesh,
    select_member,
    state_sharding,
    to_host_local,
)
from jaxgan.runs.runtime import configure_jax
from jaxgan.train_step import make_train_step
from jaxgan.training.blocks import make_train_block, maybe_vmap, plan_blocks, run_blocks
from jaxgan.training.rng import make_rng_streams


class Side:
    """A GAN, or a population, and where it is in its training."""

    def __init__(self, name: str, folder: Path):
        system = SYSTEMS[name]
        experiment = importlib.import_module(f"experiments.{system.experiment}")
        config = experiment.Config.of_preset(system.preset, seeds=system.seeds)
        configure_jax(config)
        self.gan, self.keys = experiment.build(config), make_rng_streams(0, system.seeds)
        self.population = system.seeds is not None
        if system.images:
            self.source = array_source(load_split("mnist", folder).images, config.batch_size)
        else:
            self.source = parabola_source(config.batch_size)
        turns = {"order": config.order, "share_noise": config.share_noise}
        train_step = make_train_step(self.gan, config.d_steps, **turns)
        self.play = make_train_block(
            train_step, self.source, config.block, config.d_steps, population=self.population
        )
        self.block, self.steps_per_epoch = (
            config.block,
            self.source.batches_per_epoch // config.d_steps,
        )
        example = jnp.zeros((1, 28, 28, 1) if system.images else (1, 15))
        init = maybe_vmap(lambda key: self.gan.init(key, example), (0,), self.population)
        self.mesh = (
            make_mesh(MEMBER_SPEC, system.seeds)
            if system.seeds
            else make_mesh(BATCH_SPEC, config.batch_size)
        )
        self.state = jax.device_put(jax.jit(init)(self.keys.init), state_sharding(self.mesh))
        self.step, self.runs = 0, None

    def train(self, steps: int) -> float:
        """Goes on for so many train steps; the last loss of D."""
        # One generator for all calls, because it holds the compiled program and the epoch's order.
        if self.runs is None:
            self.runs = run_blocks(
                self.play, self.source, self.keys, self.state, self.lengths(), self.mesh
            )
        self.until, lines = self.step + steps, []
        while self.step < self.until:
            self.state, lines, _ = next(self.runs)
            self.step += len(lines)
        return float(lines[-1]["d_loss"])

    def lengths(self):
        """Blocks that end where a call does, without end."""
        while True:
            yield next(plan_blocks(self.step, self.until, self.steps_per_epoch, self.block))

    def sample(self, num: int) -> np.ndarray:
        """`[num, …]`, in the range of the data."""
        state, key = self.state, jax.random.clone(self.keys.sample)
        state, key = (
            select_member((state, key), 0) if self.population else (to_host_local(state), key)
        )
        return np.asarray(self.gan.sample(state, key, num))


if __name__ == "__main__":
    serve(Side(sys.argv[1], Path(sys.argv[2])))
