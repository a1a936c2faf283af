"""One of our systems, trained on demand: `python -m benchmarks.jax_side SYSTEM FOLDER`; see `benchmarks.side`."""

import importlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.side import serve
from benchmarks.systems import SYSTEMS
from jaxgan.alternate import alternate
from jaxgan.blocks import make_block, over_seeds, plan, play_blocks
from jaxgan.data.images import load
from jaxgan.data.parabola import parabola_source
from jaxgan.data.sources import image_source
from jaxgan.keys import run_keys
from jaxgan.settings import set_up_jax
from jaxgan.sharing import BATCH, MEMBERS, here, mesh_over, one_of, place_of_state


class Side:
    """A GAN, or a population, and where it is in its training."""

    def __init__(self, name: str, folder: Path):
        system = SYSTEMS[name]
        experiment = importlib.import_module(f"experiments.{system.experiment}")
        config = experiment.Config.of_preset(system.preset, seeds=system.seeds)
        set_up_jax(config)
        self.gan, self.keys = experiment.build(config), run_keys(0, system.seeds)
        self.population = system.seeds is not None
        if system.images:
            self.source = image_source(load("mnist", folder).images, config.batch_size)
        else:
            self.source = parabola_source(config.batch_size)
        turns = {"order": config.order, "share_noise": config.share_noise}
        train_step = alternate(self.gan, config.d_steps, **turns)
        self.play = make_block(train_step, self.source, config.block, config.d_steps, population=self.population)
        self.block, self.steps_per_epoch = config.block, self.source.batches // config.d_steps
        example = jnp.zeros((1, 28, 28, 1) if system.images else (1, 15))
        init = over_seeds(lambda key: self.gan.init(key, example), (0,), self.population)
        self.mesh = mesh_over(MEMBERS, system.seeds) if system.seeds else mesh_over(BATCH, config.batch_size)
        self.state = jax.device_put(jax.jit(init)(self.keys.init), place_of_state(self.mesh))
        self.step, self.runs = 0, None

    def train(self, steps: int) -> float:
        """Goes on for so many train steps; the last loss of D."""
        # One generator for all calls, because it holds the compiled program and the epoch's order.
        if self.runs is None:
            self.runs = play_blocks(self.play, self.source, self.keys, self.state, self.lengths(), self.mesh)
        self.until, lines = self.step + steps, []
        while self.step < self.until:
            self.state, lines, _ = next(self.runs)
            self.step += len(lines)
        return float(lines[-1]["d_loss"])

    def lengths(self):
        """Blocks that end where a call does, without end."""
        while True:
            yield next(plan(self.step, self.until, self.steps_per_epoch, self.block))

    def sample(self, num: int) -> np.ndarray:
        """`[num, …]`, in the range of the data."""
        state, key = self.state, jax.random.clone(self.keys.sample)
        state, key = one_of((state, key), 0) if self.population else (here(state), key)
        return np.asarray(self.gan.sample(state, key, num))


if __name__ == "__main__":
    serve(Side(sys.argv[1], Path(sys.argv[2])))
