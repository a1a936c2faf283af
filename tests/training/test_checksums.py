import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import CheckpointError, CorruptCheckpointError
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.checksums import (
    FORMAT_VERSION,
    array_checksum,
    first_mismatch,
    make_manifest,
    verify_arrays,
    verify_manifest,
    verify_structure,
)

STATE = {"w": jnp.arange(6.0).reshape(2, 3), "n": jnp.int32(4)}
RECORD = {"versions": {"jaxgan": "7.0"}}
MANIFEST = make_manifest(STATE, RECORD, {"z": 1.0, "a": 2.0})


def test_make_manifest_survives_json_and_keeps_the_order_of_the_scores():
    manifest = json.loads(json.dumps(MANIFEST))
    content = verify_manifest(manifest, "c/1")
    assert content["scores"] == [["z", 1.0], ["a", 2.0]]
    assert content["record"] == RECORD
    assert content["format"] == FORMAT_VERSION == 3
    assert content["arrays"].keys() == {"['w']", "['n']"}


def test_make_manifest_without_scores_has_an_empty_list():
    assert make_manifest(STATE, RECORD, None)["scores"] == []


@pytest.mark.parametrize("name", ["record", "scores", "arrays", "checksum"])
def test_verify_manifest_refuses_a_changed_entry(name):
    manifest = json.loads(json.dumps(MANIFEST)) | {name: "changed"}
    with pytest.raises(CorruptCheckpointError, match="c/1 is corrupt: the checksum of its"):
        verify_manifest(manifest, "c/1")


@pytest.mark.parametrize("manifest", [None, [], {}, {"format": "3"}])
def test_verify_manifest_refuses_what_has_no_format(manifest):
    with pytest.raises(CorruptCheckpointError, match="its manifest has no format"):
        verify_manifest(manifest, "c/1")


@pytest.mark.parametrize(
    ("version", "record", "writer"),
    [
        (2, {"versions": {"jaxgan": "0.1.0"}}, r"jaxgan 0\.1\.0"),
        (99, {"versions": {"jaxgan": "7.0"}}, r"jaxgan 7\.0"),
        (99, {}, "jaxgan of another version"),
        (99, None, "jaxgan of another version"),
    ],
)
def test_verify_manifest_refuses_another_format(version, record, writer):
    message = f"c/1 has format {version}, this release reads format 3; load it with {writer}, which"
    with pytest.raises(CheckpointError, match=message) as info:
        verify_manifest({"format": version, "record": record}, "c/1")
    assert info.type is CheckpointError  # it is not corrupt, so it is not quarantined


def test_restore_refuses_a_checkpoint_of_format_2_and_leaves_it(tmp_path):
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, STATE, {"versions": {"jaxgan": "0.1.0"}})
        path = tmp_path / "c" / "1" / "meta" / "metadata"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
        message = r"c/1 has format 2, this release reads format 3; load it with jaxgan 0\.1\.0"
        with pytest.raises(CheckpointError, match=message):
            checkpoints.restore_latest(jax.eval_shape(lambda: STATE), print)
        assert checkpoints.all_steps == [1]


def test_verify_structure_names_the_first_array_that_differs():
    verify_structure(MANIFEST, jax.eval_shape(lambda: STATE), "c/1")
    other = {"w": jnp.zeros((3, 2)), "n": jnp.int32(0)}
    message = r"1 arrays differ, first \['w'\]: float32\[2,3\] saved, float32\[3,2\] expected"
    with pytest.raises(CheckpointError, match=message) as info:
        verify_structure(MANIFEST, other, "c/1")
    assert info.type is CheckpointError


def test_verify_arrays_refuses_one_flipped_bit():
    verify_arrays(MANIFEST, STATE, "c/1")
    bits = np.array(STATE["w"])
    bits.view(np.uint32)[1, 2] ^= 1
    message = r"c/1: the arrays are corrupt\. 1 arrays differ, first \['w'\]: .* saved, .* read$"
    with pytest.raises(CorruptCheckpointError, match=message):
        verify_arrays(MANIFEST, STATE | {"w": bits}, "c/1")


def test_array_checksum_depends_on_dtype_shape_and_bits():
    arrays = [
        jnp.zeros((2, 3)),
        jnp.zeros((3, 2)),
        jnp.zeros((2, 3), jnp.int32),
        -jnp.zeros((2, 3)),
    ]
    assert len({array_checksum(x) for x in arrays}) == 4
    assert array_checksum(arrays[0]) == array_checksum(np.zeros((2, 3), np.float32))
    assert array_checksum(arrays[0]).startswith("float32[2,3] ")


def test_first_mismatch_reports_missing_entries_from_both_sides():
    assert first_mismatch({"a": "1"}, {"a": "1"}, "read") == ""
    text = first_mismatch({"a": "1", "b": "2"}, {"b": "2", "c": "3"}, "read")
    assert text == "2 arrays differ, first a: 1 saved, None read"
