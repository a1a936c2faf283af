"""The commands that evaluate a run and train the classifier, and evaluation during training."""

import json

import numpy as np
import pytest

from experiments import mnist_mlp
from jaxgan import cli
from jaxgan.evaluation import SCORES
from jaxgan.runs.loading import load_run
from jaxgan.training import metric_log
from jaxgan.training.rng import make_rng_streams


@pytest.fixture
def digits_options(digits_data_dir):
    return ("--dataset", "digits", "--data-dir", digits_data_dir)


def test_classifier_command_reads_the_cached_classifier(command, digits_options):
    status, output, _ = command(cli.main, "classifier", *digits_options)
    assert status == 0
    assert "The classifier of digits has 10 classes and classifies" in output
    assert "Training" not in output


def test_evaluation_during_training_and_afterwards(
    command, digits_data_dir, digits_options, tmp_path, offline
):
    workdir = tmp_path / "run"
    options = (*digits_options, "--workdir", workdir, "--steps", 2, "--evaluate-every", 1)
    status, output, error = command(mnist_mlp.main, *options)
    assert status == 0, error
    (row,) = (workdir / "scores.jsonl").read_text().splitlines()
    # The first score decides which checkpoint is the best.
    assert list(json.loads(row)) == ["step", *SCORES]
    assert f"frechet_distance {json.loads(row)['frechet_distance']:.2f}" in output
    assert (workdir / "scores.png").stat().st_size > 10_000

    options = ("--draws", 2, "--best", "--data-dir", digits_data_dir)
    status, output, error = command(cli.main, "evaluate", workdir, *options)
    assert status == 0, error
    record = json.loads((workdir / "evaluation.json").read_text())
    assert record["step"] == 2
    scores = record["generators"]["generator"]
    assert [len(values) for values in scores.values()] == [2] * len(SCORES)
    baseline = np.mean(record["real_baseline"]["frechet_distance"])
    assert scores["frechet_distance"][0] > 10 * baseline
    assert all(spec.label in output for spec in SCORES.values())
    assert (workdir / "nearest.png").stat().st_size > 5_000
    assert np.load(workdir / "nearest.npy").shape == (2, 32, 28, 28, 1)


@pytest.mark.stress
def test_evaluation_of_a_population_is_the_mean_over_its_members(
    command, digits_data_dir, digits_options, digits_evaluator, tmp_path, offline
):
    options = ("--workdir", tmp_path, "--steps", 2, "--evaluate-every", 1, "--num-seeds", 2)
    status, _, error = command(mnist_mlp.main, *digits_options, *options)
    assert status == 0, error
    distances = []
    for member in range(2):
        run = load_run(tmp_path, member=member)
        key = make_rng_streams(member).eval
        samples = run.gan.sample(run.state, key, digits_evaluator.num_samples)
        distances.append(digits_evaluator.compute_scores(samples)["frechet_distance"])
    assert distances[0] != distances[1]
    (logged,) = metric_log.read_columns(tmp_path / "scores.jsonl")["frechet_distance"]
    np.testing.assert_allclose(logged, np.mean(distances), rtol=1e-4)
    options = ("--member", 2, "--data-dir", digits_data_dir)
    status, _, error = command(cli.main, "evaluate", tmp_path, *options)
    assert status == 1
    assert "has members 0 to 1, not 2" in " ".join(error.split())


def test_evaluate_refuses_what_it_cannot_evaluate(command, tmp_path):
    status, _, error = command(cli.main, "evaluate", tmp_path)
    assert status == 1
    assert "contains no run" in error
    status, _, error = command(cli.main, "evaluate", tmp_path, "--best", "--step", 3)
    assert status == 2
    assert "--best and --step 3 are both given" in " ".join(error.replace("│", " ").split())
