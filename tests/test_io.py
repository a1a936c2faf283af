import errno
import os

import numpy as np
import pytest

from jaxgan import _io


@pytest.mark.parametrize("path_type", [str, lambda path: path], ids=["str", "Path"])
def test_write_atomic_replaces_the_file_and_leaves_no_other(tmp_path, path_type):
    path = tmp_path / "new" / "file"
    _io.write_atomic(path_type(path), b"old")
    _io.write_atomic(path_type(path), b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def raise_disk_full(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_write_atomic_leaves_no_file_if_it_fails(tmp_path, monkeypatch):
    (tmp_path / "target").mkdir()
    with pytest.raises(IsADirectoryError, match=r"target'$"):
        _io.write_atomic(tmp_path / "target", b"content")
    monkeypatch.setattr(os, "fsync", raise_disk_full)
    with pytest.raises(OSError, match=r"No space left on device: '.*file'$"):
        _io.write_atomic(tmp_path / "file", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("path_type", [str, lambda path: path], ids=["str", "Path"])
def test_with_filename_names_the_file_in_an_oserror(tmp_path, path_type):
    path = tmp_path / "file"
    with (
        pytest.raises(OSError, match="No space left") as raised,
        _io.with_filename(path_type(path)),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(path)


def test_save_array_writes_an_npy_file(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    _io.save_array(str(tmp_path / "array.npy"), array)
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy"), array)


def test_save_arrays_writes_an_npz_file(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(2)}
    _io.save_arrays(tmp_path / "arrays.npz", arrays)
    with np.load(tmp_path / "arrays.npz") as loaded:
        assert loaded.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)


def test_write_json_writes_indented_lines(tmp_path):
    _io.write_json(tmp_path / "file", {"name": "é"})
    assert (tmp_path / "file").read_text() == '{\n  "name": "\\u00e9"\n}\n'
    _io.write_json(tmp_path / "file", {"name": "é"}, ensure_ascii=False)
    assert (tmp_path / "file").read_text() == '{\n  "name": "é"\n}\n'
