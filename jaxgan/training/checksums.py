"""Short texts by which one pytree of arrays, or one record, is told from another."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def first_mismatch(saved: dict[str, str], found: dict[str, str]) -> str:
    """How many of the arrays differ, and the first of them; empty where none does."""
    wrong = sorted(
        name for name in saved.keys() | found.keys() if saved.get(name) != found.get(name)
    )
    if not wrong:
        return ""
    return f"{len(wrong)} of them, first {wrong[0]}: {saved.get(wrong[0])} saved, {found.get(wrong[0])} here"


def tree_checksums(tree: Any, how: Callable[[Any], str]) -> dict[str, str]:
    """A text for each array of a pytree, by its path."""
    return {
        jax.tree_util.keystr(path): how(x) for path, x in jax.tree_util.tree_leaves_with_path(tree)
    }


def dtype_and_shape(x: Any) -> str:
    """Dtype and shape, such as `float32[3,4]`."""
    return f"{x.dtype}[{','.join(map(str, x.shape))}]"


def array_checksum(x: jax.Array) -> str:
    """Dtype, shape and a 128-bit BLAKE2b of the bytes."""
    return f"{dtype_and_shape(x)} {hashlib.blake2b(np.asarray(x).tobytes(), digest_size=16).hexdigest()}"


def json_checksum(meta: Any) -> str:
    """A 128-bit BLAKE2b of something JSON can hold."""
    return hashlib.blake2b(json.dumps(meta, sort_keys=True).encode(), digest_size=16).hexdigest()
