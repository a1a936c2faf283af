import pytest

from jaxgan import training
from jaxgan._lazy import make_lazy_getattr


@pytest.mark.parametrize("name", training.__all__)
def test_training_exports_are_the_objects_of_their_modules(name):
    value = getattr(training, name)
    assert value.__name__ == name
    assert value.__module__.startswith("jaxgan.training.")


def test_training_refuses_an_unknown_name():
    with pytest.raises(AttributeError, match=r"module 'jaxgan\.training' has no attribute 'tain'"):
        _ = training.tain


def test_make_lazy_getattr_imports_a_name_on_first_use():
    lazy_getattr = make_lazy_getattr("package", {"sqrt": "math", "missing": "no_such_module"})
    assert lazy_getattr("sqrt")(4.0) == 2.0
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        lazy_getattr("missing")
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'cos'"):
        lazy_getattr("cos")
