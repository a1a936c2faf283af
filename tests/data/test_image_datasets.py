import functools
import gzip
import io
import json
import re
import shutil
import socket
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from sklearn.datasets import load_digits
from tensorflow_datasets.core.download import checksums

from jaxgan.data import download, tfds_builders
from jaxgan.data.image_datasets import KNOWN_DATASETS, load_split
from jaxgan.errors import DataError
from tests.helpers.image_files import write_idx


def read_idx(folder, split):
    images, labels = (
        gzip.decompress((folder / f"{split}-{kind}-ubyte.gz").read_bytes())
        for kind in ("images-idx3", "labels-idx1")
    )
    return np.frombuffer(images[16:], np.uint8).reshape(-1, 28, 28, 1), np.frombuffer(
        labels[8:], np.uint8
    )


def assert_read(data_dir, folder):
    """The prepared set is what the files in `folder` hold, in their order."""
    for split, prefix in (("train", "train"), ("test", "t10k")):
        found, (images, labels) = load_split("mnist", data_dir, split), read_idx(folder, prefix)
        assert (found.name, found.images.dtype, found.labels.dtype) == ("mnist", np.uint8, np.int32)
        np.testing.assert_array_equal(found.images, images)
        np.testing.assert_array_equal(found.labels, labels)


def assert_clean(data_dir):
    """Nothing half-done: no records, no temporary folder or file; what the user may have put there does not count."""
    allowed = {"mnist", "downloads", "manual", "extracted", *tfds_builders.FILES}
    assert {path.name for path in data_dir.rglob("*")} <= allowed


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Small files that TFDS takes for the official ones, and no way to the network."""
    folder = write_idx(tmp_path / "official")
    for file in tfds_builders.FILES:
        url = tfds_builders.OFFICIAL["mnist"] + file
        monkeypatch.setitem(
            checksums.get_all_url_infos(), url, checksums.compute_url_info(folder / file)
        )
    monkeypatch.setattr(
        tfds_builders, "download_file", functools.partial(download.download_file, stall=0.3)
    )
    monkeypatch.setitem(
        tfds_builders.URLS, "mnist", "http://127.0.0.1:9/"
    )  # the port of discarded bytes: nobody there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture
def manual(tmp_path):
    return tmp_path / "data" / "downloads" / "manual" / "mnist"


@pytest.fixture
def serve(monkeypatch):
    """Serves a folder in place of MNIST's server, until the test ends."""
    servers = []

    def start(folder):
        handler = functools.partial(Quiet, directory=folder)
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,)).start()
        monkeypatch.setitem(
            tfds_builders.URLS, "mnist", f"http://127.0.0.1:{servers[-1].server_port}/"
        )

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_files_of_the_user_are_prepared_silently_and_without_network(
    official, manual, monkeypatch, capfd
):
    def refuse(*args):
        raise AssertionError("the network was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    shutil.copytree(official, manual)
    assert_read(manual.parents[2], official)
    assert capfd.readouterr() == ("", "")
    assert "tensorflow" not in sys.modules


def test_missing_files_are_fetched(official, manual, serve):
    serve(official)
    shutil.copytree(official, manual)
    (manual / tfds_builders.FILES[2]).unlink()
    assert_read(manual.parents[2], official)


def test_nobody_serves(official, manual):
    data_dir = manual.parents[2]
    write_idx(manual)
    missing = tfds_builders.FILES[1:3]
    for file in missing:
        (manual / file).unlink()
    with pytest.raises(DataError) as caught:
        load_split("mnist", data_dir)
    reason = rf"http://127.0.0.1:9/{missing[0]} cannot be fetched: .*refused.*\."
    advice = (
        rf"Put the official files into {manual}, or connect to a network, or use --dataset digits\."
    )
    assert re.fullmatch(
        rf"mnist: {', '.join(missing)} missing in {manual}\. {reason} {advice}", str(caught.value)
    )
    assert_clean(data_dir)
    shutil.copytree(official, manual, dirs_exist_ok=True)
    assert_read(data_dir, official)


def test_a_server_that_hangs_is_given_up_at_the_first_file(official, manual, serve, monkeypatch):
    release, asked = threading.Event(), []
    monkeypatch.setattr(Quiet, "do_GET", lambda self: asked.append(self.path) or release.wait(10))
    serve(official)
    with pytest.raises(
        DataError,
        match=f"mnist: {', '.join(tfds_builders.FILES)} missing in .*no byte arrived for 0.3 s",
    ):
        load_split("mnist", manual.parents[2])
    release.set()
    assert asked == [f"/{tfds_builders.FILES[0]}"]
    assert_clean(manual.parents[2])


def test_wrong_files_of_a_server_are_removed(official, manual, serve, tmp_path):
    serve(write_idx(tmp_path / "other", seed=1))
    manual.mkdir(parents=True)
    shutil.copy(official / tfds_builders.FILES[0], manual)
    with pytest.raises(DataError) as caught:
        load_split("mnist", manual.parents[2])
    removed = ", ".join(tfds_builders.FILES[1:])
    assert f"mnist: not the official files (wrong checksum) in {manual}: {removed}." in str(
        caught.value
    )
    assert f"Fetched from {tfds_builders.URLS['mnist']} and removed again: {removed}." in str(
        caught.value
    )
    assert [path.name for path in manual.iterdir()] == tfds_builders.FILES[:1]
    assert_clean(manual.parents[2])
    serve(official)
    assert_read(manual.parents[2], official)


def test_wrong_files_of_the_user_are_named_and_kept(official, manual):
    shutil.copytree(official, manual)
    (manual / tfds_builders.FILES[0]).write_bytes(
        (official / tfds_builders.FILES[0]).read_bytes()[:-20]
    )
    message = f"mnist: not the official files (wrong checksum) in {manual}: {tfds_builders.FILES[0]}. Put the official files"
    with pytest.raises(DataError, match=re.escape(message)):
        load_split("mnist", manual.parents[2])
    assert (manual / tfds_builders.FILES[0]).exists()
    assert_clean(manual.parents[2])
    shutil.copy(official / tfds_builders.FILES[0], manual)
    assert_read(manual.parents[2], official)


@pytest.mark.parametrize("name", sorted(tfds_builders.BUILDERS))
def test_only_the_official_files_are_accepted(name, tmp_path):
    manual = write_idx(tmp_path / "downloads" / "manual" / name)
    with pytest.raises(
        DataError, match=re.escape(f"{name}: not the official files (wrong checksum) in {manual}")
    ):
        load_split(name, tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} <= {
        name,
        "downloads",
        "manual",
        *tfds_builders.FILES,
    }


@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_a_full_disk_leaves_nothing_half_prepared(official, manual, monkeypatch, error):
    def examples(*args):
        yield 0, {"image": np.zeros((28, 28, 1), np.uint8), "label": 0}
        raise error("no space left")

    shutil.copytree(official, manual)
    with monkeypatch.context() as patch:
        patch.setattr(tfds_builders.IdxImages, "_generate_examples", examples)
        with pytest.raises(
            DataError, match=f"mnist cannot be prepared in {manual.parents[2]}: .*no space left"
        ):
            load_split("mnist", manual.parents[2])
    assert_clean(manual.parents[2])
    assert_read(manual.parents[2], official)


def test_a_data_dir_that_is_a_file_is_reported(official):
    file = official / tfds_builders.FILES[0]
    with pytest.raises(DataError, match=f"mnist cannot be prepared in {file}: .*Not a directory"):
        load_split("mnist", file)


def test_a_damaged_folder_is_reported(official, manual):
    shutil.copytree(official, manual)
    target = manual.parents[2] / "mnist" / "0.1.0"
    target.mkdir(parents=True)
    with pytest.raises(
        DataError, match=f"mnist: {target} is there, but holds no prepared set. Remove it"
    ):
        load_split("mnist", manual.parents[2])


def test_another_process_may_be_faster(official, manual, monkeypatch):
    shutil.copytree(official, manual)
    examples = tfds_builders.IdxImages._generate_examples

    def interrupted(self, *paths):
        with monkeypatch.context() as patch:
            patch.setattr(tfds_builders.IdxImages, "_generate_examples", examples)
            tfds_builders.prepare_dataset("mnist", manual.parents[2])
        yield from examples(self, *paths)

    monkeypatch.setattr(tfds_builders.IdxImages, "_generate_examples", interrupted)
    assert_read(manual.parents[2], official)
    assert [path.name for path in (manual.parents[2] / "mnist").iterdir()] == ["0.1.0"]


def test_the_official_mnist_by_way_of_a_server(tmp_path, serve, mnist_files):
    serve(mnist_files)
    assert_read(tmp_path, mnist_files)
    train, test = load_split("mnist", tmp_path), load_split("mnist", tmp_path, "test")
    assert (len(train.images), len(test.images)) == (60_000, 10_000)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_digits_are_large_and_bright_and_still_the_same():
    pixels, labels = load_digits(return_X_y=True)
    found, again = load_split("digits"), load_split("digits")
    assert (found.images.shape, found.images.dtype) == ((1797, 28, 28, 1), np.uint8)
    np.testing.assert_array_equal(found.images, again.images)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.images.min() == 0
    assert np.all(found.images.max(axis=(1, 2, 3)) == 255)
    assert not found.images[:, [0, 1, -2, -1]].any()
    assert not found.images[:, :, [0, 1, -2, -1]].any()
    coarse = (
        found.images[:, 2:26, 2:26, 0].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)).reshape(-1, 64)
    )
    alike = [np.corrcoef(new, old)[0, 1] for new, old in zip(coarse, pixels, strict=True)]
    assert min(alike) > 0.85


def test_digits_have_only_one_split():
    with pytest.raises(DataError, match="digits has no split 'test', only 'train'"):
        load_split("digits", split="test")


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)
LABEL = tfds.features.ClassLabel(num_classes=5)
TENSOR = tfds.features.Tensor(shape=(6, 4, 3), dtype=np.uint8, encoding="bytes")


def make_set(data_dir, features, examples, version="1.0.0"):
    """Lets TFDS prepare `tiny_set`, as any user might, and returns its folder."""

    class TinySet(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)

        def _info(self):
            info = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=info, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from enumerate(examples)

    TinySet(data_dir=data_dir, file_format="array_record").download_and_prepare()
    return data_dir / "tiny_set" / version


def tiny(data_dir, version="1.0.0", images=IMAGES):
    examples = [{"image": image, "label": i} for i, image in enumerate(images)]
    return make_set(data_dir, {"image": TENSOR, "label": LABEL}, examples, version)


def edit_info(folder, **changes):
    path = folder / "dataset_info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("image", "encode"),
    [
        (TENSOR, np.asarray),
        (tfds.features.Tensor(shape=(6, 4, 3), dtype=np.uint8), np.asarray),
        (tfds.features.Tensor(shape=(None, 4, 3), dtype=np.uint8, encoding="zlib"), np.asarray),
        (tfds.features.Image(), png),
    ],
    ids=["bytes", "integers", "zlib", "png"],
)
def test_a_set_prepared_by_tfds_is_found_by_its_name(tmp_path, image, encode):
    examples = [{"image": encode(each), "label": i} for i, each in enumerate(IMAGES)]
    make_set(tmp_path, {"image": image, "label": LABEL}, examples)
    found = load_split("tiny_set", str(tmp_path))
    assert (found.name, found.images.dtype, found.labels.dtype) == ("tiny_set", np.uint8, np.int32)
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_array_equal(found.labels, range(5))
    np.testing.assert_array_equal(
        load_split("tiny_set", tmp_path, "train[1:3]").images, IMAGES[1:3]
    )


@pytest.mark.parametrize(
    "label", [None, tfds.features.Text(), tfds.features.Tensor(shape=(2,), dtype=np.int64)]
)
def test_without_an_integer_label_all_labels_are_zero(tmp_path, label):
    value = {"label": [1, 2] if label.shape else "one"} if label else {}
    features = {"image": TENSOR} | ({"label": label} if label else {})
    make_set(tmp_path, features, [{"image": image} | value for image in IMAGES])
    np.testing.assert_array_equal(load_split("tiny_set", tmp_path).labels, np.zeros(5))


def test_the_newest_version_counts(tmp_path):
    tiny(tmp_path, "1.10.0")
    tiny(tmp_path, "1.9.0", IMAGES[:2])
    (tmp_path / "tiny_set" / "incomplete.ABCDEF_2.0.0").mkdir()
    (tmp_path / "tiny_set" / "2.0.0").mkdir()
    assert len(load_split("tiny_set", tmp_path).images) == 5


def test_a_config_is_found_if_it_is_the_only_one(tmp_path):
    folder = tiny(tmp_path)
    shutil.move(folder, tmp_path / "tiny_set" / "small" / "1.0.0")
    assert len(load_split("tiny_set", tmp_path).images) == 5
    shutil.copytree(tmp_path / "tiny_set" / "small", tmp_path / "tiny_set" / "x-2.0")
    with pytest.raises(
        DataError, match=rf"several configs: small, x-2.0. Give {folder.parent} as data_dir"
    ):
        load_split("tiny_set", tmp_path)
    assert len(load_split("x-2.0", folder.parent).images) == 5


def test_another_format_is_refused_with_the_command_that_converts_it(tmp_path):
    folder = tiny(tmp_path)
    edit_info(folder, fileFormat="tfrecord")
    command = "python -m tensorflow_datasets.scripts.convert_format"
    options = f"--dataset_version_dir={folder} --out_file_format=array_record"
    message = f"tiny_set: {folder} is in tfrecord, not in array_record. "
    with pytest.raises(
        DataError, match=f"^{re.escape(message)}.*{re.escape(f'{command} {options}')}$"
    ):
        load_split("tiny_set", tmp_path)


@pytest.mark.parametrize("first", ["tfrecord", "parquet"])
def test_array_record_beside_another_format_is_read(tmp_path, first):
    edit_info(tiny(tmp_path), fileFormat=first, alternativeFileFormats=["array_record"])
    np.testing.assert_array_equal(load_split("tiny_set", tmp_path).images, IMAGES)


@pytest.mark.parametrize(
    ("features", "example"),
    [
        ({"picture": TENSOR}, {"picture": IMAGES[0]}),
        ({"image": LABEL}, {"image": 1}),
        (
            {"image": tfds.features.Tensor(shape=(6, 4, 3), dtype=np.float32)},
            {"image": np.float32(IMAGES[0])},
        ),
        (
            {"image": tfds.features.Tensor(shape=(None, None, 3), dtype=np.uint8, encoding="zlib")},
            {"image": IMAGES[0]},
        ),
    ],
)
def test_a_set_without_uint8_images_is_refused(tmp_path, features, example):
    folder = make_set(tmp_path, features, [example])
    with pytest.raises(
        DataError, match=f"tiny_set: no feature 'image' of uint8 and known shape in {folder}, only"
    ):
        load_split("tiny_set", tmp_path)


@pytest.mark.parametrize(
    ("image", "images", "shapes"),
    [
        (tfds.features.Image(), [png(IMAGES[0]), png(IMAGES[0, :5])], "[(5, 4, 3), (6, 4, 3)]"),
        (tfds.features.Tensor(shape=(6, 4), dtype=np.uint8), IMAGES[..., 0], "[(6, 4)]"),
    ],
)
def test_images_must_have_one_shape_of_rank_three(tmp_path, image, images, shapes):
    folder = make_set(tmp_path, {"image": image}, [{"image": each} for each in images])
    with pytest.raises(
        DataError, match=re.escape(f"must have one shape [H, W, C]; {folder} has {shapes}")
    ):
        load_split("tiny_set", tmp_path)


@pytest.mark.parametrize("split", ["test", "train[:0]", "train[", "train[9:]"])
def test_a_split_without_images_is_refused(tmp_path, split):
    folder = tiny(tmp_path)
    with pytest.raises(
        DataError, match=re.escape(f"no images in split {split!r} of {folder}, which has train: 5:")
    ):
        load_split("tiny_set", tmp_path, split)


@pytest.mark.parametrize(
    "file", ["dataset_info.json", "features.json", "tiny_set-train.array_record-00000-of-00001"]
)
def test_damage_is_reported(tmp_path, file):
    folder = tiny(tmp_path)
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=f"tiny_set: {folder} is damaged: .* Remove it"):
        load_split("tiny_set", tmp_path)


def test_an_unknown_name_gets_a_hint(tmp_path):
    tiny(tmp_path)
    message = f"neither known ({', '.join(KNOWN_DATASETS)}) nor prepared by TFDS in {tmp_path}/"
    for name, hint in (
        ("minst", "minst. Did you mean 'mnist'?"),
        ("tinyset", "tinyset. Did you mean 'tiny_set'?"),
    ):
        with pytest.raises(DataError, match=re.escape(message + hint)):
            load_split(name, tmp_path)
    with pytest.raises(DataError, match=re.escape(f"{message}celeb.") + "$"):
        load_split("celeb", tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "../tiny_set", "a/b", "a\\b", "/tmp", "a..b", "~"])
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="is no name of a set"):
        load_split(name, tmp_path)


def test_the_default_folder_lies_in_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        DataError, match=re.escape(f"nor prepared by TFDS in {tmp_path}/jaxgan_data/celeb.")
    ):
        load_split("celeb")
