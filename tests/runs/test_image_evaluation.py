"""The scores of a GAN during training."""

import jax
import numpy as np

from jaxgan.runs import image_evaluation
from tests.helpers import toy_experiment


def test_evaluate_gan_returns_means_over_the_members():
    gan = toy_experiment.build(toy_experiment.Config())

    class MeanPixel:
        """An evaluator whose only score is the mean pixel."""

        num_samples = 4

        @staticmethod
        def compute_scores(samples):
            return {"mean": float(samples.mean())}

    keys = jax.random.split(jax.random.key(0), 3)
    real = np.zeros((1, 28, 28, 1), np.float32)
    states = jax.vmap(gan.init, (0, None))(jax.random.split(jax.random.key(1), 3), real)
    means = [
        float(gan.sample(jax.tree.map(lambda x, i=i: x[i], states), keys[i], 4).mean())
        for i in range(3)
    ]
    scores = image_evaluation.evaluate_gan(
        gan, MeanPixel, 3, None, states, jax.random.split(jax.random.key(0), 3)
    )
    np.testing.assert_allclose(scores["mean"], np.mean(means), rtol=1e-6)
