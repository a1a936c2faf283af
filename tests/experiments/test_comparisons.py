"""The commands that compare: what they refuse, and what they make of results."""

import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import compare, presets
from jaxgan.evaluation.evaluator import SCORES, Evaluator
from jaxgan.plotting import figures
from jaxgan.training import metric_log

PERFECT = {name: [1.0, 2.0, 3.0] for name in SCORES}


def judge(*arguments):
    return Evaluator(
        100,
        lambda samples: {},
        PERFECT,
        np.zeros((1, 28, 28, 1), np.uint8),
        lambda samples: np.zeros(1),
    )


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (compare, ("--losses", "hinges"), "there is no objective 'hinges', only minimax, "),
        (compare, ("--seeds", 0), "seeds is 0, expected at least 1"),
        (presets, ("--seeds", 0), "seeds is 0, expected at least 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(command, tmp_path, module, options, message):
    status, _, complaint = command(module.main, "--workdir", tmp_path / "c", *options)
    assert status == 2
    assert message in " ".join(complaint.replace("│", " ").split())
    assert not (tmp_path / "c").exists()


def test_another_protocol_in_the_folder_is_refused(command, tmp_path):
    (tmp_path / "protocol.json").write_text('{"dataset": "mnist"}')
    status, _, complaint = command(compare.main, "--workdir", tmp_path)
    assert status == 1
    assert (
        "has a comparison with other settings of seeds, steps, batch_size, seed, text; take another"
        in complaint
    )


def test_every_objective_makes_a_gan():
    for objective in compare.OBJECTIVES.values():
        assert compare.build(objective).prior is not None


def test_objectives_are_ranked_and_shown_with_their_best_and_worst_seeds(tmp_path):
    config = compare.Config(
        workdir=tmp_path, dataset="digits", seeds=2, steps=10, losses=("hinge", "minimax")
    )
    found = {}
    for name, distances in (("hinge", [5.0, 3.0]), ("minimax", [1.5, 2.5])):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "samples.npy", np.full((2, 16, 28, 28, 1), 200, np.uint8))
        found[name] = {measure: [0.5, 0.5] for measure in SCORES} | {"frechet": distances}
    compare.report(found, config, judge())
    rows = [
        line.split(" | ")
        for line in (tmp_path / "README.md").read_text().splitlines()
        if line.startswith("| ")
    ]
    assert [row[0] for row in rows[2:]] == ["| minimax", "| hinge", "| perfect samples"]
    assert [row[1] for row in rows[2:]] == ["2.00 ± 0.50", "4.00 ± 1.00", "2.00 ± 0.58"]
    assert all((tmp_path / name).stat().st_size > 2_000 for name in ("frechet.png", "samples.png"))


def test_an_interrupted_comparison_is_not_judged_and_says_that_it_goes_on(
    command, tmp_path, monkeypatch
):
    monkeypatch.setattr(compare, "load_evaluator", judge)
    monkeypatch.setattr(compare, "train", lambda *arguments, steps, **options: (None, steps - 1))
    options = ("--dataset", "digits", "--losses", "hinge", "--steps", 20, "--workdir", tmp_path)
    status, said, _ = command(compare.main, *options)
    assert status == 130
    assert "Stopped at step 19 of 20 of hinge; the same command goes on." in said
    assert not (tmp_path / "hinge" / "scores.json").exists()


def test_presets_are_run_by_their_own_command_and_tabled(command, tmp_path, monkeypatch):
    def run(preset, seed, folder, config):
        folder.mkdir(parents=True)
        level = {"faithful": 20.0, "tuned": 10.0}[preset] + seed
        lines = [{"step": step} | {name: level - step for name in SCORES} for step in (2, 4)]
        metric_log.append_rows(folder / "scores.jsonl", lines)
        metric_log.append_rows(folder / "timing.jsonl", [{"step": 4, "seconds": 120.0}])
        for step in (9, 10):
            shade = np.full((1, 28, 28, 1), 10 * step, np.uint8)
            figures.save_grid(folder / "samples" / f"{step}.png", shade, "caption", columns=1)

    monkeypatch.setattr(presets, "run", run)
    monkeypatch.setattr(presets, "load_evaluator", judge)
    options = ("--dataset", "digits", "--seeds", 3, "--at", 2, 4, "--workdir", tmp_path / "p")
    status, said, complaint = command(presets.main, *options)
    assert status == 0, complaint
    rows = [line.split(" | ") for line in said.splitlines() if line.startswith("| ")][2:]
    assert [row[:2] for row in rows[:-1]] == [
        [f"| {name}", step] for name in ("faithful", "tuned") for step in "24"
    ]
    assert [row[3] for row in rows] == [
        "19.00 ± 0.58",
        "17.00 ± 0.58",
        "9.00 ± 0.58",
        "7.00 ± 0.58",
        "2.00 ± 0.58",
    ]
    assert (tmp_path / "p" / "mnist_mlp.png").stat().st_size > 5_000
    samples = mpimg.imread(tmp_path / "p" / "mnist_mlp_samples.png")
    assert np.any(np.isclose(samples[-10, :, 0], 100 / 255))  # of the last step, as a number


def test_presets_of_a_system_that_fails_are_not_tabled(command, tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "load_evaluator", judge)
    options = ("--system", "nothing", "--dataset", "digits", "--workdir", tmp_path / "p")
    status, _, complaint = command(presets.main, *options)
    assert status == 1
    assert "nothing ended with status 1" in complaint
