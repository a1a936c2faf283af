from collections import Counter

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan import penalties
from jaxgan.data.sources import synthetic_source
from jaxgan.train_step import make_train_step
from jaxgan.training import metric_log
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from jaxgan.training.rng import RngStreams, make_rng_streams
from tests.helpers.networks import SHAPE, assert_same_bits, small_gan, tiny_gan, tiny_source

SILENT = Callbacks(progress=None)


def key_bits(keys):
    return jax.tree.map(lambda x: np.asarray(jax.random.key_data(x)), keys)


def test_rng_streams_are_named_by_their_use():
    names = ("init", "shuffle", "batch", "step", "sample", "probe", "eval")
    assert RngStreams._fields == names


def test_make_rng_streams_gives_seven_different_keys_per_seed():
    bits = [x.tobytes() for seed in range(3) for x in key_bits(make_rng_streams(seed))]
    assert len(set(bits)) == len(bits) == 21


def test_make_rng_streams_of_members_are_those_of_consecutive_seeds():
    for seed in (5, 2**31 - 1, 2**32 - 3):
        members = key_bits(make_rng_streams(seed, 3))
        for i in range(3):
            alone = key_bits(make_rng_streams(seed + i))
            assert_same_bits(jax.tree.map(lambda x, i=i: x[i], members), alone)


def test_train_draws_new_latent_vectors_and_data_at_every_step(tmp_path):
    gan = tiny_gan(d_tx=optax.sgd(0.0), g_tx=optax.sgd(0.0), ema_half_life=100.0)
    train(gan, tiny_source(), tmp_path / "images", TrainOptions(steps=12), SILENT)
    metrics = metric_log.read_columns(tmp_path / "images" / "metrics.jsonl")
    assert len(set(metrics["g_loss"])) == len(set(metrics["d_loss"])) == 12
    source = synthetic_source(lambda key, num: jax.random.normal(key, (num, *SHAPE)), 8, 3)
    options = TrainOptions(steps=6, d_steps=2, share_noise=False)
    train(gan, source, tmp_path / "synthetic", options, SILENT)
    metrics = metric_log.read_columns(tmp_path / "synthetic" / "metrics.jsonl")
    assert len(set(metrics["d_real_logits"])) == 6


def test_train_takes_its_keys_from_the_documented_streams(tmp_path):
    source = tiny_source(labels=np.arange(40) % 10)
    gan = small_gan(d_tx=optax.sgd(0.1), g_tx=optax.sgd(0.1))
    state, _ = train(gan, source, tmp_path, TrainOptions(steps=2, seed=4), SILENT)
    streams = make_rng_streams(4)
    order = jax.jit(source.order)(streams.shuffle, 0)
    real, condition = source.batch(source.arrays, order, jax.random.clone(streams.batch), 0)
    expected = gan.init(streams.init, real, condition)
    for i in range(2):
        batch_key = jax.random.fold_in(streams.batch, i)
        real, condition = source.batch(source.arrays, order, batch_key, i)
        step_key = jax.random.fold_in(streams.step, i)
        expected, _ = gan.step(expected, real, jax.random.fold_in(step_key, 0), condition)
    chex.assert_trees_all_close(state, expected, rtol=1e-3, atol=1e-5)
    assert "Embed_0" in state.d.params  # the networks are given the condition


@pytest.mark.stress
def test_rng_streams_never_share_a_key(monkeypatch):
    """Runs op by op, and records every key that is drawn from, split, or folded into."""
    used = {"draw": Counter(), "split": set(), "fold": set()}

    def record(name, kind):
        original = getattr(jax.random, name)

        def recorded(key, *args, **kwargs):
            if not isinstance(key, jax.core.Tracer):
                bits = jax.random.key_data(jax.random.clone(key)).tobytes()
                if kind == "draw":
                    used[kind][bits] += 1
                else:
                    used[kind].add(bits)
            return original(key, *args, **kwargs)

        monkeypatch.setattr(jax.random, name, recorded)

    for name in ("uniform", "normal", "truncated_normal", "bernoulli", "permutation"):
        record(name, "draw")
    record("split", "split")
    record("fold_in", "fold")
    jax.config.update("jax_debug_key_reuse", False)  # the recorder reads the keys, too
    try:
        with jax.disable_jit():
            streams = make_rng_streams(0)
            source = tiny_source(repeats=2)
            gan = small_gan(
                d_tx=optax.sgd(0.1), g_tx=optax.sgd(0.1), penalty=penalties.gradient_penalty()
            )
            state = gan.init(streams.init, jnp.zeros((1, *SHAPE)))
            step = make_train_step(gan, 2, 2, share_noise=False)
            for i in range(2):
                order = source.order(streams.shuffle, i)
                key = jax.random.fold_in(streams.batch, i)
                real, _ = source.batch(source.arrays, order, key, 0)
                step_key = jax.random.fold_in(streams.step, i)
                state, _ = step(state, jnp.stack([real, real]), step_key)
            gan.sample(state, streams.sample, 2)
    finally:
        jax.config.update("jax_debug_key_reuse", True)
    assert len(used["draw"]) > 20
    assert max(used["draw"].values()) == 1
    assert not used["draw"].keys() & (used["split"] | used["fold"])
    assert not used["split"] & used["fold"]
