"""Compares optimizers made for games at equal numbers of gradient evaluations.

    python -m experiments.games

Six methods are compared on four games: the DiracGAN, whose trajectories are drawn; the
parabolas, with the exact distance of the samples; a ring of eight Gaussians; and the MLPs of
`mnist_mlp`. The last three are trained with Adam from eight seeds. A gradient evaluation is one
computation of the gradients of both networks. An extragradient step takes two, and so does a step
with consensus, since the product with the transposed Jacobian costs at least one more.

The workdir receives README.md with the table, dirac.png and scores.png. Run the same command again
to resume an interrupted comparison.
"""

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.game_definitions import NUM_MEASURED, Game, mnist_game, parabola_game, ring_game
from experiments.shared import train_or_exit, write_protocol
from jaxgan import GAN, dynamics, losses, make_gan, make_train_step, models, optimizers, priors
from jaxgan._io import write_atomic
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR
from jaxgan.errors import ConfigError
from jaxgan.evaluation import format_mean_sem, markdown_table
from jaxgan.plotting import dynamics as game_figures
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import RunConfig
from jaxgan.runs.console import print_line
from jaxgan.runs.runtime import configure_jax
from jaxgan.train_step import UpdateOrder
from jaxgan.training import TrainOptions
from jaxgan.training.options import check_ranges

DIRAC_RATE, DIRAC_EVALUATIONS = 0.2, 200


class Method(NamedTuple):
    """A method for updating both networks.

    Attributes:
      update_order: See `make_train_step`.
      momentum: Decay b1 of Adam, or the momentum of SGD on the DiracGAN.
      optimistic: Whether the optimizer is optimistic.
      consensus: Whether both networks also descend the norm of both gradients.
      evaluations: Gradient evaluations per train step.
    """

    update_order: UpdateOrder
    momentum: float = 0.0
    optimistic: bool = False
    consensus: bool = False
    evaluations: int = 1

    def build(self, make_tx: Callable, gamma: float, *networks: Any) -> GAN:
        """Returns the GAN of this method; `make_tx` maps the momentum to an optimizer."""
        tx = make_tx(self.momentum)
        tx = optimizers.optimistic(tx) if self.optimistic else tx
        generator, discriminator, loss, prior = networks
        transform = dynamics.consensus(gamma) if self.consensus else None
        return make_gan(generator, discriminator, loss, tx, tx, prior, field_transform=transform)


METHODS = {
    "simultaneous": Method("simultaneous"),
    "alternating": Method("d_first"),
    "alternating, momentum -0.5": Method("d_first", momentum=-0.5),
    "optimistic": Method("simultaneous", optimistic=True),
    "extragradient": Method("extragradient", evaluations=2),
    "consensus": Method("simultaneous", consensus=True, evaluations=2),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the comparison."""

    games: tuple[str, ...] = ("dirac", "parabola", "ring", "mnist_mlp")
    """Games to compare on: dirac, parabola, ring, mnist_mlp."""
    num_seeds: int = 8
    """Number of seeds per optimizer: SEED, SEED + 1, …"""
    seed: int = 0
    """First seed."""
    parabola_evaluations: int = 10_000
    """Gradient evaluations of each run on parabolas."""
    ring_evaluations: int = 4_000
    """Gradient evaluations of each run on the ring."""
    mnist_evaluations: int = 500
    """Gradient evaluations of each run on MNIST."""
    consensus_gamma: float = 1.0
    """Weight of consensus optimization."""
    dataset: str = "mnist"
    """A labeled data set of 28x28 images; see the options of `mnist_mlp`."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    workdir: Path = Path("runs/games")
    """Directory of the comparison. An interrupted comparison there is resumed."""

    def __post_init__(self):
        """Raises ConfigError if an option is out of range, or a game is unknown."""
        check_ranges(self)
        known = ("dirac", *NUM_MEASURED)
        unknown = [name for name in self.games if name not in known]
        if unknown or not self.games:
            raise ConfigError(f"games is {self.games}, expected some of {', '.join(known)}")


def main() -> None:
    """Plays all games, then writes the report."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(RunConfig(steps=1, num_seeds=config.num_seeds))
        fields = set(dataclasses.asdict(config)) - {"games", "data_dir", "workdir"}
        write_protocol(config.workdir, {name: getattr(config, name) for name in sorted(fields)})
        scores: dict[str, dict[str, np.ndarray]] = {}
        for name in config.games:
            results = train_dirac(config) if name == "dirac" else train_game(name, config)
            for title in next(iter(results.values())):
                scores[title] = {method: result[title] for method, result in results.items()}
        write_report(scores, config)
        print_line(f"The comparison is in {config.workdir}/README.md")


def train_dirac(config: Config) -> dict[str, dict[str, np.ndarray]]:
    """Plays the DiracGAN from points on the unit circle, and draws the trajectories."""
    angles = np.pi / 4 + 2 * np.pi * np.arange(config.num_seeds) / config.num_seeds
    starts = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], 1), jnp.float32)
    trajectories = {
        name: np.asarray(train_trajectories(method, config.consensus_gamma, starts))
        for name, method in METHODS.items()
    }
    caption = (
        f"DiracGAN, Wasserstein loss, learning rate {DIRAC_RATE}, {DIRAC_EVALUATIONS} gradient "
        "evaluations"
    )
    game_figures.save_phase_portraits(config.workdir / "dirac.png", trajectories, caption)
    title = "DiracGAN: distance"
    return {
        name: {title: np.linalg.norm(points[:, -1], axis=-1)}
        for name, points in trajectories.items()
    }


def train_trajectories(method: Method, gamma: float, starts: jax.Array) -> jax.Array:
    """Returns the points (θ, ψ) of SGD from each start `[n, 2]`: `[n, steps + 1, 2]`."""
    networks = (models.DiracGenerator(), models.DiracDiscriminator())
    gan = method.build(
        lambda momentum: optax.sgd(DIRAC_RATE, momentum or None),
        gamma,
        *networks,
        losses.wasserstein,
        priors.normal(1),
    )
    train_step = make_train_step(gan, update_order=method.update_order)
    real = jnp.zeros((1, 1))
    keys = jax.random.split(jax.random.key(0), DIRAC_EVALUATIONS // method.evaluations)

    def play(start):
        state = gan.init(jax.random.key(0), real)
        g, d = (
            network.replace(params=jax.tree.map(lambda x, at=at: jnp.full_like(x, at), params))
            for network, params, at in (
                (state.g, state.g.params, start[0]),
                (state.d, state.d.params, start[1]),
            )
        )

        def body(state, key):
            state, _ = train_step(state, real[None], key)
            return state, jnp.stack([state.g.params["theta"][0], state.d.params["psi"][0]])

        _, points = jax.lax.scan(body, state.replace(d=d, g=g), keys)
        return jnp.concatenate([start[None], points])

    return jax.jit(jax.vmap(play))(starts)


def train_game(name: str, config: Config) -> dict[str, dict[str, np.ndarray]]:
    """Returns `{method: {title: [num_seeds]}}` of a game that is trained with Adam."""
    make_game = {
        "parabola": partial(parabola_game, config.parabola_evaluations),
        "ring": partial(ring_game, config.ring_evaluations),
        "mnist_mlp": partial(mnist_game, config.mnist_evaluations, config.dataset, config.data_dir),
    }[name]
    game = make_game()
    return {
        method_name: train_and_score(name, game, method_name, method, config)
        for method_name, method in METHODS.items()
    }


def train_and_score(
    name: str, game: Game, method_name: str, method: Method, config: Config
) -> dict[str, np.ndarray]:
    """Returns the scores of a method; they are read from the workdir if they exist."""
    folder = config.workdir / name / method_name.replace(", ", "-").replace(" ", "")
    path = folder / "scores.json"
    if path.exists():
        return {title: np.array(v, float) for title, v in json.loads(path.read_text()).items()}
    print_line(f"{name}, {method_name}")
    adam = partial(optimizers.adam, game.learning_rate)
    gan = method.build(lambda b1: adam(b1=b1, b2=0.9), config.consensus_gamma, *game.networks)
    options = TrainOptions(
        steps=game.evaluations // method.evaluations,
        seed=config.seed,
        num_seeds=config.num_seeds,
        update_order=method.update_order,
        steps_per_block=100,
    )
    states = train_or_exit(gan, game.source, folder, options)
    scores = game.score_fn(gan, states, config.seed, config.num_seeds)
    write_atomic(path, json.dumps({k: v.tolist() for k, v in scores.items()}).encode())
    return scores


def write_report(scores: dict[str, dict[str, np.ndarray]], config: Config) -> None:
    """Writes README.md with the table, and scores.png."""
    rows = []
    for method in METHODS:
        cells = [format_mean_sem(values[method], 3) for values in scores.values()]
        rows.append([method, *cells])
    caption = f"{config.num_seeds} seeds, equal numbers of gradient evaluations"
    game_figures.save_optimizer_scores(config.workdir / "scores.png", scores, caption)
    page = markdown_table(["optimizer", *scores], rows)
    write_atomic(config.workdir / "README.md", page.encode())


if __name__ == "__main__":
    main()
