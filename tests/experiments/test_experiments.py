"""Every experiment as its user runs it."""

import json

import jax
import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import gallery, mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan, parabola, sample
from jaxgan.metrics.parabola import parabola_distance
from jaxgan.plotting import figures
from jaxgan.runs import loading, run_dir
from jaxgan.training import metric_log

pytestmark = pytest.mark.usefixtures("offline")
IMAGES = {
    "mnist_mlp_bce": (mnist_mlp_bce, ()),
    "mnist_mlp": (mnist_mlp, ()),
    "mnist_wgan": (mnist_wgan, ()),
    "mnist_wgan_gp": (mnist_wgan, ("--preset", "gradient-penalty")),
    "mnist_mlp_bce_tuned": (mnist_mlp_bce, ("--preset", "tuned")),
    "mnist_wgan_tuned": (mnist_wgan, ("--preset", "tuned")),
}


@pytest.mark.parametrize("name", IMAGES)
def test_image_systems_train_and_sample(command, tmp_path, name):
    module, options = IMAGES[name]
    start = ("--dataset", "digits", "--workdir", tmp_path / "run", *options)
    status, said, complained = command(module.main, *start, "--steps", 3)
    assert (status, complained) == (0, "")
    assert "Finished at step 3." in said
    assert "The documented run has" in said
    recorded = metric_log.read_columns(tmp_path / "run" / "metrics.jsonl")
    assert np.isfinite(recorded["d_loss"]).all()
    assert ("d_real_probability" in recorded) == (module is not mnist_wgan)
    assert ("d_penalty" in recorded) == bool(options)
    run = loading.load_run(tmp_path / "run")
    assert (run.state.g_ema is not None) == ("tuned" in options)
    assert (int(run.state.d.step), int(run.state.g.step)) == (15 if module is mnist_wgan else 3, 3)
    if name == "mnist_wgan":
        assert max(float(abs(x).max()) for x in jax.tree.leaves(run.state.d.params)) == np.float32(
            0.01
        )
    status, _, _ = command(sample.main, tmp_path / "run", "--num", 2, "--out", tmp_path / "two.npy")
    assert status == 0
    assert np.load(tmp_path / "two.npy").shape == (2, 28, 28, 1)
    kept = json.loads((tmp_path / "run" / "findings.json").read_text())
    assert kept["step"] == 3


def parabolas(command, workdir, *options):
    return command(
        parabola.main,
        "--workdir",
        workdir,
        "--batch-size",
        8,
        "--steps",
        20,
        "--block",
        20,
        *options,
    )


def test_parabolas_are_painted_and_judged(command, tmp_path):
    status, said, complained = parabolas(command, tmp_path)
    assert (status, complained) == (0, "")
    judged = json.loads((tmp_path / "distance.json").read_text())
    assert judged["samples"] == 10_000
    assert f"over 10,000 samples: {judged['w2_squared'][0]:.4f}; perfect ones have 0.0005" in said
    kept = {path.name for path in tmp_path.iterdir()}
    assert (
        {"parabola.gif", "distance.json", "checkpoints", "findings.json"}
        < kept
        < {*run_dir.RUN_FILES, ".lock"}
    )
    probed = metric_log.read_columns(tmp_path / "probes.jsonl")
    assert probed["step"].tolist() == [0]
    assert {
        "w2_squared",
        "off_curve",
        "a_min",
        "a_mean",
        "a_max",
        "diversity",
        "sketch",
    } < probed.keys()
    curves = np.load(tmp_path / "samples" / "000020.npy")
    assert curves.shape == (64, 15)
    for name in ("samples/000020.png", "progress.png", "losses.png"):
        assert mpimg.imread(tmp_path / name).std() > 0
    assert (tmp_path / "progress.png").read_bytes() == (
        tmp_path / "samples" / "000020.png"
    ).read_bytes()
    for out in ("curves.npy", "curves.png"):
        assert command(sample.main, tmp_path, "--num", 3, "--out", tmp_path / out)[0] == 0
    assert np.load(tmp_path / "curves.npy").shape == (3, 15)
    status, _, complained = command(sample.main, tmp_path, "--out", tmp_path / "curves.gif")
    assert status == 1
    assert "give a name that ends in .png or .npy" in complained


def test_many_seeds_at_once_are_judged_together_and_each_can_be_restored(command, tmp_path):
    status, said, _ = parabolas(command, tmp_path, "--seeds", 3, "--preset", "tuned")
    assert status == 0
    values = np.array(json.loads((tmp_path / "distance.json").read_text())["w2_squared"])
    assert values.shape == (3,)
    assert (
        f"{values.mean():.4f} ± {values.std(ddof=1) / 3**0.5:.4f} (mean and standard error of 3 seeds"
        in said
    )
    for member in range(3):
        run = loading.load_run(tmp_path, member=member)
        found = float(
            parabola_distance(run.gan.sample(run.state, jax.random.key(0), 10_000)).w2_squared
        )
        np.testing.assert_allclose(found, values[member], rtol=0.1)
    assert len(set(np.round(values, 3))) == 3
    status, _, complained = command(sample.main, tmp_path, "--member", 3)
    assert status == 1
    assert "has members 0 to 2, there is no member 3" in complained


def test_presets_are_whole_settings_and_can_be_changed(command, tmp_path):
    assert parabola.Config.from_preset("tuned") == parabola.Config(
        preset="tuned", **parabola.Config.presets["tuned"]
    )
    parabolas(command, tmp_path, "--preset", "tuned", "--learning-rate", 0.5)
    config = json.loads((tmp_path / "config.json").read_text())["config"]
    tuned = parabola.Config.presets["tuned"] | {"preset": "tuned", "learning_rate": 0.5}
    assert {name: config[name] for name in tuned} == tuned
    status, _, complained = parabolas(command, tmp_path)
    assert status == 1
    assert "preset: 'tuned' in the run, 'faithful' now" in complained
    status, said, complained = parabolas(command, tmp_path / "other", "--preset=best")
    assert status == 2
    assert "best" in said + complained
    assert "tuned" in said + complained
    status, said, _ = command(parabola.main, "--preset", "tuned", "--help")
    assert "(default: 10000)" in " ".join(said.split())


def test_a_run_that_is_no_longer_finite_says_so_and_what_to_try(command, tmp_path):
    status, said, complained = parabolas(command, tmp_path, "--learning-rate", 1e30)
    assert status == 1
    assert "is not finite; first " in complained
    assert "Nothing is saved yet" in complained
    assert "start anew (--overwrite, or another --workdir) with a lower learning rate" in complained
    assert "a tenth of the --learning-rate" in said
    kept = json.loads((tmp_path / "findings.json").read_text())
    assert [finding["name"] for finding in kept["findings"]] == ["not finite"]


def test_live_says_plainly_that_there_is_no_display(command, tmp_path, monkeypatch):
    monkeypatch.setattr("matplotlib.pyplot.get_backend", lambda: "agg")
    status, said, complained = parabolas(command, tmp_path, "--live")
    assert (status, complained) == (0, "")
    assert said.startswith("No window: there is no display")


def test_live_shows_each_picture(command, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "live_window", lambda title: shown.append)
    assert parabolas(command, tmp_path, "--live")[0] == 0
    assert [path.name for path in shown] == ["000000.png", "000020.png"]


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (mnist_mlp, ("--g-layers", 0), "g_layers is 0, expected at least 1"),
        (mnist_wgan, ("--g-layers", 10**30), "expected at most 100"),
        (mnist_mlp, ("--g-steps", 2_000), "g_steps is 2000, expected at most 1,000"),
        (mnist_mlp, ("--block", 2**31), "block is 2147483648, expected at most 2,147,483,647"),
        (mnist_mlp_bce, ("--g-width", -3), "g_width is -3, expected at least 1"),
        (mnist_wgan, ("--clip", -1.0), "clip is -1.0, expected a number from 0"),
        (mnist_wgan, ("--d-steps", 0), "d_steps is 0, expected at least 1"),
        (mnist_cnn, ("--learning-rate", "nan"), "learning_rate is nan, expected a number from 0"),
        (parabola, ("--noise", 0), "noise is 0, expected at least 1"),
        (parabola, ("--seeds", 0), "seeds is 0, expected at least 1"),
        (
            parabola,
            ("--seeds", 2, "--seed", 2**32 - 1),
            "seed is 4294967295, expected 0 to 4294967294",
        ),
    ],
)
def test_bad_numbers_are_refused_before_the_first_step(command, tmp_path, module, options, message):
    status, said, complained = command(module.main, "--workdir", tmp_path / "run", *options)
    assert status == 2
    assert message in " ".join((said + complained).replace("│", "").split())
    assert not (tmp_path / "run").exists()


def test_more_steps_than_can_be_counted_are_refused_before_the_first(command, tmp_path):
    options = ("--workdir", tmp_path / "run", "--steps", 2**30, "--d-steps", 2)
    status, _, complained = command(parabola.main, *options)
    assert status == 1
    assert "steps is 1073741824, with 2 batches each; expected at most 1,073,741,823" in " ".join(
        complained.split()
    )
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize("module", [mnist_mlp_bce, mnist_mlp, mnist_cnn, mnist_wgan, parabola])
def test_help_tells_every_option(command, module):
    status, said, _ = command(module.main, "--help")
    assert status == 0
    assert (module.__doc__ or "-").splitlines()[0] in said
    text = " ".join(said.replace("│", "").split())
    for name in (
        "--preset",
        "--order {d_first,g_first,simultaneous}",
        "How long to train",
        "--d-steps",
    ):
        assert name in text
    assert text.count("(default:") >= 15


@pytest.mark.parametrize(
    ("option", "expected"), [(("--epochs", 2), 2 * 37 * 33), ((), 10_000), (("--steps", 7), 7)]
)
def test_steps_count_before_epochs_and_the_documented_length_comes_last(option, expected):
    changes = {option[0][2:]: option[1]} if option else {}
    assert mnist_wgan.Config(**changes).total_steps(37 * 33) == expected


def test_the_gallery_collects_what_was_trained(command, tmp_path):
    folder, out = tmp_path / "runs", tmp_path / "out"
    command(mnist_mlp.main, "--dataset", "digits", "--steps", 2, "--workdir", folder / "mnist_mlp")
    parabolas(command, folder / "parabola")
    status, _, complaint = command(gallery.main, "--workdir", folder, "--out", out, "--no-train")
    assert status == 0, complaint
    page = (out / "README.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("| `mnist_mlp`", "digits", "2"),
        ("| `parabola`", "parabola", "20"),
    ]
    assert "W2² " in rows[1][-1]
    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {
        f"{name}{kind}.png" for name in ("mnist_mlp", "parabola") for kind in ("", "_losses")
    }
    assert all(f"({name})" in page for name in pictures)
