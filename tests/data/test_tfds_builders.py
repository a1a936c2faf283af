"""Known data sets are prepared from the official files, downloaded or provided by the user."""

import functools
import gzip
import re
import shutil
import socket
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from tensorflow_datasets.core.download import checksums

from jaxgan.data import download, tfds_builders
from jaxgan.data.image_datasets import load_split
from jaxgan.errors import DataError
from tests.helpers.image_files import write_idx


def read_idx(folder, prefix):
    images, labels = (
        gzip.decompress((folder / f"{prefix}-{kind}-ubyte.gz").read_bytes())
        for kind in ("images-idx3", "labels-idx1")
    )
    images = np.frombuffer(images[16:], np.uint8).reshape(-1, 28, 28, 1)
    return images, np.frombuffer(labels[8:], np.uint8)


def assert_prepared(data_dir, folder):
    """Asserts that the prepared MNIST equals the files in `folder`, in the same order."""
    for split, prefix in (("train", "train"), ("test", "t10k")):
        actual, (images, labels) = load_split("mnist", data_dir, split), read_idx(folder, prefix)
        assert actual.name == "mnist"
        assert (actual.images.dtype, actual.labels.dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(actual.images, images)
        np.testing.assert_array_equal(actual.labels, labels)


def assert_clean(data_dir):
    """Asserts that no records and no temporary files are left, only files of the user."""
    allowed = {"mnist", "downloads", "manual", "extracted", *tfds_builders.FILES}
    assert {path.name for path in data_dir.rglob("*")} <= allowed


@pytest.fixture
def official(tmp_path, monkeypatch):
    """A folder of small files that TFDS accepts as the official ones; no server has them."""
    folder = write_idx(tmp_path / "official")
    for file in tfds_builders.FILES:
        url = tfds_builders.OFFICIAL_URLS["mnist"] + file
        info = checksums.compute_url_info(folder / file)
        monkeypatch.setitem(checksums.get_all_url_infos(), url, info)
    download_file = functools.partial(download.download_file, stall=0.3)
    monkeypatch.setattr(tfds_builders, "download_file", download_file)
    # Nothing listens on port 9.
    monkeypatch.setitem(tfds_builders.DOWNLOAD_URLS, "mnist", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def manual_dir(data_dir):
    return data_dir / "downloads" / "manual" / "mnist"


@pytest.fixture
def serve(monkeypatch):
    """Returns a function that serves a folder in place of MNIST's server until the test ends."""
    servers = []

    def start(folder):
        handler = functools.partial(QuietHandler, directory=folder)
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,)).start()
        url = f"http://127.0.0.1:{servers[-1].server_port}/"
        monkeypatch.setitem(tfds_builders.DOWNLOAD_URLS, "mnist", url)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_prepare_dataset_uses_the_files_of_the_user_silently_and_offline(
    official, data_dir, manual_dir, monkeypatch, capfd
):
    def refuse(*args):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    shutil.copytree(official, manual_dir)
    assert_prepared(data_dir, official)
    assert capfd.readouterr() == ("", "")
    assert "tensorflow" not in sys.modules


def test_prepare_dataset_accepts_a_str_path(official, data_dir, manual_dir):
    shutil.copytree(official, manual_dir)
    assert tfds_builders.prepare_dataset("mnist", str(data_dir)) == data_dir / "mnist" / "0.1.0"


def test_prepare_dataset_downloads_missing_files(official, data_dir, manual_dir, serve):
    serve(official)
    shutil.copytree(official, manual_dir)
    (manual_dir / tfds_builders.FILES[2]).unlink()
    assert_prepared(data_dir, official)


def test_prepare_dataset_without_a_server_names_the_missing_files(official, data_dir, manual_dir):
    write_idx(manual_dir)
    missing = tfds_builders.FILES[1:3]
    for file in missing:
        (manual_dir / file).unlink()
    with pytest.raises(DataError) as caught:
        load_split("mnist", data_dir)
    reason = rf"http://127.0.0.1:9/{missing[0]} cannot be downloaded: .*refused.*\."
    advice = (
        rf"Put the official files into {manual_dir}, or connect to a network, "
        r"or use --dataset digits\."
    )
    message = rf"mnist: {', '.join(missing)} missing in {manual_dir}\. {reason} {advice}"
    assert re.fullmatch(message, str(caught.value))
    assert_clean(data_dir)
    shutil.copytree(official, manual_dir, dirs_exist_ok=True)
    assert_prepared(data_dir, official)


def test_prepare_dataset_gives_up_at_the_first_file_of_a_hanging_server(
    official, data_dir, serve, monkeypatch
):
    release, requests = threading.Event(), []

    def hang(self):
        requests.append(self.path)
        release.wait(10)

    monkeypatch.setattr(QuietHandler, "do_GET", hang)
    serve(official)
    files = ", ".join(tfds_builders.FILES)
    with pytest.raises(DataError, match=f"mnist: {files} missing in .*no byte arrived for 0.3 s"):
        load_split("mnist", data_dir)
    release.set()
    assert requests == [f"/{tfds_builders.FILES[0]}"]
    assert_clean(data_dir)


def test_prepare_dataset_removes_wrong_downloads(official, data_dir, manual_dir, serve, tmp_path):
    serve(write_idx(tmp_path / "other", seed=1))
    manual_dir.mkdir(parents=True)
    shutil.copy(official / tfds_builders.FILES[0], manual_dir)
    with pytest.raises(DataError) as caught:
        load_split("mnist", data_dir)
    removed = ", ".join(tfds_builders.FILES[1:])
    url = tfds_builders.DOWNLOAD_URLS["mnist"]
    assert f"mnist: wrong checksum of files in {manual_dir}: {removed}." in str(caught.value)
    assert f"Downloaded from {url} and removed again: {removed}." in str(caught.value)
    assert [path.name for path in manual_dir.iterdir()] == tfds_builders.FILES[:1]
    assert_clean(data_dir)
    serve(official)
    assert_prepared(data_dir, official)


def test_prepare_dataset_names_and_keeps_wrong_files_of_the_user(official, data_dir, manual_dir):
    shutil.copytree(official, manual_dir)
    file = tfds_builders.FILES[0]
    (manual_dir / file).write_bytes((official / file).read_bytes()[:-20])
    message = f"mnist: wrong checksum of files in {manual_dir}: {file}. Put the official files"
    with pytest.raises(DataError, match=re.escape(message)):
        load_split("mnist", data_dir)
    assert (manual_dir / file).exists()
    assert_clean(data_dir)
    shutil.copy(official / file, manual_dir)
    assert_prepared(data_dir, official)


@pytest.mark.parametrize("name", sorted(tfds_builders.BUILDERS))
def test_prepare_dataset_accepts_only_the_official_files(name, tmp_path):
    manual_dir = write_idx(tmp_path / "downloads" / "manual" / name)
    message = f"{name}: wrong checksum of files in {manual_dir}"
    with pytest.raises(DataError, match=re.escape(message)):
        load_split(name, tmp_path)
    allowed = {name, "downloads", "manual", *tfds_builders.FILES}
    assert {path.name for path in tmp_path.rglob("*")} <= allowed


@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_prepare_dataset_leaves_nothing_half_prepared_on_a_full_disk(
    official, data_dir, manual_dir, monkeypatch, error
):
    def examples(*args):
        yield 0, {"image": np.zeros((28, 28, 1), np.uint8), "label": 0}
        raise error("no space left")

    shutil.copytree(official, manual_dir)
    message = f"mnist cannot be prepared in {data_dir}: .*no space left"
    with monkeypatch.context() as patch:
        patch.setattr(tfds_builders.IdxImages, "_generate_examples", examples)
        with pytest.raises(DataError, match=message):
            load_split("mnist", data_dir)
    assert_clean(data_dir)
    assert_prepared(data_dir, official)


def test_prepare_dataset_reports_a_data_dir_that_is_a_file(official):
    file = official / tfds_builders.FILES[0]
    with pytest.raises(DataError, match=f"mnist cannot be prepared in {file}: .*Not a directory"):
        load_split("mnist", file)


def test_prepare_dataset_reports_a_folder_without_a_data_set(official, data_dir, manual_dir):
    shutil.copytree(official, manual_dir)
    target = data_dir / "mnist" / "0.1.0"
    target.mkdir(parents=True)
    message = f"mnist: {target} exists, but contains no prepared data set. Remove it"
    with pytest.raises(DataError, match=message):
        load_split("mnist", data_dir)


def test_prepare_dataset_uses_what_another_process_prepared_meanwhile(
    official, data_dir, manual_dir, monkeypatch
):
    shutil.copytree(official, manual_dir)
    examples = tfds_builders.IdxImages._generate_examples

    def interrupted(self, *paths):
        with monkeypatch.context() as patch:
            patch.setattr(tfds_builders.IdxImages, "_generate_examples", examples)
            tfds_builders.prepare_dataset("mnist", data_dir)
        yield from examples(self, *paths)

    monkeypatch.setattr(tfds_builders.IdxImages, "_generate_examples", interrupted)
    assert_prepared(data_dir, official)
    assert [path.name for path in (data_dir / "mnist").iterdir()] == ["0.1.0"]


@pytest.mark.stress
def test_prepare_dataset_with_the_official_mnist_from_a_server(tmp_path, serve, mnist_files):
    serve(mnist_files)
    assert_prepared(tmp_path, mnist_files)
    train, test = load_split("mnist", tmp_path), load_split("mnist", tmp_path, "test")
    assert (len(train.images), len(test.images)) == (60_000, 10_000)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
