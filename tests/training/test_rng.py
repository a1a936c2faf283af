"""Everything random follows from the seed and the step, and nothing is drawn twice."""

from collections import Counter

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgan import losses, make_gan, models, penalties, priors
from jaxgan.data.sources import Source, array_source
from jaxgan.train_step import make_train_step
from jaxgan.training import metric_log
from jaxgan.training.loop import train
from jaxgan.training.rng import make_rng_streams
from tests.helpers.networks import SHAPE, small_gan

IMAGES = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8)
SOURCE = array_source(IMAGES, 8)  # 5 steps an epoch


def tiny(tx):
    """Quickly compiled."""
    g, d = models.MLPGenerator(shape=SHAPE, widths=(8,)), models.MLPDiscriminator(widths=(8,))
    return make_gan(g, d, losses.non_saturating, tx, tx, priors.uniform(4), ema_half_life=100.0)


def test_every_step_has_noise_and_data_of_its_own(tmp_path):
    train(tiny(optax.sgd(0.0)), SOURCE, tmp_path, seed=0, steps=12)
    recorded = metric_log.read_columns(tmp_path / "metrics.jsonl")
    assert len(set(recorded["g_loss"])) == len(set(recorded["d_loss"])) == 12
    one = Source(
        (),
        3,
        lambda key, epoch: (),
        lambda a, o, key, i: (jax.random.normal(key, (8, *SHAPE)), None),
    )
    train(
        tiny(optax.sgd(0.0)),
        one,
        tmp_path / "made_up",
        seed=0,
        steps=6,
        d_steps=2,
        share_noise=False,
    )
    assert (
        len(set(metric_log.read_columns(tmp_path / "made_up" / "metrics.jsonl")["d_real_logits"]))
        == 6
    )


def test_networks_start_from_their_own_stream_and_are_given_conditions(tmp_path):
    labels = np.arange(40) % 10
    source = array_source(IMAGES, 8, labels=labels)
    gan = small_gan(d_tx=optax.sgd(0.1), g_tx=optax.sgd(0.1))
    state, _ = train(gan, source, tmp_path, seed=4, steps=2)
    keys = make_rng_streams(4)
    order = jax.jit(source.order)(keys.order, 0)
    real, condition = source.batch(source.arrays, order, jax.random.clone(keys.batch), 0)
    expected = gan.init(keys.init, real, condition)
    for i in range(2):
        real, condition = source.batch(source.arrays, order, jax.random.fold_in(keys.batch, i), i)
        key = jax.random.fold_in(
            jax.random.fold_in(keys.play, i), 0
        )  # the train step's, then its first update's
        expected, _ = gan.step(expected, real, key, condition)
    chex.assert_trees_all_close(state, expected, rtol=1e-3, atol=1e-5)
    assert "Embed_0" in state.d.params


def test_no_two_random_streams_share_a_key(monkeypatch):
    """Runs op by op, and looks at every key that is drawn from, split or folded."""
    used = {"draw": Counter(), "split": set(), "fold": set()}

    def watch(name, kind):
        original = getattr(jax.random, name)

        def watched(key, *args, **kwargs):
            if not isinstance(key, jax.core.Tracer):
                bits = jax.random.key_data(jax.random.clone(key)).tobytes()
                if kind == "draw":
                    used[kind][bits] += 1
                else:
                    used[kind].add(bits)
            return original(key, *args, **kwargs)

        monkeypatch.setattr(jax.random, name, watched)

    for name in ("uniform", "normal", "truncated_normal", "bernoulli", "permutation"):
        watch(name, "draw")
    watch("split", "split")
    watch("fold_in", "fold")
    jax.config.update("jax_debug_key_reuse", False)  # the watch looks at keys too
    try:
        with jax.disable_jit():
            keys = make_rng_streams(0)
            source = array_source(IMAGES, 8, repeats=2)
            gan = small_gan(
                d_tx=optax.sgd(0.1), g_tx=optax.sgd(0.1), penalty=penalties.gradient_penalty()
            )
            state = gan.init(keys.init, jnp.zeros((1, *SHAPE)))
            step = make_train_step(gan, 2, 2, share_noise=False)
            for i in range(2):
                order = source.order(keys.order, i)
                key = jax.random.fold_in(keys.batch, i)
                real, _ = source.batch(source.arrays, order, key, 0)
                state, _ = step(state, jnp.stack([real, real]), jax.random.fold_in(keys.play, i))
            gan.sample(state, keys.sample, 2)
    finally:
        jax.config.update("jax_debug_key_reuse", True)
    assert len(used["draw"]) > 20
    assert max(used["draw"].values()) == 1
    assert not used["draw"].keys() & (used["split"] | used["fold"])
    assert not used["split"] & used["fold"]
