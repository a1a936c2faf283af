"""The names that `jaxgan.metrics` exports."""

import importlib
import inspect
import pkgutil

import pytest

from jaxgan import metrics

MODULES = [module.name for module in pkgutil.iter_modules(metrics.__path__)]


def test_metrics_all_names_exist_once():
    assert len(metrics.__all__) == len(set(metrics.__all__))
    assert all(hasattr(metrics, name) for name in metrics.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_metrics_modules_are_attributes(name):
    """Including `ssim`, which the function of that name must not replace."""
    assert inspect.ismodule(getattr(metrics, name))


@pytest.mark.parametrize("name", MODULES)
def test_metrics_export_every_result_type(name):
    module = importlib.import_module(f"jaxgan.metrics.{name}")
    for attribute, value in vars(module).items():
        if hasattr(value, "_fields") and value.__module__ == module.__name__:
            assert getattr(metrics, attribute) is value
            assert attribute in metrics.__all__
