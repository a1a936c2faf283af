import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

from jaxgan import optimizers
from jaxgan.errors import CheckpointError, CorruptCheckpointError
from jaxgan.training.checkpoints import Checkpoints
from tests.helpers.networks import assert_same_bits, real_batch, small_gan
from tests.helpers.programs import ROOT

GAN = small_gan(ema_half_life=100.0)


def a_state(seed=0):
    state = GAN.init(jax.random.key(seed), real_batch())
    return GAN.step(state, real_batch(), jax.random.key(seed + 1))[0]


def like():
    return jax.eval_shape(GAN.init, jax.random.key(0), real_batch())


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    state = a_state()
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(7, state, {"seed": 3})
        restored, record = checkpoints.restore(7, like())
    assert_same_bits(restored, state)
    assert record == {"seed": 3}
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(restored))


def test_every_dtype_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    tree = {
        name: jnp.asarray(
            rng.integers(0, 2, (3, 5)) if name == "bool" else rng.normal(size=(3, 5)), name
        )
        for name in ("float32", "bfloat16", "float16", "int32", "uint8", "bool")
    }
    tree |= {"scalar": jnp.float32(np.pi), "nan": jnp.array([np.nan, -0.0, np.inf])}
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, tree, {})
        restored, _ = checkpoints.restore(1, jax.eval_shape(lambda: tree))
    assert_same_bits(restored, tree)
    assert restored["bfloat16"].dtype == ml_dtypes.bfloat16


def test_the_newest_stay(tmp_path):
    with Checkpoints(tmp_path / "c", keep=2) as checkpoints:
        for step in (1, 5, 10, 11):
            checkpoints.save(step, {"x": jnp.arange(step)}, {})
        assert checkpoints.all_steps == [10, 11]
    with Checkpoints(tmp_path / "c", keep=2) as checkpoints:
        assert checkpoints.all_steps == [10, 11]
        with pytest.raises(
            CheckpointError, match=r"has no checkpoint of step 5, only of \[10, 11\]"
        ):
            checkpoints.restore(5, like())


def test_the_best_stays_with_the_newest(tmp_path):
    with Checkpoints(tmp_path / "c", keep=2) as checkpoints:
        assert checkpoints.best_step is None
        for step, value in ((1, 3.0), (2, 1.0), (3, None), (4, 2.0), (5, None)):
            checkpoints.save(
                step, {"x": jnp.arange(3)}, {}, None if value is None else {"z": value, "a": -value}
            )
        assert checkpoints.all_steps == [2, 4, 5]
    with Checkpoints(tmp_path / "c", keep=2) as checkpoints:
        assert checkpoints.best_step == 2


def test_another_networks_state_is_refused(tmp_path):
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, a_state(), {})
        other = small_gan(ema_half_life=100.0, g_tx=optimizers.rmsprop(1e-3))
        with pytest.raises(
            CheckpointError, match=r"c/1: the arrays are of another shape.*\d+ of them.*opt_state"
        ):
            checkpoints.restore(1, jax.eval_shape(other.init, jax.random.key(0), real_batch()))
        halved = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, jnp.bfloat16) if x.ndim == 2 else x, like()
        )
        with pytest.raises(
            CheckpointError,
            match=r"arrays are of another shape.*float32\[1,16\] saved, bfloat16\[1,16\] here",
        ):
            checkpoints.restore(1, halved)


def test_a_flipped_bit_is_noticed(tmp_path):
    tree = {"w": jnp.asarray(np.random.default_rng(0).normal(size=4096), jnp.float32)}
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, tree, {})
        data = max(
            (p for p in (tmp_path / "c" / "1" / "state").rglob("d/*") if p.is_file()),
            key=lambda p: p.stat().st_size,
        )
        whole = data.read_bytes()
        messages = []
        for place in np.linspace(100, len(whole) - 100, 5).astype(int):
            damaged = bytearray(whole)
            damaged[place] ^= 16
            data.write_bytes(damaged)
            try:
                restored, _ = checkpoints.restore(1, jax.eval_shape(lambda: tree))
            except CheckpointError as error:
                messages.append(str(error))
            else:
                assert_same_bits(restored, tree)
        assert messages
        assert all("damaged" in message for message in messages)


def test_another_format_is_refused(tmp_path):
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, {"x": jnp.zeros(1)}, {"versions": {"jaxgan": "7.0"}})
        path = tmp_path / "c" / "1" / "meta" / "metadata"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
        with pytest.raises(
            CheckpointError,
            match=r"has format 99, this release reads format 2; jaxgan 7\.0, which wrote it",
        ):
            checkpoints.restore(1, {"x": jax.ShapeDtypeStruct((1,), jnp.float32)})


def test_a_failed_save_leaves_the_earlier_ones_and_lets_the_process_end(tmp_path):
    program = """
import sys, pathlib, jax.numpy as jnp
from jaxgan.training.checkpoints import Checkpoints
with Checkpoints(pathlib.Path(sys.argv[1])) as checkpoints:
    checkpoints.save(1, {"x": jnp.ones(3)}, {})
    try:
        checkpoints.save(2, {"x": object()}, {})
    except Exception as error:
        print("refused", type(error).__name__)
    print(checkpoints.steps)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "c")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.split("\n")[0].startswith("refused")
    assert "[1]" in done.stdout


def test_optimiser_states_of_every_kind_come_back(tmp_path):
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.inject_hyperparams(optax.adamw)(1e-3))
    gan = small_gan(d_tx=tx, g_tx=tx)
    state, _ = gan.step(gan.init(jax.random.key(0), real_batch()), real_batch(), jax.random.key(1))
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, state, {})
        restored, _ = checkpoints.restore(
            1, jax.eval_shape(gan.init, jax.random.key(0), real_batch())
        )
    assert_same_bits(restored, state)


@pytest.mark.parametrize(
    ("own", "elsewhere", "raised"),
    [
        (None, (False, False), None),
        (CheckpointError, (False, False), CheckpointError),
        (CorruptCheckpointError, (False, False), CorruptCheckpointError),
        (None, (True, False), CheckpointError),
        (None, (False, True), CorruptCheckpointError),
        (
            CorruptCheckpointError,
            (True, False),
            CheckpointError,
        ),  # what an unreadable disk hides from one may be whole
    ],
)
def test_where_one_of_several_cannot_read_all_say_the_same(
    own, elsewhere, raised, tmp_path, monkeypatch
):
    others = iter(elsewhere)
    monkeypatch.setattr(
        "jaxgan.training.checkpoints.any_process", lambda flag: next(others) or flag
    )

    def read():
        if own:
            raise own("here")
        return "read"

    with Checkpoints(tmp_path / "c") as checkpoints:
        if raised is None:
            assert checkpoints._read_on_all(3, read) == "read"
            return
        with pytest.raises(CheckpointError) as refused:
            checkpoints._read_on_all(3, read)
    assert refused.type is raised
    assert str(refused.value) == (
        "here" if own is raised else f"{tmp_path}/c/3 cannot be read by another process"
    )
