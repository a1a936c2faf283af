"""Trainings made to fail in one way each, and healthy ones.

The thresholds were set on seeds 0, 1 and 2, of which the recorded histories of tests/histories are; every training here
has another seed. A history is recorded by `keep(workdir, path)`: means over 200 windows, and the probes, in float16.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from experiments import parabola
from jaxgan import losses, make_gan, models, optimizers, priors
from jaxgan.data.parabola import LOWER, UPPER, parabola_source, parabolas
from jaxgan.data.sources import Source
from jaxgan.diagnostics.curves import summarize
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.diagnostics.rules import D_MARGIN_AHEAD, D_MARGIN_CERTAIN, MIN_STEPS, diagnose
from jaxgan.errors import TrainingError
from jaxgan.training import metric_log
from jaxgan.training.loop import train

SEED = 11
RECORDED = sorted(Path(__file__).with_name("histories").glob("*.npz"))


def thin(columns, rows):
    """Means over windows of equal length, each with its last step; what is finite is so all through its window."""
    whole = len(columns["step"]) // rows * rows

    def one(name, column):
        parts = column[:whole].reshape(rows, -1)
        return (
            parts[:, -1]
            if name == "step"
            else parts.all(1)
            if name.endswith("finite")
            else parts.mean(1)
        )

    return {name: one(name, column) for name, column in columns.items()}


def keep(workdir, path, rows=200):
    """Records a run for these tests."""
    logs = {
        "history": metric_log.read_columns(workdir / "metrics.jsonl"),
        "probes": metric_log.read_columns(workdir / "probes.jsonl"),
    }
    logs["history"] = thin(logs["history"], rows)
    small = {"step": np.int32}
    kept = {
        f"{log}/{name}": column.astype(
            bool if name.endswith("finite") else small.get(name, np.float16)
        )
        for log, columns in logs.items()
        for name, column in columns.items()
    }
    np.savez_compressed(path, **kept)


def recall(path):
    """What `keep` has recorded: history and probes."""
    with np.load(path) as kept:
        return tuple(
            {k.split("/")[1]: kept[k] for k in kept if k.startswith(log)}
            for log in ("history/", "probes/")
        )


def until(columns, step):
    return {name: column[columns["step"] <= step] for name, column in columns.items()}


def names(history, probes):
    return [finding.name for finding in diagnose(history, probes)]


def ring(key, num):
    """Eight Gaussians around the origin: `[num, 2]`."""
    which_key, noise_key = jax.random.split(key)
    angles = 2 * jnp.pi * jax.random.randint(which_key, (num,), 0, 8) / 8
    return jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1) + 0.05 * jax.random.normal(
        noise_key, (num, 2)
    )


def follow(workdir, gan, source, real, **options):
    """Trains; returns history and probes."""
    train(
        gan,
        source,
        workdir,
        seed=SEED,
        block=100,
        probe=make_sample_probe(gan, real, 64),
        **options,
    )
    return metric_log.read_columns(workdir / "metrics.jsonl"), metric_log.read_columns(
        workdir / "probes.jsonl"
    )


def paint(
    workdir,
    d_rate,
    g_rate,
    *,
    steps=1_200,
    loss=losses.non_saturating,
    g=None,
    d=None,
    on_ring=False,
    **options,
):
    """Trains on parabolas, or on the ring."""
    parts = {"penalty": options.pop("penalty", None)}
    gan = make_gan(
        models.MLPGenerator(
            **(
                {"shape": (2,) if on_ring else (15,), "widths": (64,), "output": lambda x: x}
                | (g or {})
            )
        ),
        d or models.MLPDiscriminator(widths=(64,), hidden=nn.relu),
        loss,
        optimizers.adam(d_rate, b1=0.9),
        optimizers.adam(g_rate, b1=0.9),
        priors.normal(5),
        **parts,
    )
    rings = Source(
        (), 500, lambda key, epoch: (), lambda arrays, order, key, index: (ring(key, 32), None)
    )
    real = ring(jax.random.key(0), 512) if on_ring else parabolas(np.linspace(LOWER, UPPER, 256))
    return follow(
        workdir, gan, rings if on_ring else parabola_source(32), real, steps=steps, **options
    )


class Saturating(nn.Module):
    """A critic whose score cannot leave [-1, 1]."""

    @nn.compact
    def __call__(self, x, *, train):
        return jnp.tanh(models.MLPDiscriminator(widths=(64,), hidden=nn.relu)(x, train=train))


DEAD = models.MLPDiscriminator(widths=(64,), hidden=lambda x: 0 * x)
DEEP = models.MLPDiscriminator(
    widths=(32,) * 5, hidden=nn.relu
)  # its first scores are all about the same
FAILURES = {
    "D hardly learns": ({"d_rate": 1e-6, "g_rate": 1e-3}, ["discriminator too weak"]),
    "D hardly learns, G has one unit": (
        {"d_rate": 1e-6, "g_rate": 1e-2, "g": {"widths": (1,)}},
        ["generator degenerate"],
    ),
    "D learns not at all": ({"d_rate": 0.0, "g_rate": 1e-4}, ["generator winning"]),
    "D learns two hundred times faster": (
        {"d_rate": 2e-4, "g_rate": 1e-6, "steps": 1_500},
        ["discriminator winning"],
    ),
    "D is certain, the loss saturates": (
        {"d_rate": 1e-2, "g_rate": 1e-5, "loss": losses.minimax},
        ["vanishing gradient"],
    ),
    "the critic saturates": (
        {"d_rate": 1e-2, "g_rate": 1e-5, "loss": losses.wasserstein, "d": Saturating()},
        ["vanishing gradient"],
    ),
    "the critic is free": (
        {"d_rate": 1e-3, "g_rate": 1e-6, "loss": losses.wasserstein},
        ["critic running away"],
    ),
    "D is dead": (
        {"d_rate": 1e-3, "g_rate": 1e-3, "loss": losses.minimax, "d": DEAD},
        ["discriminator at chance"],
    ),
    "the critic is dead": (
        {"d_rate": 1e-3, "g_rate": 1e-3, "loss": losses.wasserstein, "d": DEAD},
        ["discriminator at chance"],
    ),
    "D is blind": (
        {"d_rate": 0.0, "g_rate": 3e-4, "d": DEEP, "g": {"output": jnp.tanh}, "steps": 1_500},
        ["discriminator at chance", "mode collapse"],
    ),
    "G does not learn": ({"d_rate": 1e-3, "g_rate": 0.0}, ["discriminator winning", "standstill"]),
    "G runs ahead": (
        {"d_rate": 1e-3, "g_rate": 1e-2, "on_ring": True, "g_steps": 10, "share_noise": False},
        ["discriminator at chance", "mode collapse"],
    ),
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """Trains each of FAILURES once: a function of its name."""
    runs = {}

    def run(name):
        if name not in runs:
            runs[name] = paint(tmp_path_factory.mktemp("run"), **FAILURES[name][0])
        return runs[name]

    return run


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_named(failed, name):
    run, expected = failed(name), FAILURES[name][1]
    assert names(*run) == expected
    assert names(thin(run[0], 100), run[1]) == expected
    last = run[0]["step"][-1]
    for finding in diagnose(*run):
        assert f"over steps {int(last * 0.8) + 1:,} to {last:,}" in finding.seen
        assert finding.means
        assert finding.advice


def test_losses_that_part_are_enough_before_d_is_certain(failed):
    run = failed("D learns two hundred times faster")
    assert D_MARGIN_AHEAD < summarize(*run).lead < D_MARGIN_CERTAIN
    flat = run[0] | {"g_loss": np.linspace(4.0, 4.1, len(run[0]["step"]))}
    assert names(flat, run[1]) == []


def test_losses_that_part_are_enough_where_d_takes_all_for_real(failed):
    run, probes = failed("D hardly learns")
    num = len(run["step"])
    run = run | {"d_real_probability": np.ones(num), "d_loss": np.geomspace(0.1, 50, num)}
    assert names(run, probes) == ["generator winning"]
    assert names(run | {"g_loss": np.geomspace(0.001, 0.1, num)}, probes) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("D hardly learns, G has one unit", ["discriminator too weak"]),
        ("D is dead", ["discriminator at chance"]),
        ("D is blind", []),
        ("G does not learn", ["discriminator winning"]),
        ("G runs ahead", []),
    ],
)
def test_what_takes_the_samples_is_not_said_without_probes(failed, name, expected):
    assert names(failed(name)[0], {}) == expected


def test_nothing_is_said_of_a_beginning(failed):
    assert names({}, {}) == []
    for name in FAILURES:
        assert names(*(until(columns, MIN_STEPS - 1) for columns in failed(name))) == []


@pytest.mark.parametrize(("diversity", "expected"), [(1.0, []), (3.0, ["discriminator at chance"])])
def test_chance_is_the_equilibrium_where_the_samples_are_like_the_data(failed, diversity, expected):
    run = failed("D is blind")
    assert (
        names(run[0], run[1] | {"diversity": np.full(len(run[1]["step"]), diversity)}) == expected
    )


def test_a_collapse_after_better_days_is_named():
    run = recall(RECORDED[0].with_name("mlp_digits_0.npz"))
    fallen = run[1] | {"diversity": np.where(run[1]["step"] < 6_000, run[1]["diversity"], 0.4)}
    assert names(run[0], fallen) == ["mode collapse"]
    calmed = run[1] | {"diversity": np.where(run[1]["step"] < 6_000, 3.0, 1.0)}
    assert names(run[0], calmed) == []
    rising = np.interp(run[1]["step"], [6_000, 11_700], [0.3, 0.45])
    assert (
        names(run[0], run[1] | {"diversity": np.where(run[1]["step"] < 6_000, 1.0, rising)}) == []
    )


def test_a_certain_discriminator_wins_whatever_the_losses_do(failed):
    run, probes = failed("G does not learn")
    num = len(run["step"])
    assert names(run | {"g_loss": np.linspace(9.0, 8.0, num)}, probes) == [
        "discriminator winning",
        "standstill",
    ]
    assert names(run | {"g_grad_norm": np.linspace(2, 1, num)}, probes) == [
        "discriminator winning",
        "standstill",
    ]
    assert names(run | {"d_loss": np.geomspace(0.1, 50, num)}, probes) == ["discriminator winning"]


def test_samples_that_stay_alike_are_a_collapse_if_they_move():
    run, probes = recall(RECORDED[0].with_name("mlp_digits_0.npz"))
    alike = probes | {"diversity": np.full(len(probes["step"]), 0.2)}
    assert names(run, alike) == ["mode collapse"]
    assert "mode collapse" not in names(run, alike | {"sketch": np.ones_like(probes["sketch"])})


def test_one_cause_is_one_finding(failed):
    late = [
        columns | {"step": columns["step"] * 5}
        for columns in failed("D hardly learns, G has one unit")
    ]
    assert names(*late) == ["generator degenerate"]


def test_chance_is_no_finding_while_the_samples_come_nearer_to_the_data(failed):
    run, probes = failed("D is blind")
    assert names(run, probes | {"diversity": np.linspace(0.1, 0.45, len(probes["step"]))}) == []


def test_the_first_step_that_is_not_finite_is_named(tmp_path):
    with pytest.raises(TrainingError) as error:
        paint(tmp_path, 1e30, 1e30, steps=100)
    (finding,) = diagnose(
        metric_log.read_columns(tmp_path / "metrics.jsonl"),
        metric_log.read_columns(tmp_path / "probes.jsonl"),
    )
    assert finding.name == "not finite"
    step = int(finding.seen.removeprefix("step ").split()[0])
    assert f"step {step}" in str(error.value)


@pytest.mark.parametrize(
    ("column", "players"),
    [
        ("d_finite", "discriminator"),
        ("g_finite", "generator"),
        ("d_penalty", "discriminator"),
        ("both", "discriminator and generator"),
    ],
)
def test_the_player_that_is_not_finite_is_named(column, players):
    columns = {
        name: np.ones(4)
        for name in ("step", "d_loss", "d_finite", "g_loss", "g_finite", "d_penalty")
    }
    columns["step"] = np.arange(1, 5)
    for name in ("d_loss", "g_loss") if column == "both" else (column,):
        columns[name] = np.array([1, 1, 0 if name.endswith("finite") else np.inf, np.nan])
    (finding,) = diagnose(columns, {})
    assert (
        finding.seen
        == f"step 3 is the first with a loss or gradient that is NaN or infinite, of the {players}"
    )


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """The beginning of the documented run on parabolas."""
    config = parabola.Config()
    gan, source = parabola.build(config), parabola_source(config.batch_size)
    real = parabolas(np.linspace(LOWER, UPPER, 256))
    return follow(
        tmp_path_factory.mktemp("run"), gan, source, real, steps=3_000, order=config.order
    )


def assert_healthy_all_along(run, steps):
    for step in steps:
        assert names(*(until(columns, step) for columns in run)) == [], step


def test_the_documented_parabolas_are_healthy_all_along(painted):
    assert_healthy_all_along(painted, range(500, 3_001, 500))
    assert names(thin(painted[0], 100), painted[1]) == []
    assert names(painted[0], {}) == []


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_runs_are_healthy_all_along(path):
    run = recall(path)
    assert_healthy_all_along(run, run[0]["step"])
    assert names(run[0], {}) == []


def test_every_system_is_recorded():
    recorded = {path.stem.split("_")[0] for path in RECORDED}
    assert {"mlp", "bce", "clip", "penalty", "cnn", "parabola"} == recorded
    assert sum(path.stat().st_size for path in RECORDED) < 150_000
