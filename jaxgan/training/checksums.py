"""The manifest of a checkpoint: record, scores, and checksums of every array and of itself.

Orbax does not detect a flipped bit in an array. The pure functions of this module do.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxgan.errors import CheckpointError, CorruptCheckpointError

FORMAT_VERSION = 3


def make_manifest(
    state: Any, record: dict[str, Any], scores: dict[str, float] | None
) -> dict[str, Any]:
    """Returns the JSON-serializable manifest of a checkpoint.

    Args:
      state: Pytree of host-local arrays.
      record: Description of the run, such as the content of config.json.
      scores: Scores by name, the one that selects the best checkpoint first.
    """
    manifest = {"format": FORMAT_VERSION, "record": record, "scores": list((scores or {}).items())}
    manifest |= {"arrays": describe_leaves(state, array_checksum)}
    return manifest | {"checksum": json_checksum(manifest)}


def verify_manifest(manifest: Any, path: str) -> dict[str, Any]:
    """Verifies a manifest that was read from `path`; returns its content without the checksum.

    Raises:
      CorruptCheckpointError: If it differs from what was written.
      CheckpointError: If it has the format of another release.
    """
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise CorruptCheckpointError(f"{path} is corrupt: its manifest has no format")
    if manifest["format"] != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format {manifest['format']}, this release reads format {FORMAT_VERSION}; "
            f"load it with jaxgan {find_writer(manifest)}, which wrote it, or start over in "
            "another workdir"
        )
    content = {name: value for name, value in manifest.items() if name != "checksum"}
    if manifest.get("checksum") != json_checksum(content):
        raise CorruptCheckpointError(f"{path} is corrupt: the checksum of its manifest differs")
    return content


def find_writer(manifest: dict[str, Any]) -> str:
    """Returns the version of jaxgan that wrote a manifest, or "of another version" if unknown."""
    try:
        return str(manifest["record"]["versions"]["jaxgan"])
    except (KeyError, TypeError):
        return "of another version"


def verify_structure(manifest: dict[str, Any], like: Any, path: str) -> None:
    """Raises CheckpointError if the saved arrays differ from `like` in paths, shapes or dtypes."""
    saved = {name: text.partition(" ")[0] for name, text in manifest["arrays"].items()}
    mismatch = first_mismatch(saved, describe_leaves(like, dtype_and_shape), "expected")
    if mismatch:
        raise CheckpointError(
            f"{path}: the arrays do not match this GAN, which has other networks, optimizers or "
            f"hyperparameters. {mismatch}. Use the GAN of the run, or another workdir"
        )


def verify_arrays(manifest: dict[str, Any], state: Any, path: str) -> None:
    """Raises CorruptCheckpointError if an array of `state` is not, bit for bit, what was saved."""
    mismatch = first_mismatch(manifest["arrays"], describe_leaves(state, array_checksum), "read")
    if mismatch:
        raise CorruptCheckpointError(f"{path}: the arrays are corrupt. {mismatch}")


def first_mismatch(saved: dict[str, str], found: dict[str, str], verb: str) -> str:
    """Describes how many entries differ, and the first of them; "" if all are equal.

    Args:
      saved: Descriptions of the saved arrays, by path.
      found: Descriptions of the arrays to compare with them, by path.
      verb: Participle that tells `found` from `saved` in the message, such as "read".
    """
    names = sorted(n for n in saved.keys() | found.keys() if saved.get(n) != found.get(n))
    if not names:
        return ""
    name = names[0]
    return (
        f"{len(names)} arrays differ, first {name}: {saved.get(name)} saved, {found.get(name)} "
        f"{verb}"
    )


def describe_leaves(tree: Any, describe_fn: Callable[[Any], str]) -> dict[str, str]:
    """Returns `describe_fn(x)` for each array x of a pytree, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): describe_fn(x) for path, x in leaves}


def dtype_and_shape(x: Any) -> str:
    """Returns a text such as `float32[3,4]`."""
    return f"{x.dtype}[{','.join(map(str, x.shape))}]"


def array_checksum(x: jax.Array) -> str:
    """Returns the dtype, the shape and the 128-bit BLAKE2b of the bytes of an array, as text."""
    digest = hashlib.blake2b(np.asarray(x).tobytes(), digest_size=16).hexdigest()
    return f"{dtype_and_shape(x)} {digest}"


def json_checksum(content: Any) -> str:
    """Returns the 128-bit BLAKE2b of the JSON encoding of `content`, with sorted keys."""
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()
