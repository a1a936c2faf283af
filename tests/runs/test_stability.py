import jax
import numpy as np
import pytest

from jaxgan import dynamics
from jaxgan.data.parabola import parabolas
from jaxgan.errors import ConfigError, DataError
from jaxgan.runs import stability

RULE = stability.UpdateRule("simultaneous", False, 0.1, None, 0.0, 0.9)


def found_at(*eigenvalues, residuals=None, rate=0.1):
    values = np.array(eigenvalues, complex)
    residuals = np.zeros(len(values)) if residuals is None else np.array(residuals)
    return stability.CheckpointStability(
        100, rate, dynamics.Spectrum(values, residuals), rotation=0.25, field_norm=2.0
    )


@pytest.mark.parametrize(
    ("eigenvalues", "expected"),
    [
        # |1 - 0.1 (0.1 ± 5i)| = 1.1090 = exp(1 / 9.7); a turn takes 2π / 0.5 = 12.6 steps.
        (
            (0.1 + 5j, 0.1 - 5j, 1.0),
            "circles and moves away: the pair 0.1 ± 5i turns once in about 13",
        ),
        ((1 + 2j, 1 - 2j), "circles towards an equilibrium: the pair 1 ± 2i turns once"),
        ((3.0, -0.5), "leaves a saddle: the eigenvalue -0.5 has a negative real part, and the"),
        ((3.0, 0.5), "converges: the slowest eigenvalue is 0.5, and the error along it shrinks"),
        ((25.0, 0.5), "The learning rate is too large: the eigenvalue 25 overshoots"),
    ],
)
def test_summarize_says_what_the_fastest_eigenvalue_does(eigenvalues, expected):
    text = stability.summarize([found_at(1.0), found_at(*eigenvalues)], RULE)
    assert expected in text
    assert "simultaneous updates, momentum 0, learning rate 0.1" in text
    assert ("grows e-fold in about 10 steps" in text) == ("moves away" in text)
    assert "The rotation fraction is 0.25; it was 0.25 at step 100." in text
    text = stability.summarize([found_at(*eigenvalues)], RULE)
    assert "The rotation fraction is 0.25. The norm" in text


@pytest.mark.parametrize(
    ("eigenvalues", "expected"),
    [
        ((4.0, 1.0), "learning rates below 0.5 would be stable"),
        ((4.0, -1.0), "no learning rate would be stable"),
    ],
)
def test_summarize_gives_the_stable_learning_rates(eigenvalues, expected):
    assert expected in stability.summarize([found_at(*eigenvalues)], RULE)


def test_summarize_ignores_eigenvalues_that_are_not_converged():
    assert "leaves" not in stability.summarize([found_at(3.0, -0.5, residuals=[0, 1])], RULE)
    text = stability.summarize([found_at(3.0, residuals=[1.0])], RULE)
    assert "no eigenvalue converged; use more --num-matvecs" in text


def config_of(update_order="simultaneous", **options):
    options = {"learning_rate": 1e-3, "b1": 0.5, "b2": 0.999, "decay_steps": None} | options
    return {"config": options, "train": {"options": {"update_order": update_order}}}


def test_read_update_rule_follows_the_configuration():
    rule = stability.read_update_rule(config_of("g_first", decay_steps=100))
    assert rule == stability.UpdateRule("simultaneous", True, 1e-3, 100, 0.5, 0.999)
    np.testing.assert_allclose(
        [rule.rate_at(1), rule.rate_at(51), rule.rate_at(200)], [1e-3, 5e-4, 0]
    )
    assert stability.read_update_rule(config_of("extragradient")).method == "extragradient"
    assert stability.read_update_rule(config_of(optimistic=True)).momentum == 0
    assert rule.neglected == ()
    with pytest.raises(ConfigError, match="records no learning rate"):
        stability.read_update_rule({"config": {}})


@pytest.mark.parametrize(
    ("update_order", "options", "description", "neglected"),
    [
        ("extragradient", {"b1": -0.5}, "extragradient updates", ("b1 -0.5",)),
        (
            "extragradient",
            {"b1": 0.0, "optimistic": True},
            "extragradient updates",
            ("optimistic",),
        ),
        ("d_first", {"optimistic": True}, "alternating optimistic updates", ("b1 0.5",)),
        ("simultaneous", {"optimistic": True, "b1": 0.0}, "optimistic updates", ()),
        (
            "simultaneous",
            {"d_learning_rate": 5e-4},
            "simultaneous updates, momentum 0.5",
            ("d_learning_rate 0.0005",),
        ),
    ],
)
def test_update_rule_names_what_it_neglects(update_order, options, description, neglected):
    rule = stability.read_update_rule(config_of(update_order, **options))
    assert rule.describe() == description
    assert rule.neglected == neglected
    text = stability.summarize([found_at(1.0)], rule)
    assert f"({description}, learning rate" in text
    assert ("Not accounted for: " + ", ".join(neglected) + "." in text) == bool(neglected)


def test_read_update_rule_neglects_further_updates_per_step():
    config = config_of("d_first")
    config["train"]["options"] |= {"d_steps": 5, "g_steps": 1}
    assert stability.read_update_rule(config).neglected == ("d_steps 5",)


def test_load_batch_mentions_the_directory_of_the_data(offline, tmp_path):
    config = {"data": {"name": "mnist", "shape": [28, 28, 1]}, "config": {"conditional": False}}
    with pytest.raises(DataError, match="give that directory with --data-dir"):
        stability.load_batch(config, tmp_path, 8, jax.random.key(0))


def test_load_batch_draws_samples_of_the_runs_data(offline, tmp_path):
    def load(**config):
        return stability.load_batch(config, tmp_path, 8, jax.random.key(0))

    real, condition = load(data={"name": "parabola"})
    assert condition is None
    lowest, highest = parabolas(np.array([1.0, 2.0]))
    assert (real >= lowest[None]).all()
    assert (real <= highest[None]).all()
    assert load(data={"name": "ring"})[0].shape == (8, 2)
    digits = {"name": "digits", "shape": [28, 28, 1]}
    real, condition = load(data=digits, config={"conditional": True})
    assert real.shape == (8, 28, 28, 1)
    assert condition.shape == (8,)
    assert load(data=digits, config={"conditional": False})[1] is None
    with pytest.raises(ConfigError, match="trained on stacked_mnist, expected parabolas"):
        load(data={"name": "stacked_mnist", "shape": [28, 28, 3]}, config={})
