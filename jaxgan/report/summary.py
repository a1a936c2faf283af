"""Summaries of runs: title, facts and settings, and the settings in which several runs differ."""

import json
from collections.abc import Sequence
from typing import Any

from jaxgan.diagnostics.monitor import HEALTHY_MESSAGE, too_short_message
from jaxgan.diagnostics.rules import is_conclusive
from jaxgan.report.run_files import RunFiles
from jaxgan.training.config_file import run_title

MISSING = "-"
NOT_COMPARED = ("workdir", "data_dir", "report", "show_window", "steps_per_block", "keep_every")


def report_title(run: RunFiles) -> str:
    """Returns the title of a run's page."""
    return run_title(run.config) or run.workdir.name


def list_facts(run: RunFiles) -> dict[str, str]:
    """Returns the experiment, data, duration, speed and seed of a run, by label."""
    config, options = run.config, run.options
    facts = {"experiment": config.get("experiment", "trained by jaxgan.train")}
    if preset := config.get("config", {}).get("preset"):
        facts["preset"] = preset
    facts["data"] = describe_data(run)
    if "conditional" in run.config.get("config", {}):
        conditional = run.config["config"]["conditional"]
        facts["condition"] = "the class of each image" if conditional else "none"
    facts["length"] = describe_length(run)
    facts["time"], facts["speed"] = describe_time(run)
    if run.num_seeds is not None:
        facts["GANs"] = (
            f"{run.num_seeds}, trained at once; losses are means over them, and samples are from "
            "the first"
        )
    if options:
        d_steps, g_steps = options.get("d_steps", 1), options.get("g_steps", 1)
        order = str(options.get("update_order", "d_first")).replace("_", " ")
        order = order.replace("d first", "D first").replace("g first", "G first")
        facts["updates"] = f"{d_steps} of D and {g_steps} of G per train step, {order}"
        facts["seed"] = str(options.get("seed", MISSING))
    return facts


def describe_data(run: RunFiles) -> str:
    """Returns the data set, its size and the shape of a sample."""
    data = run.config.get("data", {})
    batch = run.config.get("train", {}).get("batch", {}).get("real") or {}
    shape = data.get("shape") or batch.get("shape", [0])[1:]
    parts = [data.get("name", "")]
    size = "x".join(map(str, shape))
    if "num_images" in data:
        parts.append(f"{data['num_images']:,} images of {size}")
    elif size:
        parts.append(f"samples of {size} numbers")
    if "class_names" in data and "class_counts" in data:
        parts.append(f"{len(data['class_names'])} classes")
    return ", ".join(part for part in parts if part)


def describe_length(run: RunFiles) -> str:
    """Returns the number of train steps and epochs, and whether the run was stopped."""
    steps, train = run.options.get("steps", run.step), run.config.get("train", {})
    text = f"{run.step:,} train steps" if run.step >= steps else f"{run.step:,} of {steps:,} steps"
    batch = (train.get("batch", {}).get("real") or {}).get("shape")
    if batch:
        text += f" of {batch[0]:,} samples"
    batches = train.get("source", {}).get("batches_per_epoch")
    if batches:
        epochs = run.step / (batches // run.options.get("d_steps", 1))
        text += f" ({epochs:.3g} epochs)"
    return text


def describe_time(run: RunFiles) -> tuple[str, str]:
    """Returns the duration and the speed of the train steps, without evaluations and figures."""
    if not run.timing:
        return MISSING, MISSING
    seconds, compiling = (float(run.timing[n].sum()) for n in ("seconds", "compile_seconds"))
    speed = float(run.timing["steps"].sum()) / max(seconds, 1e-9)
    digits = 0 if speed >= 100 else 1
    return (
        f"{format_seconds(seconds)} of train steps, {format_seconds(compiling)} of waiting for the "
        "compiler",
        f"{speed:,.{digits}f} train steps per second",
    )


def format_seconds(seconds: float) -> str:
    """Formats a duration such as `1 h 05 min`, `3 min 20 s` or `4.2 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def describe_findings(run: RunFiles) -> tuple[list[dict[str, Any]], str]:
    """Returns the findings of the diagnosis, and a message if there are none."""
    findings = (run.findings or {}).get("findings", [])
    if findings or not run.metrics:
        return findings, ""
    if run.findings is None:
        return [], "The curves were not diagnosed during the run."
    conclusive = is_conclusive(run.metrics)
    return [], HEALTHY_MESSAGE if conclusive else too_short_message(run.step)


def list_settings(run: RunFiles) -> dict[str, Any]:
    """Returns the settings of a run's experiment; without one, those of the training loop."""
    return run.config.get("config") or run.options


def list_differences(runs: Sequence[RunFiles]) -> list[tuple[str, list[str]]]:
    """Returns the settings in which runs differ, each with its value in every run."""
    columns = [
        {"experiment": run.config.get("experiment"), "data": run.config.get("data", {}).get("name")}
        | list_settings(run)
        | {f"version of {name}": version for name, version in run.config["versions"].items()}
        for run in runs
    ]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [
        (name, [format_setting(column.get(name)) for column in columns])
        for name in names
        if name not in NOT_COMPARED
    ]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def format_setting(value: Any) -> str:
    """Returns a setting as text."""
    if value is None:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value)
