"""The table of rules, on small GANs that fail in one way each."""

import numpy as np
import pytest

from jaxgan.diagnostics import MIN_STEPS, RULES, diagnose, is_conclusive, summarize
from jaxgan.diagnostics.curves import NUM_WINDOWS
from jaxgan.diagnostics.thresholds import D_MARGIN_AHEAD, D_MARGIN_CERTAIN
from jaxgan.errors import DataError, TrainingError
from tests.helpers.histories import (
    RECORDED,
    finding_names,
    load_history,
    read_history,
    reduce_rows,
    until,
)

EXPECTED = {
    "D hardly learns": ["discriminator too weak"],
    "D hardly learns, G has one unit": ["generator degenerate"],
    "D does not learn": ["generator winning"],
    "D learns 200 times faster": ["discriminator winning"],
    "D is certain, the loss saturates": ["vanishing gradient"],
    "the critic saturates": ["vanishing gradient"],
    "the critic is unconstrained": ["critic running away"],
    "D is dead": ["discriminator at chance"],
    "the critic is dead": ["discriminator at chance"],
    "D is blind": ["discriminator at chance", "mode collapse"],
    "D ends in a sigmoid": ["discriminator ends in a sigmoid"],
    "G does not learn": ["discriminator winning", "standstill"],
    "G takes ten steps": ["discriminator at chance", "mode collapse"],
}
# Failures that are trained in the suite; all of them with --full.
QUICK = (
    "D does not learn",
    "the critic saturates",
    "the critic is unconstrained",
    "the critic is dead",
    "D ends in a sigmoid",
    "G does not learn",
)
PARAMETERS = [f if f in QUICK else pytest.param(f, marks=pytest.mark.stress) for f in EXPECTED]


@pytest.fixture
def healthy():
    return load_history(RECORDED[0].with_name("mlp_digits_0.npz"))


def test_rules_only_yield_to_earlier_rules():
    for i, rule in enumerate(RULES):
        assert set(rule.unless) <= {earlier.name for earlier in RULES[:i]}, rule.name


def test_rules_are_all_exercised():
    assert {rule.name for rule in RULES} == {name for names in EXPECTED.values() for name in names}


@pytest.mark.parametrize("failure", PARAMETERS)
def test_diagnose_names_the_failure(failed, failure):
    metrics, probes = failed(failure)
    assert finding_names(metrics, probes) == EXPECTED[failure]
    assert finding_names(reduce_rows(metrics, 100), probes) == EXPECTED[failure]
    last = metrics["step"][-1]
    for finding in diagnose(metrics, probes):
        assert f"over steps {int(last * 0.8) + 1:,} to {last:,}" in finding.evidence
        assert finding.meaning
        assert finding.advice


@pytest.mark.parametrize("failure", PARAMETERS)
def test_diagnose_finds_nothing_in_a_short_history(failed, failure):
    metrics, probes = until(failed(failure), MIN_STEPS - 1)
    assert not is_conclusive(metrics)
    assert finding_names(metrics, probes) == []


def test_is_conclusive_needs_enough_steps_and_rows():
    def history(steps, rows):
        return {"step": np.linspace(1, steps, rows).astype(int)}

    assert not is_conclusive({})
    assert not is_conclusive({"step": np.array([])})
    assert not is_conclusive(history(1, 1))
    assert not is_conclusive(history(MIN_STEPS - 1, MIN_STEPS - 1))
    assert not is_conclusive(history(MIN_STEPS, NUM_WINDOWS - 1))
    assert is_conclusive(history(MIN_STEPS, NUM_WINDOWS))


def test_diagnose_of_an_empty_history_finds_nothing():
    assert diagnose({}, {}) == []
    assert diagnose({"step": np.array([]), "d_loss": np.array([])}, {}) == []


def test_diagnose_refuses_metrics_without_steps():
    with pytest.raises(DataError, match="columns d_loss, expected one named 'step'"):
        diagnose({"d_loss": np.ones(3)}, {})


@pytest.mark.stress
@pytest.mark.parametrize(
    ("failure", "kept", "expected"),
    [
        ("G does not learn", ("d_loss", "g_loss"), ["standstill"]),
        ("D is blind", ("d_loss", "g_loss"), []),
        ("G does not learn", (), []),
        ("D is dead", ("d_loss", "d_grad_norm"), []),
        ("the critic is dead", ("d_real_logits", "d_fake_logits"), []),
        (
            "the critic is dead",
            ("d_real_logits", "d_fake_logits", "d_grad_norm"),
            ["discriminator at chance"],
        ),
        ("the critic is unconstrained", ("g_loss", "d_loss"), []),
        (
            "the critic is unconstrained",
            ("d_real_logits", "d_fake_logits"),
            ["critic running away"],
        ),
    ],
)
def test_diagnose_applies_the_rules_whose_columns_exist(failed, failure, kept, expected):
    metrics, probes = failed(failure)
    assert finding_names({name: metrics[name] for name in ("step", *kept)}, probes) == expected


@pytest.mark.parametrize("failure", PARAMETERS)
def test_diagnose_without_any_one_column_finds_nothing_new(failed, failure):
    """A missing column may remove a finding, and reveal those that it takes precedence over."""
    metrics, probes = failed(failure)
    precedence = {rule.name: set(rule.unless) for rule in RULES}
    for missing in metrics.keys() - {"step"}:
        rest = {name: column for name, column in metrics.items() if name != missing}
        for name in finding_names(rest, probes):
            assert name in EXPECTED[failure] or precedence[name] & {*EXPECTED[failure]}, missing


def test_mode_collapse_needs_the_diversity_only(healthy):
    metrics, probes = healthy
    collapsed = {"step": probes["step"], "diversity": np.full(len(probes["step"]), 0.1)}
    losses = {name: metrics[name] for name in ("step", "d_loss", "g_loss")}
    assert finding_names(losses, collapsed) == ["mode collapse"]
    assert finding_names({"step": metrics["step"]}, collapsed) == ["mode collapse"]


def test_discriminator_winning_accepts_diverging_losses_before_d_is_certain(failed):
    metrics, probes = failed("D learns 200 times faster")
    assert D_MARGIN_AHEAD < summarize(metrics, probes).d_margin < D_MARGIN_CERTAIN
    flat = metrics | {"g_loss": np.linspace(4.0, 4.1, len(metrics["step"]))}
    assert finding_names(flat, probes) == []


def test_discriminator_winning_needs_no_diverging_losses_if_d_is_certain(failed):
    metrics, probes = failed("G does not learn")
    num = len(metrics["step"])
    expected = ["discriminator winning", "standstill"]
    assert finding_names(metrics | {"g_loss": np.linspace(9.0, 8.0, num)}, probes) == expected
    assert finding_names(metrics | {"g_grad_norm": np.linspace(2, 1, num)}, probes) == expected
    rising = metrics | {"d_loss": np.geomspace(0.1, 50, num)}
    assert finding_names(rising, probes) == ["discriminator winning"]


def test_generator_winning_accepts_diverging_losses_if_d_rates_all_as_real(failed):
    metrics, probes = failed("D hardly learns")
    num = len(metrics["step"])
    metrics = metrics | {
        "d_real_probability": np.ones(num),
        "d_loss": np.geomspace(0.1, 50, num),
    }
    assert finding_names(metrics, probes) == ["generator winning"]
    rising = metrics | {"g_loss": np.geomspace(0.001, 0.1, num)}
    assert finding_names(rising, probes) == []


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ("G does not learn", ["discriminator winning"]),
        pytest.param(
            "D hardly learns, G has one unit", ["discriminator too weak"], marks=pytest.mark.stress
        ),
        pytest.param("D is dead", ["discriminator at chance"], marks=pytest.mark.stress),
        pytest.param("D is blind", [], marks=pytest.mark.stress),
        pytest.param("G takes ten steps", [], marks=pytest.mark.stress),
    ],
)
def test_rules_on_samples_do_not_apply_without_probes(failed, failure, expected):
    assert finding_names(failed(failure)[0], {}) == expected


@pytest.mark.stress
def test_generator_degenerate_takes_precedence_late_in_a_run(failed):
    late = [
        columns | {"step": columns["step"] * 5}
        for columns in failed("D hardly learns, G has one unit")
    ]
    assert finding_names(*late) == ["generator degenerate"]


@pytest.mark.parametrize(("diversity", "expected"), [(1.0, []), (3.0, ["discriminator at chance"])])
def test_discriminator_at_chance_is_the_equilibrium_if_samples_are_like_the_data(
    failed, diversity, expected
):
    metrics, probes = failed("D is blind")
    constant = probes | {"diversity": np.full(len(probes["step"]), diversity)}
    assert finding_names(metrics, constant) == expected


def test_discriminator_at_chance_is_no_finding_while_the_diversity_improves(failed):
    metrics, probes = failed("D is blind")
    improving = probes | {"diversity": np.linspace(0.1, 0.45, len(probes["step"]))}
    assert finding_names(metrics, improving) == []


def test_mode_collapse_is_a_fall_of_the_diversity(healthy):
    metrics, probes = healthy
    early = probes["step"] < 6_000

    def names(diversity):
        return finding_names(metrics, probes | {"diversity": diversity})

    assert names(np.where(early, probes["diversity"], 0.4)) == ["mode collapse"]
    assert names(np.where(early, 3.0, 1.0)) == []
    rising = np.interp(probes["step"], [6_000, 11_700], [0.3, 0.45])
    assert names(np.where(early, 1.0, rising)) == []


def test_mode_collapse_with_constant_low_diversity_needs_changing_samples(healthy):
    metrics, probes = healthy
    alike = probes | {"diversity": np.full(len(probes["step"]), 0.2)}
    assert finding_names(metrics, alike) == ["mode collapse"]
    constant = alike | {"sketch": np.ones_like(probes["sketch"])}
    assert "mode collapse" not in finding_names(metrics, constant)


def test_not_finite_names_the_first_step(train_failing_gan, tmp_path):
    with pytest.raises(TrainingError) as error:
        train_failing_gan(tmp_path, 1e30, 1e30, steps=100)
    (finding,) = diagnose(*read_history(tmp_path))
    assert finding.name == "not finite"
    step = int(finding.evidence.removeprefix("step ").split()[0])
    assert f"step {step}" in str(error.value)


@pytest.mark.parametrize(
    ("columns", "networks"),
    [
        (("d_loss",), "discriminator"),
        (("g_loss",), "generator"),
        (("d_loss", "g_loss"), "discriminator and the generator"),
        (("d_finite",), "discriminator"),
        (("g_finite",), "generator"),
        (("d_penalty",), "discriminator"),
    ],
)
def test_not_finite_names_the_network(columns, networks):
    metrics = {name: np.ones(4) for name in ("d_loss", "g_loss", *columns)}
    metrics["step"] = np.arange(1, 5)
    for name in columns:
        metrics[name] = np.array([1, 1, 0 if name.endswith("finite") else np.inf, np.nan])
    (finding,) = diagnose(metrics, {})
    assert finding.evidence == (
        f"step 3 is the first at which a loss or gradient of the {networks} is NaN or infinite"
    )
    complete = {"d_finite": np.ones(4), "g_finite": np.ones(4), "d_penalty": np.ones(4)} | metrics
    assert diagnose(complete, {}) == [finding]
