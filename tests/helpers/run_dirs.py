"""Run directories with made-up content, for tests of what reads them."""

import json

import numpy as np

from jaxgan.data.mixture import RING
from jaxgan.data.parabola import POINTS, parabolas
from jaxgan.evaluation import SCORES
from jaxgan.training import metric_log

NAMES = ("zero", "one", "two")
SHAPES = {"images": (64, 8, 8, 1), "classes": (24, 8, 8, 3), "points": (50, 2), "curves": (20, 15)}
DATA = {
    "images": {"name": "toys", "num_images": 1_000, "shape": [8, 8, 1]},
    "classes": {
        "name": "toys",
        "num_images": 1_000,
        "shape": [8, 8, 3],
        "class_names": list(NAMES),
        "class_counts": [400, 300, 300],
    },
    "points": {"name": "ring", "shape": [2]},
    "curves": {"name": "parabola", "shape": [len(POINTS)]},
}


def write_run(workdir, kind="images", *, steps=40, num_seeds=None, evaluated=True, **config):
    """Writes a run of `steps` train steps; `config` are settings of its experiment."""
    rng = np.random.default_rng(0)
    (workdir / "samples").mkdir(parents=True)
    options = {"steps": steps, "num_seeds": num_seeds, "seed": 0, "d_steps": 1, "g_steps": 1}
    batch = {"real": {"shape": [16, *DATA[kind]["shape"]], "dtype": "float32"}, "condition": None}
    train = {"options": options, "batch": batch, "x64": False, "gan": "", "changes": []}
    train["source"] = {"arrays": "", "batches_per_epoch": 20, "functions": []}
    record = {
        "experiment": f"experiments.{kind}",
        "config": {"preset": "tuned", "learning_rate": 1e-3} | config,
        "data": DATA[kind],
        "versions": {"jaxgan": "0.2.0", "jax": "0.10.2"},
        "train": train,
    }
    write(workdir / "config.json", record)
    names = ("d_loss", "g_loss", "d_real_probability", "d_fake_probability")
    values = rng.uniform(0.2, 0.8, (steps, len(names)))
    rows = [{"step": i} | dict(zip(names, row, strict=True)) for i, row in enumerate(values, 1)]
    metric_log.append_rows(workdir / "metrics.jsonl", rows)
    timing = {"steps": 20, "seconds": 2.0, "compile_seconds": 1.0}
    rows = [{"step": i, **timing} for i in range(20, steps + 1, 20)]
    metric_log.append_rows(workdir / "timing.jsonl", rows)
    diversity = 0.5 if num_seeds is None else [0.5] * num_seeds
    rows = [{"step": i, "diversity": diversity} for i in range(0, steps + 1, 10)]
    metric_log.append_rows(workdir / "probes.jsonl", rows)
    for step in range(0, steps + 1, 10):
        np.save(workdir / "samples" / f"{step:06}.npy", draw_samples(kind, rng))
    write(workdir / "findings.json", {"step": steps, "findings": []})
    if evaluated and kind in ("images", "classes"):
        write_evaluation(workdir, steps, rng, SHAPES[kind][1:])
    return workdir


def draw_samples(kind, rng):
    """Returns random samples of a kind, as a run saves them."""
    if kind == "points":
        points = RING.means[rng.integers(0, 8, 50)] + rng.normal(0, 0.01, (50, 2))
        return points.astype(np.float32)
    if kind == "curves":
        return np.asarray(parabolas(rng.uniform(1, 2, 20)))
    return rng.integers(0, 256, SHAPES[kind], np.uint8)


def write_evaluation(workdir, steps, rng, shape):
    """Writes what --evaluate-every and `jaxgan evaluate` write."""
    rows = [{"step": i} | dict.fromkeys(SCORES, 2.0 + i) for i in (steps // 2, steps)]
    metric_log.append_rows(workdir / "scores.jsonl", rows)
    real = {name: [1.0, 1.5] for name in SCORES}
    write(workdir / "real_scores.json", real)
    record = {
        "step": steps,
        "num_draws": 2,
        "evaluator": {"num_samples": 500},
        "real_baseline": real,
        "generators": {"generator": {name: [3.0, 5.0] for name in SCORES}},
    }
    write(workdir / "evaluation.json", record)
    np.save(workdir / "nearest.npy", rng.integers(0, 256, (2, 6, *shape), np.uint8))


def write(path, content):
    """Writes a JSON file."""
    path.write_text(json.dumps(content))
