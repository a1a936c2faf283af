"""The evaluator: its scores, the real baseline, and what it refuses; on scikit-learn's digits."""

import json

import numpy as np
import pytest

from experiments import bad_samplers
from jaxgan.data.image_datasets import load_split
from jaxgan.data.splits import Images
from jaxgan.errors import ConfigError, DataError
from jaxgan.evaluation import SCORES, load_or_train_classifier, make_evaluator
from jaxgan.metrics import classes, fidelity_diversity

NUM_SAMPLES = 898  # half of the digits, the default for them


def test_real_baseline_agrees_with_theory(digits_evaluator):
    baseline = digits_evaluator.real_baseline
    mean = {name: np.mean(values) for name, values in baseline.items()}
    error = {name: np.std(values, ddof=1) / len(values) ** 0.5 for name, values in baseline.items()}
    assert list(baseline) == list(SCORES)
    assert abs(mean["kernel_distance"]) < 4 * error["kernel_distance"]
    coverage = fidelity_diversity.expected_coverage(NUM_SAMPLES, NUM_SAMPLES, 5)
    assert abs(mean["coverage"] - coverage) < 5 * error["coverage"] + 0.005
    assert abs(mean["density"] - 1) < 5 * error["density"] + 0.02
    assert abs(mean["precision"] - mean["recall"]) < 0.05
    assert abs(mean["copy_rate"] - 0.01) < 0.01
    assert mean["modes_found"] == 10
    kl = classes.expected_kl(10, NUM_SAMPLES, 899)
    assert abs(mean["kl_divergence"] - kl) < 5 * error["kl_divergence"] + 0.004


def test_scores_detect_each_bad_sampler(digits_evaluator):
    data = load_split("digits")
    scores = {
        name: digits_evaluator.compute_scores(sample_fn(data, digits_evaluator))
        for name, sample_fn in bad_samplers.SAMPLERS.items()
    }
    assert set(scores) == set(bad_samplers.DETECTED_BY)
    for sampler, names in bad_samplers.DETECTED_BY.items():
        for name in names:
            score, baseline = scores[sampler][name], digits_evaluator.real_baseline[name]
            lower_is_better = SCORES[name].better == "lower"
            is_worse = score > max(baseline) if lower_is_better else score < min(baseline)
            assert is_worse, f"{sampler} has {name} {score}, real images {baseline}"
    assert scores["collapsed"]["modes_found"] == 1
    assert scores["memorizing"]["copy_rate"] == 1
    assert scores["missing class"]["modes_found"] == 9
    assert len(bad_samplers.format_table(scores, digits_evaluator).splitlines()) == 2 + len(SCORES)


def test_find_nearest_returns_the_image_itself(digits_evaluator):
    images = digits_evaluator.reference_images
    assert images.shape == (899, 28, 28, 1)
    np.testing.assert_array_equal(digits_evaluator.find_nearest(images[5:8]), [5, 6, 7])


def test_real_baseline_is_cached(digits_evaluator, digits_classifier, digits_data_dir, monkeypatch):
    (path,) = (digits_data_dir / "classifiers").glob(f"digits-*-{NUM_SAMPLES}.json")
    assert json.loads(path.read_text()) == digits_evaluator.real_baseline
    # Without the cache the baseline would now be empty.
    monkeypatch.setattr("jaxgan.evaluation.evaluator.NUM_BASELINE_DRAWS", 0)
    again = make_evaluator(
        digits_classifier, load_split("digits"), NUM_SAMPLES, cache=digits_data_dir / "classifiers"
    )
    assert again.real_baseline == digits_evaluator.real_baseline


@pytest.mark.parametrize("content", ["", "[]", '{"frechet": [1.0]}'])
def test_real_baseline_replaces_an_unusable_cache_file(
    digits_classifier, tmp_path, monkeypatch, content
):
    monkeypatch.setattr("jaxgan.evaluation.evaluator.NUM_BASELINE_DRAWS", 0)
    for _ in range(2):
        evaluator = make_evaluator(digits_classifier, load_split("digits"), 100, cache=tmp_path)
        assert evaluator.real_baseline == {name: [] for name in SCORES}
        (path,) = tmp_path.glob("*.json")
        assert json.loads(path.read_text()) == evaluator.real_baseline
        path.write_text(content)


@pytest.mark.stress
def test_real_baseline_of_new_data_under_an_old_name_is_a_new_one(
    digits_classifier, tmp_path, monkeypatch
):
    monkeypatch.setattr("jaxgan.evaluation.evaluator.NUM_BASELINE_DRAWS", 1)
    digits = load_split("digits")
    baselines = [
        make_evaluator(
            digits_classifier,
            Images("same_name", digits.images[rows], digits.labels[rows]),
            100,
            cache=tmp_path,
        ).real_baseline
        for rows in (slice(0, 200), slice(200, 400))
    ]
    assert baselines[0]["frechet_distance"] != baselines[1]["frechet_distance"]
    assert len(list(tmp_path.glob(f"same_name-*-{digits_classifier.checksum}-100.json"))) == 2


@pytest.mark.parametrize("num_samples", [99, 899])
def test_make_evaluator_refuses_num_samples_out_of_range(digits_classifier, num_samples):
    message = (
        rf"num_samples is {num_samples}, expected 100 to 898 \(half of the 1,797 images of digits\)"
    )
    with pytest.raises(ConfigError, match=message):
        make_evaluator(digits_classifier, load_split("digits"), num_samples)


def test_make_evaluator_refuses_as_many_classes_as_samples(digits_classifier):
    many_classes = digits_classifier._replace(num_classes=100)
    with pytest.raises(ConfigError, match="num_samples is 100, expected more than 100, the number"):
        make_evaluator(many_classes, load_split("digits"), 100)


def test_make_evaluator_refuses_small_data_sets(digits_classifier):
    digits = load_split("digits")
    small = Images("small150", digits.images[:150], digits.labels[:150])
    with pytest.raises(DataError, match="small150 has 150 images; evaluation needs at least 200"):
        make_evaluator(digits_classifier, small)


@pytest.mark.stress
def test_scores_of_identical_images_are_finite(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxgan.data.sources.EPOCH_IMAGES", 1)
    images = np.full((200, 28, 28, 1), 7, np.uint8)
    data = Images("constant", images, np.arange(200, dtype=np.int32) % 2)
    evaluator = make_evaluator(load_or_train_classifier("constant", tmp_path, data=data), data)
    assert np.all(np.isfinite(list(evaluator.real_baseline.values())))
    for samples in (np.zeros, np.ones):
        scores = evaluator.compute_scores(samples((100, 28, 28, 1), np.float32))
        assert np.all(np.isfinite(list(scores.values()))), scores


def test_kl_divergence_of_a_class_that_the_reference_lacks_is_finite(digits_classifier):
    data = load_split("digits")
    rows = np.flatnonzero(data.labels < 5)[:200]
    five_classes = Images("five_classes", data.images[rows], data.labels[rows])
    evaluator = make_evaluator(digits_classifier, five_classes, 100)
    others = bad_samplers.to_floats(data.images[data.labels >= 5][:100])
    assert 1 < evaluator.compute_scores(others)["kl_divergence"] < np.inf
