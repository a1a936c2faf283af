"""Image sets by name, as arrays of bytes.

Known sets are prepared on first use; others must have been prepared by TFDS, as array_record. `load` reads a split as a
whole, so that it has to fit into memory; `find` reads what it is asked for.
"""

import difflib
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import DataError

KNOWN_DATASETS = {
    "mnist": "70,000 handwritten digits, 28x28",
    "fashion_mnist": "70,000 articles of clothing, 28x28",
    "kmnist": "70,000 cursive Japanese characters, 28x28",
    "digits": "1,797 handwritten digits, 8x8 enlarged to 28x28; part of scikit-learn, so needs no network",
}


DEFAULT_DATA_DIR = Path("~/jaxgan_data")  # unless told otherwise


class Images(NamedTuple):
    """A split of a set. `images`: uint8 `[N, H, W, C]`; `labels`: int32 `[N]`, all 0 if there is no integer label."""

    name: str
    images: np.ndarray
    labels: np.ndarray


class Split(NamedTuple):
    """A split of a set that stays where it is. `read`: `rows [n]`, each 0 to `num` - 1, to those images and labels."""

    name: str
    num: int
    read: Callable[[Sequence[int] | np.ndarray], Images]


def load_split(name: str, data_dir: str | Path = DEFAULT_DATA_DIR, split: str = "train") -> Images:
    """Reads one split of a set: `find`, and then all of it."""
    found = open_split(name, data_dir, split)
    return found.read(range(found.num))


def open_split(name: str, data_dir: str | Path = DEFAULT_DATA_DIR, split: str = "train") -> Split:
    """Finds one split of a set, after preparing the set if it is a known one.

    Args:
      name: One of `NAMES`, or a set that TFDS has prepared in `data_dir/<name>[/<config>]/<version>`, the newest.
      data_dir: TFDS's folder.
      split: `"train"`, `"test"`, or whatever TFDS understands, such as `"train[:1000]"`. `digits` has only `"train"`.

    Raises:
      DataError: The set cannot be had, or has no such split or no suitable images. The message says what to do. `read`
        raises it where they are damaged.
    """
    if name == "digits":
        digits = _load_digits(split)
        return Split(
            name,
            len(digits.images),
            lambda rows: Images(name, *(x[np.asarray(rows)] for x in digits[1:])),
        )
    data_dir = Path(data_dir).expanduser().absolute()
    if name not in KNOWN_DATASETS:
        return _open_prepared_split(name, _find_prepared_dir(name, data_dir), split)
    from jaxgan.data import tfds_builders  # only here, as it imports TFDS, which takes a while

    return _open_prepared_split(name, tfds_builders.prepare_dataset(name, data_dir), split)


def _load_digits(split: str) -> Images:
    """Scikit-learn's 8x8 digits, one pixel of margin, enlarged by cubic splines; a curve makes the strokes crisp."""
    if split != "train":
        raise DataError(
            f"digits has no split {split!r}, only 'train', which holds all 1,797 images."
        )
    from scipy import ndimage
    from sklearn import datasets

    pixels, labels = datasets.load_digits(return_X_y=True)
    framed = np.pad(np.reshape(pixels, (-1, 8, 8)) / 16, ((0, 0), (1, 1), (1, 1)))
    spline = np.asarray(
        ndimage.zoom(np.eye(10), (2.8, 1), mode="grid-constant", grid_mode=True)
    )  # [28, 10]
    smooth = spline @ framed @ spline.T
    ink = np.clip((smooth - 0.2) / 0.75, 0, 1)
    images = np.round(255 * ink**2 * (3 - 2 * ink)).astype(np.uint8)
    return Images("digits", images[..., None], np.asarray(labels, np.int32))


def _find_prepared_dir(name: str, data_dir: Path) -> Path:
    """The folder of the newest version of a set that TFDS has prepared."""
    if not re.fullmatch(r"\w+([.-]\w+)*", name):
        raise DataError(
            f"{name!r} is no name of a set; these are of letters, digits and '_', with '-' or '.' between."
        )
    folder = data_dir / name
    configs = [config for config in (folder, *sorted(folder.glob("*/"))) if _list_versions(config)]
    if len(configs) > 1:
        names = ", ".join(config.name for config in configs)
        raise DataError(
            f"{name} has several configs: {names}. Give {folder} as data_dir, and one of them as the name."
        )
    if configs:
        return _list_versions(configs[0])[-1]
    names = [*KNOWN_DATASETS, *(path.name for path in data_dir.glob("*/") if _list_versions(path))]
    hints = [f" Did you mean {close!r}?" for close in difflib.get_close_matches(name, names, n=1)]
    message = (
        f"{name!r} is neither known ({', '.join(KNOWN_DATASETS)}) nor prepared by TFDS in {folder}."
    )
    raise DataError(message + "".join(hints))


def _list_versions(folder: Path) -> list[Path]:
    """The prepared versions in a folder, the newest last."""
    found = [info.parent for info in folder.glob("*/dataset_info.json")]
    found = [path for path in found if re.fullmatch(r"\d+\.\d+\.\d+", path.name)]
    return sorted(found, key=lambda path: [int(number) for number in path.name.split(".")])


def _open_prepared_split(name: str, folder: Path, split: str) -> Split:
    builder = _open_builder(name, folder)
    features, source = (
        dict(builder.info.features.items()),
        _open_records(name, folder, builder, split),
    )

    def read(rows):
        images, labels = _decode_examples(_read_records(name, folder, source, rows), features)
        shapes = {image.shape for image in images}
        if len(shapes) > 1 or len(images[0].shape) != 3:
            raise DataError(
                f"{name}: images must have one shape [H, W, C]; {folder} has {sorted(shapes)[:5]}."
            )
        return Images(name, np.asarray(images), np.array(labels, np.int32))

    return Split(name, len(source), read)


def _open_builder(name: str, folder: Path) -> Any:
    """The builder of a prepared set, which is refused if it is not array_record or has no uint8 images."""
    import tensorflow_datasets as tfds
    from google.protobuf.json_format import ParseError

    try:
        builder: Any = tfds.builder_from_directory(folder)
    except (OSError, ValueError, ParseError) as error:
        raise _corrupt_error(name, folder, error) from error
    formats = [each.value for each in builder.info.available_file_formats()]
    if "array_record" not in formats:
        raise DataError(
            f"{name}: {folder} is in {' and '.join(formats)}, not in array_record. {_conversion_hint(folder)}"
        )
    features = dict(builder.info.features.items())
    image: Any = features.get("image")
    is_image = (
        isinstance(image, tfds.features.Image | tfds.features.Tensor) and image.np_dtype == np.uint8
    )
    if not is_image or isinstance(
        image.get_serialized_info(), dict
    ):  # a dict: several unknown sizes, stored apart
        raise DataError(
            f"{name}: no feature 'image' of uint8 and known shape in {folder}, only {features}."
        )
    return builder


def _conversion_hint(folder: Path) -> str:
    options = [f"--dataset_version_dir={folder}", "--out_file_format=array_record"]
    command = shlex.join(["python", "-m", "tensorflow_datasets.scripts.convert_format", *options])
    return f"Where tensorflow and apache-beam are installed, this adds it: {command}"


def _open_records(name: str, folder: Path, builder: Any, split: str) -> Any:
    """The serialized examples of a split, at least one, where they lie."""
    import tensorflow_datasets as tfds

    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    try:
        source = builder.as_data_source(split, deserialize_method=raw, file_format="array_record")
        source.__getitems__([0])
    except (ValueError, IndexError) as error:
        sizes = ", ".join(
            f"{each.name}: {each.num_examples}" for each in builder.info.splits.values()
        )
        raise DataError(
            f"{name}: no images in split {split!r} of {folder}, which has {sizes}: {error}"
        ) from error
    except (OSError, RuntimeError) as error:
        raise _corrupt_error(name, folder, error) from error
    return source


def _read_records(
    name: str, folder: Path, source: Any, rows: Sequence[int] | np.ndarray
) -> list[bytes]:
    """Serialized examples."""
    try:
        records = source.__getitems__([int(row) for row in rows])
    except (ValueError, OSError, RuntimeError) as error:
        raise _corrupt_error(name, folder, error) from error
    if not all(records):  # what array_record makes of some files that end too early
        raise _corrupt_error(name, folder, "there are empty records")
    return records


def _decode_examples(
    records: list[bytes], features: dict[str, Any]
) -> tuple[np.ndarray | list[np.ndarray], list[int]]:
    """Images, each `[H, W, C]`, and labels. TFDS's own parser, made for nested features, takes three times as long."""
    from tensorflow_datasets.proto import tf_example_pb2

    parse = tf_example_pb2.Example.FromString  # pyright: ignore[reportAttributeAccessIssue]
    label = features.get("label")
    has_label = label is not None and not label.shape and np.issubdtype(label.np_dtype, np.integer)
    values, labels = [], []
    for (
        record
    ) in records:  # in one pass: to keep what the parser makes of all would take twice as long
        example = parse(record).features.feature
        values.append(_image_value(example["image"]))
        labels.append(example["label"].int64_list.value[0] if has_label else 0)
    return _decode_images(values, features["image"]), labels


def _decode_images(values: list[Any], feature: Any) -> np.ndarray | list[np.ndarray]:
    """Decoded one after another; but all at once where bytes are pixels, which takes a tenth of the time."""
    if (
        getattr(feature.to_json_content(), "encoding", None) == "bytes"
        and None not in feature.shape
    ):
        return np.frombuffer(bytearray().join(values), np.uint8).reshape(
            len(values), *feature.shape
        )
    return [feature.decode_example_np(value) for value in values]


def _image_value(feature: Any) -> bytes | np.ndarray:
    encoded = feature.bytes_list.value
    return encoded[0] if encoded else np.array(feature.int64_list.value, np.uint8)


def _corrupt_error(name: str, folder: Path, error: Exception | str) -> DataError:
    return DataError(f"{name}: {folder} is damaged: {error}. Remove it, and prepare it again.")
