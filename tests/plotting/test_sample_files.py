"""Files that a run keeps for each step it draws."""

import pytest

from jaxgan.errors import DataError
from jaxgan.plotting import sample_files


def test_saved_files_are_sorted_as_numbers(tmp_path):
    for step in (999_999, 1_000_000, 5):
        (tmp_path / f"{step:06}.npy").touch()
    names = [path.stem for path in sample_files.saved_files(str(tmp_path), ".npy")]
    assert names == ["000005", "999999", "1000000"]


def test_saved_files_ignores_folders_and_other_names(tmp_path):
    for name in ("000001.npy", "000002.png", "notes.npy", "-1.npy"):
        (tmp_path / name).touch()
    (tmp_path / "000003.npy").mkdir()
    assert [path.name for path in sample_files.saved_files(tmp_path, ".npy")] == ["000001.npy"]
    assert sample_files.saved_files(tmp_path / "missing", ".npy") == []


@pytest.mark.parametrize(
    ("num", "expected"),
    [(1, [0]), (6, [0, 1, 2, 3, 4, 5]), (11, [0, 2, 4, 6, 8, 10]), (101, [0, 20, 40, 60, 80, 100])],
)
def test_evenly_spaced_includes_the_first_and_the_last(num, expected):
    assert sample_files.evenly_spaced(list(range(num)), 6) == expected


def test_make_loader_replaces_unreadable_items_by_readable_ones():
    loads, messages = [], []

    def load(path, shape):
        loads.append(path)
        if path % 2 == 0:
            raise DataError(f"{path} is even")
        return path * shape

    load_evenly_spaced = sample_files.make_loader(load, messages.append)
    assert load_evenly_spaced(range(20), 4, 10) == [(1, 10), (7, 70), (13, 130), (19, 190)]
    assert len(loads) == len(set(loads))  # nothing is read twice
    assert len(messages) == 1
    assert load_evenly_spaced(range(1, 20, 2), 4, 10)[0] == (1, 10)
    assert len(messages) == 1
