"""The classifier that the scores see with, the judge, and the commands that use them, on the embedded digits."""

import json

import numpy as np
import pytest

from experiments import bad_samplers, evaluate, mnist_mlp
from experiments import classifier as classifier_command
from jaxgan.data.image_datasets import Images, load_split
from jaxgan.data.sources import from_pixels
from jaxgan.errors import ConfigError, DataError
from jaxgan.evaluation import classifier
from jaxgan.evaluation.evaluator import SCORES, make_evaluator
from jaxgan.metrics import classes, neighbors
from jaxgan.runs import loading
from jaxgan.training import metric_log
from jaxgan.training.rng import make_rng_streams

NUM = 898  # half of the digits, what a run on them takes


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Where a classifier of the digits is kept, trained for a tenth of the usual time."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxgan.data.sources.EPOCH_IMAGES", 3_600)
        classifier.load_or_train_classifier("digits", folder)
    return folder


@pytest.fixture(scope="module")
def seen(data_dir):
    return classifier.load_or_train_classifier("digits", data_dir)


@pytest.fixture(scope="module")
def judge(data_dir, seen):
    return make_evaluator(seen, load_split("digits"), cache=data_dir / "classifiers")


def test_the_classifier_has_learned_and_sees_the_same_once_kept(data_dir, seen):
    data = load_split("digits")
    assert seen.classes == 10
    assert seen.accuracy > 0.9
    outputs = seen.outputs(data.images[:501])
    assert outputs.features.shape == (501, 128)
    assert outputs.logits.shape == (501, 10)
    floats = seen.outputs(from_pixels(data.images[:501]))
    np.testing.assert_allclose(outputs.features, floats.features, rtol=1e-5, atol=1e-5)
    one = seen.outputs(data.images[500:501])
    np.testing.assert_allclose(one.logits[0], outputs.logits[500], rtol=1e-4, atol=1e-4)
    right = np.mean(np.argmax(seen.outputs(data.images).logits, axis=1) == data.labels)
    assert right > 0.9


def test_classifiers_that_cannot_be_had(data_dir, monkeypatch, tmp_path):
    images = np.zeros((12, 28, 28, 1), np.uint8)
    monkeypatch.setattr(
        classifier, "load_split", lambda name, *rest: Images(name, images, np.zeros(12, np.int32))
    )
    with pytest.raises(DataError, match="plain has no labels"):
        classifier.load_or_train_classifier("plain", tmp_path)
    damaged = tmp_path / "classifiers" / "digits.npz"
    damaged.parent.mkdir()
    damaged.write_bytes((data_dir / "classifiers" / "digits.npz").read_bytes()[:1000])
    with pytest.raises(DataError, match=r"digits\.npz is damaged .* remove it"):
        classifier.load_or_train_classifier("digits", tmp_path)


def test_a_set_without_a_test_split_lends_every_sixth_image():
    train, test = classifier.train_test_split("digits", classifier.Path())
    data = load_split("digits")
    assert len(test.images) == 300
    np.testing.assert_array_equal(test.images, data.images[::6])
    assert len(train.images) + len(test.images) == len(data.images)


def test_the_command_trains_once(command, data_dir):
    status, said, _ = command(
        classifier_command.main, "--dataset", "digits", "--data-dir", data_dir
    )
    assert status == 0
    assert "% of the test images right, of 10 classes" in said
    assert "Training" not in said


def test_perfect_samples_score_as_theory_says(judge):
    mean = {name: np.mean(values) for name, values in judge.real_baseline.items()}
    error = {
        name: np.std(values, ddof=1) / len(values) ** 0.5
        for name, values in judge.real_baseline.items()
    }
    assert set(mean) == set(SCORES)
    assert abs(mean["kernel"]) < 4 * error["kernel"]
    assert (
        abs(mean["coverage"] - neighbors.expected_coverage(NUM, NUM, 5))
        < 5 * error["coverage"] + 0.005
    )
    assert abs(mean["density"] - 1) < 5 * error["density"] + 0.02
    assert abs(mean["precision"] - mean["recall"]) < 0.05
    assert abs(mean["copies"] - 0.01) < 0.01
    assert mean["modes"] == 10
    assert (
        abs(mean["divergence"] - classes.expected_kl(10, NUM, 899))
        < 5 * error["divergence"] + 0.004
    )


def test_each_bad_sampler_is_caught_by_the_scores_that_should(judge):
    data = load_split("digits")
    found = {name: judge.scores(make(data, judge)) for name, make in bad_samplers.SAMPLERS.items()}
    assert set(found) == set(bad_samplers.CATCHES)
    for sampler, names in bad_samplers.CATCHES.items():
        for name in names:
            worst = {"higher": np.min, "lower": np.max, None: np.min}[SCORES[name].better](
                judge.real_baseline[name]
            )
            worse = (
                found[sampler][name] > worst
                if SCORES[name].better == "lower"
                else found[sampler][name] < worst
            )
            assert worse, (
                f"{sampler} has {name} {found[sampler][name]}, perfect samples {judge.real_baseline[name]}"
            )
    assert found["collapsed"]["modes"] == 1
    assert found["memorising"]["copies"] == 1
    assert found["without a class"]["modes"] == 9
    lines = bad_samplers.table(found, judge).splitlines()
    assert len(lines) == 2 + len(SCORES)


def test_perfect_scores_are_kept_and_read_back(judge, seen, data_dir, monkeypatch):
    (path,) = (data_dir / "classifiers").glob(f"digits-*-{NUM}.json")
    assert json.loads(path.read_text()) == judge.real_baseline
    monkeypatch.setattr(
        "jaxgan.evaluation.evaluator.NUM_BASELINE_DRAWS", 0
    )  # whoever computed them now would have none
    assert (
        make_evaluator(seen, load_split("digits"), NUM, cache=path.parent).perfect
        == judge.real_baseline
    )


@pytest.mark.parametrize("num", [99, 899])
def test_numbers_of_samples_out_of_range_are_refused(seen, num):
    with pytest.raises(
        ConfigError, match=f"num is {num}, expected 100 to 898, half of digits's images"
    ):
        make_evaluator(seen, load_split("digits"), num)


def test_a_run_is_evaluated_while_it_trains_and_afterwards(command, data_dir, tmp_path, offline):
    workdir = tmp_path / "run"
    where = ("--data-dir", data_dir)
    settings = ("--dataset", "digits", "--workdir", workdir, "--steps", 2, "--evaluate-every", 1)
    status, said, complaint = command(mnist_mlp.main, *settings, *where)
    assert status == 0, complaint
    (line,) = (workdir / "scores.jsonl").read_text().splitlines()
    assert list(json.loads(line)) == [
        "step",
        *SCORES,
    ]  # the first decides which checkpoint is the best
    assert f"frechet {json.loads(line)['frechet']:.2f}" in said
    assert (workdir / "scores.png").stat().st_size > 10_000

    options = ("--draws", 2, "--nearest", "--best")
    status, said, complaint = command(evaluate.main, workdir, *options, *where)
    assert status == 0, complaint
    kept = json.loads((workdir / "evaluation.json").read_text())
    assert kept["step"] == 2
    assert [len(values) for values in kept["generators"]["generator"].values()] == [2] * len(SCORES)
    assert kept["generators"]["generator"]["frechet"][0] > 10 * np.mean(kept["perfect"]["frechet"])
    assert all(measure.label in said for measure in SCORES.values())
    assert (workdir / "nearest.png").stat().st_size > 5_000


def test_a_population_is_evaluated_on_average_and_member_by_member(
    command, data_dir, judge, tmp_path, offline
):
    settings = (
        "--dataset",
        "digits",
        "--workdir",
        tmp_path,
        "--steps",
        2,
        "--evaluate-every",
        1,
        "--seeds",
        2,
    )
    status, _, complaint = command(mnist_mlp.main, *settings, "--data-dir", data_dir)
    assert status == 0, complaint
    found = []
    for member in range(2):
        run = loading.load_run(tmp_path, member=member)
        found.append(
            judge.scores(run.gan.sample(run.state, make_rng_streams(member).score, judge.num))[
                "frechet"
            ]
        )
    assert found[0] != found[1]
    (kept,) = metric_log.read_columns(tmp_path / "scores.jsonl")["frechet"]
    np.testing.assert_allclose(kept, np.mean(found), rtol=1e-4)
    status, _, complaint = command(evaluate.main, tmp_path, "--member", 2, "--data-dir", data_dir)
    assert status == 1
    assert "has members 0 to 1, there is no member 2" in complaint


def test_what_cannot_be_evaluated(command, data_dir, tmp_path):
    status, _, complaint = command(evaluate.main, tmp_path)
    assert (status, "holds no run" in complaint) == (1, True)
    status, _, complaint = command(evaluate.main, tmp_path, "--best", "--step", 3)
    assert status == 2
    assert "best and step 3 are both given" in complaint
