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


def make_state(gan=GAN):
    """Returns the state after one step."""
    state = gan.init(jax.random.key(0), real_batch())
    return gan.step(state, real_batch(), jax.random.key(1))[0]


def shapes_of(gan=GAN):
    return jax.eval_shape(gan.init, jax.random.key(0), real_batch())


def largest_array_file(folder):
    files = [path for path in (folder / "state").rglob("d/*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def test_restore_returns_what_save_was_given_bit_for_bit(tmp_path):
    state = make_state()
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(7, state, {"seed": 3})
        restored, record = checkpoints.restore(7, shapes_of())
    assert_same_bits(restored, state)
    assert record == {"seed": 3}
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(restored))


def test_restore_returns_every_dtype(tmp_path):
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


def test_restore_returns_optimizer_states_of_optax_chains(tmp_path):
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.inject_hyperparams(optax.adamw)(1e-3))
    gan = small_gan(d_tx=tx, g_tx=tx)
    state = make_state(gan)
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, state, {})
        restored, _ = checkpoints.restore(1, shapes_of(gan))
    assert_same_bits(restored, state)


def test_checkpoints_refuses_a_path_that_is_a_pattern(tmp_path):
    with pytest.raises(CheckpointError, match=r"contains \[, \], \* or \?, which Orbax interprets"):
        Checkpoints(tmp_path / "run[1]" / "c")
    assert not (tmp_path / "run[1]").exists()


def test_restore_refuses_the_state_of_other_networks(tmp_path):
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, make_state(), {})
        other = small_gan(ema_half_life=100.0, g_tx=optimizers.rmsprop(1e-3))
        message = r"c/1: the arrays do not match this GAN.*\d+ arrays differ.*opt_state"
        with pytest.raises(CheckpointError, match=message):
            checkpoints.restore(1, shapes_of(other))
        halved = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, jnp.bfloat16) if x.ndim == 2 else x, shapes_of()
        )
        message = r"do not match this GAN.*float32\[1,16\] saved, bfloat16\[1,16\] expected"
        with pytest.raises(CheckpointError, match=message):
            checkpoints.restore(1, halved)


def test_restore_notices_a_flipped_bit(tmp_path):
    tree = {"w": jnp.asarray(np.random.default_rng(0).normal(size=4096), jnp.float32)}
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, tree, {})
        path = largest_array_file(tmp_path / "c" / "1")
        whole = path.read_bytes()
        messages = []
        for place in np.linspace(100, len(whole) - 100, 5).astype(int):
            damaged = bytearray(whole)
            damaged[place] ^= 16
            path.write_bytes(damaged)
            try:
                restored, _ = checkpoints.restore(1, jax.eval_shape(lambda: tree))
            except CorruptCheckpointError as error:
                messages.append(str(error))
            else:
                assert_same_bits(restored, tree)
        assert messages
        assert all("corrupt" in m or "cannot be read" in m for m in messages), messages


def test_restore_latest_quarantines_corrupt_checkpoints_and_returns_the_one_before(tmp_path):
    tree = {"x": jnp.arange(3)}
    messages = []
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.restore_latest(jax.eval_shape(lambda: tree), messages.append) is None
        for attempt in ("2", "2-2"):
            for step in sorted({1, 2} - set(checkpoints.all_steps)):
                checkpoints.save(step, tree, {})
            (tmp_path / "c" / "2" / "meta" / "metadata").write_text("{}")
            restored, step = checkpoints.restore_latest(
                jax.eval_shape(lambda: tree), messages.append
            )
            assert step == 1
            assert_same_bits(restored, tree)
            assert messages.pop().endswith(f"\nIt was moved to {tmp_path}/quarantine/{attempt}.")
            assert (tmp_path / "quarantine" / attempt / "state").is_dir()
            assert checkpoints.all_steps == [1]


def test_restore_latest_refuses_a_run_whose_checkpoints_are_all_corrupt(tmp_path):
    tree = {"x": jnp.arange(3)}
    messages = []
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, tree, {})
        (tmp_path / "c" / "1" / "meta" / "metadata").write_text("{}")
        with pytest.raises(CheckpointError, match="all checkpoints are corrupt"):
            checkpoints.restore_latest(jax.eval_shape(lambda: tree), messages.append)
    assert len(messages) == 1
    again = pytest.raises(CheckpointError, match=f"or remove {tmp_path}/quarantine")
    with Checkpoints(tmp_path / "c") as checkpoints, again:
        checkpoints.restore_latest(jax.eval_shape(lambda: tree), messages.append)


def test_save_that_fails_leaves_earlier_checkpoints_and_lets_the_process_end(tmp_path):
    program = """
import sys, pathlib, jax.numpy as jnp
from jaxgan.training.checkpoints import Checkpoints
with Checkpoints(pathlib.Path(sys.argv[1])) as checkpoints:
    checkpoints.save(1, {"x": jnp.ones(3)}, {})
    try:
        checkpoints.save(2, {"x": object()}, {})
    except Exception as error:
        print("refused", type(error).__name__)
    print(checkpoints.all_steps)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "c")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("refused")
    assert lines[1] == "[1]"


def test_save_error_names_the_checkpoint_and_those_that_are_untouched(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("[Errno 28] No space left on device\nmore")

    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, {"x": jnp.ones(3)}, {})
        monkeypatch.setattr(checkpoints._manager, "save", fail)
        message = (
            r"c/2 could not be saved: \[Errno 28\] No space left on device\. Earlier "
            r"checkpoints are untouched \(steps: \[1\]\)"
        )
        with pytest.raises(CheckpointError, match=message):
            checkpoints.save(2, {"x": jnp.ones(3)}, {})


@pytest.mark.parametrize(
    ("own", "elsewhere", "raised"),
    [
        (None, (False, False), None),
        (CheckpointError, (False, False), CheckpointError),
        (CorruptCheckpointError, (False, False), CorruptCheckpointError),
        (None, (True, False), CheckpointError),
        (None, (False, True), CorruptCheckpointError),
        # A checkpoint that one process cannot read because of its disk may be intact, so it must
        # not be quarantined.
        (CorruptCheckpointError, (True, False), CheckpointError),
    ],
)
def test_read_on_all_raises_the_same_error_on_every_process(
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
        with pytest.raises(CheckpointError) as info:
            checkpoints._read_on_all(3, read)
    assert info.type is raised
    expected = "here" if own is raised else f"{tmp_path}/c/3 cannot be read by another process"
    assert str(info.value) == expected
