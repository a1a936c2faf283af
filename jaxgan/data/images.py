"""Image sets by name, as arrays of bytes.

Known names are prepared on first use, all others must have been prepared by TFDS, as array_record. Either way one reads the images
of a split at once: the sets meant here fit into memory many times over.
"""

import difflib
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import DataError

NAMES = {
    "mnist": "70,000 handwritten digits, 28x28",
    "fashion_mnist": "70,000 articles of clothing, 28x28",
    "kmnist": "70,000 cursive Japanese characters, 28x28",
    "digits": "1,797 handwritten digits, 8x8 enlarged to 28x28; comes with scikit-learn, needs no network",
}


class Images(NamedTuple):
    """A split of an image set. `images`: uint8 `[N, H, W, C]`; `labels`: int32 `[N]`, all 0 where the set has none."""

    name: str
    images: np.ndarray
    labels: np.ndarray


def default_data_dir() -> Path:
    """Where sets are kept unless told otherwise: `~/jaxgan_data`."""
    return Path("~/jaxgan_data").expanduser()


def load(name: str, data_dir: str | Path | None = None, split: str = "train") -> Images:
    """Reads one split of a set, preparing it first if it is one of `NAMES` and not yet there.

    Args:
      name: One of `NAMES`, or a set that TFDS has prepared in `data_dir/<name>[/<config>]/<version>`; the newest version is taken.
      data_dir: TFDS's folder; `default_data_dir()` if None.
      split: `"train"`, `"test"`, or what else TFDS understands, such as `"train[:1000]"`. `digits` has only `"train"`.

    Raises:
      DataError: The set cannot be had, has no such split or no suitable images. The message says what to do.
    """
    if name == "digits":
        return _digits(split)
    data_dir = Path(data_dir or default_data_dir()).expanduser().absolute()
    if name not in NAMES:
        return _read(name, _find(name, data_dir), split)
    from jaxgan.data import builders  # imports TFDS, which takes a while

    return _read(name, builders.prepare(name, data_dir), split)


def _digits(split: str) -> Images:
    """Enlarges scikit-learn's digits by cubic interpolation, one old pixel of margin around; the curve restores the sharp strokes."""
    if split != "train":
        raise DataError(f'digits: no split {split!r}; all 1,797 images are in "train".')
    from scipy import ndimage
    from sklearn import datasets

    pixels, labels = datasets.load_digits(return_X_y=True)
    framed = np.pad(pixels.reshape(-1, 8, 8) / 16, ((0, 0), (1, 1), (1, 1)))
    smooth = ndimage.zoom(framed, (1, 2.8, 2.8), order=3, mode="grid-constant", grid_mode=True)
    ink = np.clip((smooth - 0.2) / 0.75, 0, 1)
    images = np.round(255 * ink**2 * (3 - 2 * ink)).astype(np.uint8)
    return Images("digits", images[..., None], labels.astype(np.int32))


def _find(name: str, data_dir: Path) -> Path:
    """The folder of the newest version of a prepared set."""
    if not re.fullmatch(r"\w+([.-]\w+)*", name):
        raise DataError(f"{name!r} is not the name of a set: letters, digits, '_', and '-' or '.' between them.")
    folder = data_dir / name
    configs = [config for config in (folder, *sorted(folder.glob("*/"))) if _versions(config)]
    if len(configs) > 1:
        names = ", ".join(config.name for config in configs)
        raise DataError(
            f"{name}: several configs in {folder} ({names}). Give {folder} as the data_dir, and one of them as the name."
        )
    if not configs:
        prepared = [path.name for path in data_dir.glob("*/") if _versions(path)]
        close = difflib.get_close_matches(name, [*NAMES, *prepared], n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise DataError(f"{name!r} is neither known ({', '.join(NAMES)}) nor prepared by TFDS in {folder}.{hint}")
    return _versions(configs[0])[-1]


def _versions(folder: Path) -> list[Path]:
    found = [
        info.parent for info in folder.glob("*/dataset_info.json") if re.fullmatch(r"\d+\.\d+\.\d+", info.parent.name)
    ]
    return sorted(found, key=lambda path: [int(number) for number in path.name.split(".")])


def _read(name: str, folder: Path, split: str) -> Images:
    builder = _open(name, folder)
    features = dict(builder.info.features.items())
    images, labels = _decode(_records(name, folder, builder, split), features)
    shapes = {image.shape for image in images}
    if len(shapes) > 1 or len(images[0].shape) != 3:
        raise DataError(
            f"{name}: images must all have one shape [H, W, C]; in {folder} there are {sorted(shapes)[:5]}."
        )
    return Images(name, np.stack(images), np.array(labels, np.int32))


def _open(name: str, folder: Path) -> Any:
    """The builder of a prepared set; other formats than array_record and sets without uint8 images are refused."""
    import tensorflow_datasets as tfds
    from google.protobuf.json_format import ParseError

    try:
        builder = tfds.builder_from_directory(folder)
    except (OSError, ValueError, ParseError) as error:
        raise _damaged(name, folder, error) from error
    formats = [each.value for each in builder.info.available_file_formats()]
    if "array_record" not in formats:
        raise DataError(
            f"{name}: {folder} is stored as {' and '.join(formats)}; array_record is needed. {_conversion(folder)}"
        )
    image = dict(builder.info.features.items()).get("image")
    is_image = isinstance(image, tfds.features.Image) or (
        isinstance(image, tfds.features.Tensor) and None not in image.shape
    )
    if not is_image or image.np_dtype != np.uint8:
        raise DataError(
            f"{name}: no feature 'image' of uint8 and known shape in {folder}, only {builder.info.features}."
        )
    return builder


def _conversion(folder: Path) -> str:
    options = [f"--dataset_version_dir={folder}", "--out_file_format=array_record"]
    command = shlex.join(["python", "-m", "tensorflow_datasets.scripts.convert_format", *options])
    return f"Where tensorflow and apache-beam are installed, this adds it: {command}"


def _records(name: str, folder: Path, builder: Any, split: str) -> list[bytes]:
    """The serialized examples of a split; at least one."""
    import tensorflow_datasets as tfds

    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    try:
        source = builder.as_data_source(split, deserialize_method=raw, file_format="array_record")
        return source.__getitems__(range(len(source)))
    except ValueError as error:
        sizes = {each.name: each.num_examples for each in builder.info.splits.values()}
        raise DataError(f"{name}: no images in split {split!r} of {folder}, which has {sizes}: {error}") from error
    except (OSError, RuntimeError) as error:
        raise _damaged(name, folder, error) from error


def _decode(records: list[bytes], features: dict[str, Any]) -> tuple[list[np.ndarray], list[int]]:
    """Images, each `[H, W, C]`, and labels. Nested features need TFDS's own parser, which takes three times as long; these do not."""
    from tensorflow_datasets.proto import tf_example_pb2

    examples = [tf_example_pb2.Example.FromString(record).features.feature for record in records]
    images = [features["image"].decode_example_np(_value(example["image"])) for example in examples]
    label = features.get("label")
    if label is None or label.shape or not np.issubdtype(label.np_dtype, np.integer):
        return images, [0] * len(images)
    return images, [example["label"].int64_list.value[0] for example in examples]


def _value(feature: Any) -> Any:
    encoded = feature.bytes_list.value
    return encoded[0] if encoded else np.array(feature.int64_list.value, np.uint8)


def _damaged(name: str, folder: Path, error: Exception) -> DataError:
    return DataError(f"{name}: {folder} is damaged: {error}. Remove it, and prepare it again.")
