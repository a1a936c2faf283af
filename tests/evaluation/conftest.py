"""A classifier of scikit-learn's digits and their evaluator, shared by the tests of evaluation."""

import pytest

from jaxgan.data.image_datasets import load_split
from jaxgan.evaluation import load_or_train_classifier, make_evaluator


@pytest.fixture(scope="session")
def digits_data_dir(tmp_path_factory):
    """A data directory with a cached classifier, trained for a tenth of the usual steps."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxgan.data.sources.EPOCH_IMAGES", 3_600)
        load_or_train_classifier("digits", folder)
    return folder


@pytest.fixture(scope="session")
def digits_classifier(digits_data_dir):
    return load_or_train_classifier("digits", digits_data_dir)


@pytest.fixture(scope="session")
def digits_evaluator(digits_data_dir, digits_classifier):
    cache = digits_data_dir / "classifiers"
    return make_evaluator(digits_classifier, load_split("digits"), cache=cache)
