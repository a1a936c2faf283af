"""The commands that compare objectives and presets: what they refuse, and what they write."""

import json
import sys

import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import compare, presets, shared
from jaxgan.data.splits import Images
from jaxgan.evaluation import SCORES, Evaluator
from jaxgan.plotting import figures
from jaxgan.training import metric_log

REAL_BASELINE = {name: [1.0, 2.0, 3.0] for name in SCORES}


def load_fake_evaluator(*arguments, **options):
    return Evaluator(
        description="brightness",
        num_samples=100,
        compute_scores=lambda samples: {name: float(np.mean(samples)) for name in SCORES},
        real_baseline=REAL_BASELINE,
        reference_images=np.zeros((1, 28, 28, 1), np.uint8),
        record={},
        find_nearest=lambda samples: np.zeros(1),
        class_evaluator=None,
    )


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (
            compare,
            ("--objectives", "hinges"),
            "objective 'hinges' is unknown, expected one of minimax, ",
        ),
        (compare, ("--num-seeds", 0), "num_seeds is 0, expected at least 1"),
        (presets, ("--num-seeds", 0), "num_seeds is 0, expected at least 1"),
        (presets, ("--system", "parabola"), "system is 'parabola', expected an experiment on im"),
        (presets, ("--system", "nothing"), "system is 'nothing', expected an experiment on im"),
        (
            presets,
            ("--presets", "tuned", "best"),
            "preset is 'best', expected one of faithful, tuned",
        ),
    ],
)
def test_comparison_with_invalid_options_is_refused(command, tmp_path, module, options, message):
    status, _, error = command(module.main, "--workdir", tmp_path / "c", *options)
    assert status == 2
    assert message in " ".join(error.replace("│", " ").split())
    assert not (tmp_path / "c").exists()


def test_compare_refuses_a_directory_with_another_protocol(command, tmp_path):
    (tmp_path / "protocol.json").write_text('{"dataset": "mnist"}')
    status, _, error = command(compare.main, "--workdir", tmp_path)
    assert status == 1
    assert (
        "contains a comparison with other values of num_seeds, steps, batch_size, seed, text; "
        "use another --workdir" in " ".join(error.split())
    )


def test_compare_refuses_unsuitable_data_before_it_trains_a_classifier(
    command, tmp_path, monkeypatch
):
    monkeypatch.delattr(compare, "load_evaluator")
    options = ("--dataset", "digits", "--workdir", tmp_path, "--batch-size", 2_000)
    status, _, error = command(compare.main, *options)
    assert status == 1
    assert "batch_size is 2000, expected 1 to 1797" in error
    wide = Images("wide", np.zeros((300, 32, 32, 3), np.uint8), np.zeros(300, np.int32))
    monkeypatch.setattr(compare, "load_split", lambda *arguments: wide)
    status, _, error = command(compare.main, *options)
    assert status == 1
    assert "data set wide does not fit: the generator makes [28, 28, 1]" in error


def test_compare_accepts_a_directory_with_the_same_protocol(tmp_path):
    config = compare.Config(workdir=tmp_path, dataset="digits")
    for _ in range(2):
        shared.write_protocol(tmp_path, compare.make_protocol(config))
    assert json.loads((tmp_path / "protocol.json").read_text())["dataset"] == "digits"


@pytest.mark.parametrize("name", compare.OBJECTIVES)
def test_build_makes_a_gan_of_every_objective(name):
    assert compare.build(compare.OBJECTIVES[name]).prior is not None


def test_write_report_ranks_objectives_and_shows_their_best_and_worst_seeds(tmp_path):
    config = compare.Config(
        workdir=tmp_path, dataset="digits", num_seeds=2, steps=10, objectives=("hinge", "minimax")
    )
    scores = {}
    for name, distances in (("hinge", [5.0, 3.0]), ("minimax", [1.5, 2.5])):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "samples.npy", np.full((2, 16, 28, 28, 1), 200, np.uint8))
        scores[name] = {score: [0.5, 0.5] for score in SCORES} | {"frechet_distance": distances}
    compare.write_report(scores, config, load_fake_evaluator())
    page = (tmp_path / "README.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == ["| minimax", "| hinge", "| real images"]
    assert [row[1] for row in rows[2:]] == ["2.00 ± 0.50", "4.00 ± 1.00", "2.00 ± 0.58"]
    assert "from 2 seeds on 1,280 real images per seed" in page
    assert all((tmp_path / name).stat().st_size > 2_000 for name in ("frechet.png", "samples.png"))


def test_compare_trains_scores_and_reads_back_what_it_has(command, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "load_evaluator", load_fake_evaluator)
    options = ("--dataset", "digits", "--objectives", "hinge", "--steps", 2, "--num-seeds", 2)
    status, _, error = command(compare.main, *options, "--workdir", tmp_path)
    assert status == 0, error
    scores = json.loads((tmp_path / "hinge" / "scores.json").read_text())
    assert list(scores) == list(SCORES)
    assert len(set(scores["recall"])) == 2
    samples = np.load(tmp_path / "hinge" / "samples.npy")
    assert samples.shape == (2, compare.NUM_SHOWN, 28, 28, 1)
    page = (tmp_path / "README.md").read_text()

    monkeypatch.delattr(shared, "train")  # a second run only reads
    status, _, error = command(compare.main, *options, "--workdir", tmp_path)
    assert status == 0, error
    assert (tmp_path / "README.md").read_text() == page


def test_compare_that_is_interrupted_scores_nothing_and_says_how_to_resume(
    command, tmp_path, monkeypatch
):
    def train(gan, source, workdir, options, callbacks):
        return None, options.steps - 1

    monkeypatch.setattr(compare, "load_evaluator", load_fake_evaluator)
    monkeypatch.setattr(shared, "train", train)
    options = ("--dataset", "digits", "--objectives", "hinge", "--steps", 20, "--workdir", tmp_path)
    status, output, _ = command(compare.main, *options)
    assert status == 130
    assert "hinge stopped at step 19 of 20. Run the same command to resume." in output
    assert not (tmp_path / "hinge" / "scores.json").exists()


def write_fake_run(preset, seed, workdir, config):
    workdir.mkdir(parents=True)
    level = {"faithful": 20.0, "tuned": 10.0}[preset] + seed
    rows = [{"step": step} | {name: level - step for name in SCORES} for step in (2, 4)]
    metric_log.append_rows(workdir / "scores.jsonl", rows)
    metric_log.append_rows(workdir / "timing.jsonl", [{"step": 4, "seconds": 120.0}])
    for step in (9, 10):
        images = np.full((1, 28, 28, 1), 10 * step, np.uint8)
        figures.save_image_grid(workdir / "samples" / f"{step}.png", images, "caption", columns=1)


def test_presets_tabulates_the_reported_steps_and_draws_the_last_samples(
    command, tmp_path, monkeypatch
):
    monkeypatch.setattr(presets, "train_run", write_fake_run)
    monkeypatch.setattr(presets, "load_evaluator", load_fake_evaluator)
    options = ("--dataset", "digits", "--num-seeds", 3, "--report-steps", 2, 4)
    status, output, error = command(presets.main, *options, "--workdir", tmp_path / "p")
    assert status == 0, error
    rows = [line.split(" | ") for line in output.splitlines() if line.startswith("| ")][2:]
    assert [row[:2] for row in rows[:-1]] == [
        [f"| {name}", step] for name in ("faithful", "tuned") for step in "24"
    ]
    assert rows[-1][0] == "| real images"
    assert [row[3] for row in rows] == [
        "19.00 ± 0.58",
        "17.00 ± 0.58",
        "9.00 ± 0.58",
        "7.00 ± 0.58",
        "2.00 ± 0.58",
    ]
    assert (tmp_path / "p" / "mnist_mlp.png").stat().st_size > 5_000
    samples = mpimg.imread(tmp_path / "p" / "mnist_mlp_samples.png")
    assert np.any(np.isclose(samples[-10, :, 0], 100 / 255))  # step 10 follows 9, not 1


def test_presets_of_a_system_that_fails_are_not_tabulated(command, tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "load_evaluator", load_fake_evaluator)
    monkeypatch.setattr(sys, "executable", "false")
    options = ("--system", "mnist_cnn", "--dataset", "digits", "--workdir", tmp_path / "p")
    status, _, error = command(presets.main, *options)
    assert status == 1
    assert "mnist_cnn exited with status 1; fix the problem" in " ".join(error.split())
