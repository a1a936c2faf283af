"""The games of `experiments.games` that are trained with Adam: networks, data and scores."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxgan import GAN, GANState, losses, models, priors
from jaxgan.data.image_datasets import load_split
from jaxgan.data.mixture import RING, mixture_source
from jaxgan.data.parabola import parabola_source
from jaxgan.data.sources import Source, array_source, default_repeats
from jaxgan.evaluation import measure_samples
from jaxgan.evaluation.samples import score_members
from jaxgan.metrics import mixture_scores, parabola_distance
from jaxgan.runs.image_evaluation import load_evaluator
from jaxgan.training.rng import make_rng_streams

NUM_MEASURED = {"parabola": 10_000, "ring": 2_500, "mnist_mlp": 2_500}


class Game(NamedTuple):
    """Networks, data and scores of a game.

    Attributes:
      networks: `(generator, discriminator, loss, prior)`.
      source: The data.
      learning_rate: Learning rate of Adam for both networks.
      evaluations: Gradient evaluations of a run.
      score_fn: `(gan, states, seed, num_seeds) -> {title: [num_seeds]}`.
    """

    networks: tuple
    source: Source
    learning_rate: float
    evaluations: int
    score_fn: Callable[[GAN, GANState, int, int], dict[str, np.ndarray]]


def parabola_game(evaluations: int) -> Game:
    """Returns the game of `experiments.parabola`."""
    generator = models.MLPGenerator(shape=(15,), widths=(128,), output=jax.nn.identity)
    networks = (
        generator,
        models.MLPDiscriminator(widths=(128,), hidden=jax.nn.relu),
        losses.non_saturating,
        priors.normal(5),
    )

    def compute_scores(gan, states, seed, num_seeds):
        measured = measure_samples(
            gan,
            states,
            NUM_MEASURED["parabola"],
            lambda x: parabola_distance(x)._asdict(),
            seed=seed,
            num_seeds=num_seeds,
        )
        return {"parabola: W2²": measured["w2_squared"]}

    return Game(networks, parabola_source(64), 1e-3, evaluations, compute_scores)


def ring_game(evaluations: int) -> Game:
    """Returns a game of small MLPs on eight Gaussians."""
    generator = models.MLPGenerator(shape=(2,), widths=(64, 64), output=jax.nn.identity)
    networks = (
        generator,
        models.MLPDiscriminator(widths=(64, 64)),
        losses.non_saturating,
        priors.normal(2),
    )

    def compute_scores(gan, states, seed, num_seeds):
        found = measure_samples(
            gan,
            states,
            NUM_MEASURED["ring"],
            lambda x: mixture_scores(x, RING)._asdict(),
            seed=seed,
            num_seeds=num_seeds,
        )
        return {
            "ring: modes of 8": found["modes_found"].astype(float),
            "ring: % within 3 sigma": 100 * found["high_quality"],
        }

    return Game(networks, mixture_source(RING, 128), 1e-3, evaluations, compute_scores)


def mnist_game(evaluations: int, dataset: str, data_dir: Path) -> Game:
    """Returns the game of `experiments.mnist_mlp`, on a labeled data set of 28x28 images."""
    data = load_split(dataset, data_dir)
    num = min(NUM_MEASURED["mnist_mlp"], len(data.images) // 2)
    evaluator = load_evaluator(data, data_dir, num, features="classifier")
    source = array_source(data.images, 128, repeats=default_repeats(len(data.images)))
    networks = (
        models.MLPGenerator(),
        models.MLPDiscriminator(),
        losses.non_saturating,
        priors.uniform(100),
    )

    def compute_scores(gan, states, seed, num_seeds):
        def score_member(state, key):
            return evaluator.compute_scores(gan.sample(state, key, evaluator.num_samples))

        keys = make_rng_streams(seed, num_seeds).eval
        found = score_members(score_member, states, keys, num_seeds)
        return {f"{dataset}: Fréchet distance": found["frechet_distance"]}

    return Game(networks, source, 3e-4, evaluations, compute_scores)
