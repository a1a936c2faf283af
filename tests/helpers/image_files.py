"""Small image files in the formats of the supported data sets."""

import gzip

import numpy as np

SIZES = {"train": 7, "t10k": 3}


def write_idx(folder, seed=0):
    """Writes four small files with the names and the format of MNIST's; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for split, size in SIZES.items():
        for kind, shape in (("images-idx3", (size, 28, 28)), ("labels-idx1", (size,))):
            header = np.array([0x800 + len(shape), *shape], ">u4").tobytes()
            data = rng.integers(0, 10, shape, dtype=np.uint8).tobytes()
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + data, mtime=0))
    return folder
