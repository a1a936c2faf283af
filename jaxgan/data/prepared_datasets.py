"""Image data sets that TFDS has prepared on disk, in the array_record format."""

import difflib
import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.data.splits import Images, Split
from jaxgan.errors import DataError

NAME_PATTERN = r"\w+([.-]\w+)*"


def is_prepared(name: str, data_dir: Path) -> bool:
    """Returns whether TFDS has prepared a data set of this name in `data_dir`."""
    return re.fullmatch(NAME_PATTERN, name) is not None and bool(_list_configs(data_dir / name))


def find_prepared_dir(name: str, data_dir: Path, known: Collection[str]) -> Path:
    """Returns the folder of the newest version of a data set that TFDS has prepared.

    Args:
      name: Name of the data set.
      data_dir: Directory of the prepared data sets.
      known: Names of the data sets that need not be prepared, for the message of the error.

    Raises:
      DataError: If there is no such folder, or several configs of the data set.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise DataError(
            f"{name!r} is not a valid data set name, expected letters, digits and '_', with single "
            "'-' or '.' between them."
        )
    folder = data_dir / name
    configs = _list_configs(folder)
    if len(configs) > 1:
        config_names = ", ".join(config.name for config in configs)
        raise DataError(
            f"{name} has several configs: {config_names}. "
            f"Give {folder} as data_dir, and one of them as the name."
        )
    if configs:
        return _list_versions(configs[0])[-1]
    names = [*known, *(path.name for path in data_dir.glob("*/") if _list_versions(path))]
    close = difflib.get_close_matches(name.lower(), names, n=1)
    hints = [f" Did you mean {match!r}?" for match in close]
    message = f"{name!r} is neither known ({', '.join(known)}) nor prepared by TFDS in {folder}."
    remedy = " --dataset and jaxgan.data.open_dataset also take the path of a folder or an array."
    raise DataError(message + "".join(hints) + remedy)


def _list_configs(folder: Path) -> list[Path]:
    """Returns the folders with prepared versions of a data set: `folder`, or its configs."""
    return [config for config in (folder, *sorted(folder.glob("*/"))) if _list_versions(config)]


def _list_versions(folder: Path) -> list[Path]:
    """Returns the folders of the prepared versions in `folder`, the newest last."""
    found = [info.parent for info in folder.glob("*/dataset_info.json")]
    found = [path for path in found if re.fullmatch(r"\d+\.\d+\.\d+", path.name)]
    return sorted(found, key=lambda path: [int(number) for number in path.name.split(".")])


def open_prepared_split(name: str, folder: Path, split: str) -> Split:
    """Opens a split of a data set that TFDS has prepared in `folder`, its version's folder.

    Raises:
      DataError: If the data set is corrupt, not in array_record, or without uint8 images, or has
        no such split.
    """
    builder = _open_builder(name, folder)
    features = dict(builder.info.features.items())
    class_names, has_labels = _find_class_names(features), _has_labels(features)
    source = _open_records(name, folder, builder, split)

    def read(indices):
        images, labels = _decode_examples(_read_records(name, folder, source, indices), features)
        shapes = {image.shape for image in images}
        if len(shapes) > 1 or len(images[0].shape) != 3:
            raise DataError(
                f"{name}: the images in {folder} have the shapes {sorted(shapes)[:5]}, expected "
                "one common shape [H, W, C]. Use another data set, or resize them."
            )
        labels = np.array(labels, np.int32)
        return Images(name, np.asarray(images), labels, class_names, has_labels)

    def read_labels():
        records = _read_records(name, folder, source, range(len(source)))
        return np.array(_decode_labels(records, features), np.int32)

    description = f"{len(source):,} images"
    return Split(name, len(source), read, read_labels, description, class_names, has_labels)


def _open_builder(name: str, folder: Path) -> Any:
    """Returns the TFDS builder of a prepared data set.

    Raises:
      DataError: If the data set is corrupt, not in array_record, or without uint8 images.
    """
    import tensorflow_datasets as tfds
    from google.protobuf.json_format import ParseError

    try:
        builder: Any = tfds.builder_from_directory(folder)
    except (OSError, ValueError, ParseError) as error:
        raise _corrupt_error(name, folder, error) from error
    formats = [each.value for each in builder.info.available_file_formats()]
    if "array_record" not in formats:
        raise DataError(
            f"{name}: {folder} is in {' and '.join(formats)}, expected array_record. "
            + _conversion_hint(folder)
        )
    features = dict(builder.info.features.items())
    image: Any = features.get("image")
    is_image = (
        isinstance(image, tfds.features.Image | tfds.features.Tensor) and image.np_dtype == np.uint8
    )
    # The serialized info is a dict if several sizes are unknown; TFDS then stores the shape apart.
    if not is_image or isinstance(image.get_serialized_info(), dict):
        raise DataError(
            f"{name}: {folder} has the features {features}, expected a feature 'image' of uint8 "
            "and known shape. Use another data set."
        )
    return builder


def _conversion_hint(folder: Path) -> str:
    options = [f"--dataset_version_dir={folder}", "--out_file_format=array_record"]
    command = shlex.join(["python", "-m", "tensorflow_datasets.scripts.convert_format", *options])
    return f"To add it, install tensorflow and apache-beam and run: {command}"


def _open_records(name: str, folder: Path, builder: Any, split: str) -> Any:
    """Returns a random-access source of the serialized examples of a split, at least one."""
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
            f"{name}: split {split!r} of {folder} has no images: {error}. "
            f"Choose from the existing splits: {sizes}."
        ) from error
    except (OSError, RuntimeError) as error:
        raise _corrupt_error(name, folder, error) from error
    return source


def _read_records(
    name: str, folder: Path, source: Any, indices: Sequence[int] | np.ndarray
) -> list[bytes]:
    """Reads the serialized examples with the given indices."""
    try:
        records = source.__getitems__([int(index) for index in indices])
    except (ValueError, OSError, RuntimeError) as error:
        raise _corrupt_error(name, folder, error) from error
    if not all(records):  # array_record returns empty records for some truncated files.
        raise _corrupt_error(name, folder, "it has empty records")
    return records


def _decode_examples(
    records: list[bytes], features: dict[str, Any]
) -> tuple[np.ndarray | list[np.ndarray], list[int]]:
    """Decodes serialized examples to images, each `[H, W, C]`, and labels.

    The parser of TFDS supports nested features and takes three times as long.
    """
    from tensorflow_datasets.proto import tf_example_pb2

    parse = tf_example_pb2.Example.FromString  # pyright: ignore[reportAttributeAccessIssue]
    has_labels = _has_labels(features)
    values, labels = [], []
    # One pass, because keeping the parsed examples of all records would take twice as long.
    for record in records:
        example = parse(record).features.feature
        values.append(_image_value(example["image"]))
        labels.append(_label_value(example) if has_labels else 0)
    return _decode_images(values, features["image"]), labels


def _decode_labels(records: list[bytes], features: dict[str, Any]) -> list[int]:
    """Returns the labels of serialized examples; 0 for each if they have none."""
    from tensorflow_datasets.proto import tf_example_pb2

    if not _has_labels(features):
        return [0] * len(records)
    parse = tf_example_pb2.Example.FromString  # pyright: ignore[reportAttributeAccessIssue]
    return [_label_value(parse(record).features.feature) for record in records]


def _label_value(feature: Any) -> int:
    """Returns the label of a parsed example."""
    return feature["label"].int64_list.value[0]


def _has_labels(features: dict[str, Any]) -> bool:
    """Returns whether every example has one integer as its label."""
    label = features.get("label")
    return label is not None and not label.shape and np.issubdtype(label.np_dtype, np.integer)


def _find_class_names(features: dict[str, Any]) -> tuple[str, ...] | None:
    """Returns the names of the classes; None if they have none, or only their numbers."""
    names = tuple(getattr(features.get("label"), "names", None) or ())
    return None if names == tuple(map(str, range(len(names)))) else names


def _decode_images(values: list[Any], feature: Any) -> np.ndarray | list[np.ndarray]:
    """Decodes image values, all at once if they are raw pixels of one shape, else one by one.

    Decoding all at once takes a tenth of the time.
    """
    encoding = getattr(feature.to_json_content(), "encoding", None)
    if encoding == "bytes" and None not in feature.shape:
        pixels = np.frombuffer(bytearray().join(values), np.uint8)
        return pixels.reshape(len(values), *feature.shape)
    return [feature.decode_example_np(value) for value in values]


def _image_value(feature: Any) -> bytes | np.ndarray:
    """Returns the stored value of an image: encoded bytes, or its pixels as integers."""
    encoded = feature.bytes_list.value
    return encoded[0] if encoded else np.array(feature.int64_list.value, np.uint8)


def _corrupt_error(name: str, folder: Path, error: Exception | str) -> DataError:
    return DataError(
        f"{name}: {folder} is corrupt: {error}. Remove it, and prepare the data set again."
    )
