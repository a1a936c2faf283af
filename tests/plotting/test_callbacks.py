"""What a run draws and says of its curves."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from jaxgan import losses, make_gan, models, optimizers, priors
from jaxgan.diagnostics import monitor
from jaxgan.diagnostics.probes import make_sample_probe, total_std
from jaxgan.diagnostics.rules import Finding
from jaxgan.plotting import callbacks, figures, images
from jaxgan.training import metric_log
from jaxgan.training.rng import make_rng_streams

TX = optimizers.adam(1e-3)
GAN = make_gan(
    models.MLPGenerator(shape=(6, 6, 1), widths=(8,)),
    models.MLPDiscriminator(widths=(8,)),
    losses.non_saturating,
    TX,
    TX,
    priors.uniform(4),
)


def metrics(num, **columns):
    rows = {
        "d_loss": 1.0,
        "g_loss": 0.7,
        "d_real_probability": 0.6,
        "d_fake_probability": 0.4,
    } | columns
    return [{"step": i} | rows for i in range(1, num + 1)]


def test_pictures_of_steps_that_were_not_saved_are_removed_and_files_of_the_user_are_not(tmp_path):
    state = GAN.init(jax.random.key(0), jnp.zeros((1, 6, 6, 1)))
    key = make_rng_streams(0).sample
    draw = callbacks.make_image_callback(GAN, tmp_path, 10, "toy")
    metric_log.append_rows(tmp_path / "metrics.jsonl", metrics(20))
    for step in (0, 20, 1_000_000, 10):
        draw(state, jax.random.clone(key), step)
        (tmp_path / "samples" / "notes.txt").write_text("mine")
    kept = {path.name for path in (tmp_path / "samples").iterdir()}
    assert kept == {"000000.npy", "000000.png", "000010.npy", "000010.png", "notes.txt"}


def test_steps_are_sorted_as_numbers(tmp_path):
    for step in (999_999, 1_000_000, 5):
        (tmp_path / f"{step:06}.npy").touch()
    assert [path.stem for path in callbacks.saved_files(tmp_path, ".npy")] == [
        "000005",
        "999999",
        "1000000",
    ]


@pytest.mark.parametrize(
    ("num", "expected"),
    [(1, [0]), (6, [0, 1, 2, 3, 4, 5]), (11, [0, 2, 4, 6, 8, 10]), (101, [0, 20, 40, 60, 80, 100])],
)
def test_rows_are_chosen_evenly_with_the_first_and_the_last(num, expected):
    assert callbacks.evenly_spaced(list(range(num)), 6) == expected


def test_running_means():
    np.testing.assert_allclose(figures.running_mean(np.arange(5.0)), np.arange(5.0))
    values = np.random.default_rng(0).normal(size=300)
    expected = [values[max(i - 3, 0) : i + 4].mean() for i in range(300)]
    np.testing.assert_allclose(figures.running_mean(values), expected)


@pytest.mark.parametrize("scores", ["probability", "logits"])
def test_the_curves_bear_their_own_names(tmp_path, monkeypatch, scores):
    drawn = []
    monkeypatch.setattr(figures, "save_figure", lambda path, figure: drawn.append(figure))
    columns = {
        "d_loss": 1.0,
        "g_loss": 2.0,
        f"d_real_{scores}": 0.75,
        f"d_fake_{scores}": 0.25,
        "step": 1,
    }
    figures.save_losses(
        tmp_path / "x.png", {name: np.full(1, value) for name, value in columns.items()}, "toy"
    )
    found = {
        line.get_label(): line.get_ydata()[0]
        for axes in drawn[0].axes
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }
    names = (
        ("D(x), of real", "D(G(z)), of fake") if scores == "probability" else ("of real", "of fake")
    )
    assert found["discriminator"] == 1
    assert found["generator"] == 2
    assert [found[name] for name in names] == [0.75, 0.25]
    assert isinstance(drawn[0], Figure)
    assert all(
        line.get_marker() != "None" for line in drawn[0].axes[0].get_lines()
    )  # one step is a point


def test_an_animation_has_every_picture(tmp_path):
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(np.full((8, 8, 3), 80 * i, np.uint8)).save(paths[-1])
    images.save_gif(tmp_path / "all.gif", paths)
    with Image.open(tmp_path / "all.gif") as gif:
        shades = []
        for i in range(gif.n_frames):
            gif.seek(i)
            shades.append(int(np.asarray(gif.convert("L")).mean()))
    assert shades == [0, 80, 160]


def test_the_probe_tells_the_same_from_the_different():
    probe = make_sample_probe(GAN, np.random.default_rng(0).uniform(-1, 1, (50, 6, 6, 1)), 32)
    state = GAN.init(jax.random.key(0), jnp.zeros((1, 6, 6, 1)))
    flat = state.replace(g=state.g.replace(params=jax.tree.map(jnp.zeros_like, state.g.params)))
    assert float(probe(flat, jax.random.key(1))["diversity"]) == 0
    assert 0 < float(probe(state, jax.random.key(1))["diversity"]) < 1
    np.testing.assert_allclose(
        total_std(jnp.array([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0]])) ** 2, 8 / 3 + 2, rtol=1e-6
    )


def test_sketches_are_as_far_apart_as_the_samples():
    """Means over many keys: one estimate alone has a relative error of about 18 %."""
    probe = make_sample_probe(GAN, np.random.default_rng(0).uniform(-1, 1, (50, 6, 6, 1)), 32)
    one, other = (GAN.init(jax.random.key(seed), jnp.zeros((1, 6, 6, 1))) for seed in range(2))
    keys = jax.random.split(jax.random.key(5), 64)

    def squares(key):
        z_key, _ = jax.random.split(key)
        a, b = (GAN.sample(state, jax.random.clone(z_key), 32) for state in (one, other))
        key = jax.random.clone(key)
        c, d = (probe(state, jax.random.clone(key))["sketch"] for state in (one, other))
        return jnp.mean((a - b) ** 2), jnp.sum((c - d) ** 2)

    true, estimated = jax.jit(jax.vmap(squares))(keys)
    ratio = np.asarray(estimated / true)
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / 8
    assert 0.2 < ratio.std() < 0.6


def test_the_watch_says_what_is_new_and_at_the_end_everything(tmp_path, monkeypatch):
    found, said = [], []
    monkeypatch.setattr(monitor, "diagnose", lambda history, probes: list(found))
    look = monitor.make_monitor(tmp_path, 3000, said.append)
    look()
    assert said == []
    found.append(Finding("mode collapse", "diversity 0.1", "All alike", ("more --d-steps",)))
    for num in (10, 10):
        metric_log.append_rows(tmp_path / "metrics.jsonl", metrics(num))
        look()
    assert said == [
        "At step 10, mode collapse: diversity 0.1. All alike. To try:\n    - more --d-steps"
    ]
    kept = json.loads((tmp_path / "findings.json").read_text())
    assert kept == {"step": 10, "findings": [found[0]._asdict() | {"advice": ["more --d-steps"]}]}
    metric_log.append_rows(tmp_path / "metrics.jsonl", [metrics(1)[0] | {"step": 3000}])
    look()
    assert len(said) == 2
    found.clear()
    look()
    assert said[-1] == "The curves look healthy."
    said.clear()
    monitor.make_monitor(tmp_path / "short", 0, said.append)()
    assert said == []  # too short to tell


def test_a_population_is_read_as_one():
    column = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(monitor.merge_members(column), [0.5, 2.5, 4.5])
    sketches = np.random.default_rng(0).normal(size=(3, 2, 4))
    together = monitor.merge_members(sketches)
    squares = [np.sum((sketches[1] - sketches[0])[m] ** 2) for m in range(2)]
    np.testing.assert_allclose(np.sum((together[1] - together[0]) ** 2), np.mean(squares))


def test_following_reads_what_is_new_and_starts_anew_after_a_cut(tmp_path):
    path = tmp_path / "metrics.jsonl"
    columns = metric_log.tail(path)
    assert columns() == {}
    metric_log.append_rows(path, metrics(3))
    assert columns()["step"].tolist() == [1, 2, 3]
    metric_log.append_rows(path, [{"step": 4} | metrics(1)[0] | {"step": 4}])
    assert columns()["step"].tolist() == [1, 2, 3, 4]
    metric_log.truncate_after(path, 2)
    assert columns()["step"].tolist() == [1, 2]
