"""Markdown tables of `benchmarks.compare_pytorch`."""

import numpy as np

from benchmarks.systems import SYSTEMS
from benchmarks.worker_process import FIRST_STEPS
from jaxgan.evaluation.tables import markdown_table


def format_rates(results: dict[str, dict[str, list[float]]]) -> str:
    """Returns the steps per second of a system in each framework, on one line."""
    return ", ".join(
        f"{framework} {format_range(np.array(figures['steps_per_second']))} steps/s"
        for framework, figures in results.items()
    )


def speed_table(results: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Returns a table with a row for each system and framework: medians, with (min to max).

    The ratio is our steps per second divided by the framework's, taken round by round.

    Args:
      results: `{system: {framework: {figure: values}}}`, of `compare_pytorch.measure_speed`.
    """
    header = [
        "system",
        "",
        "steps/s",
        "speedup per round",
        "target",
        f"start to step {FIRST_STEPS} (s)",
        "without cache (s)",
        "peak memory (MiB)",
    ]
    rows = []
    for name, by_framework in results.items():
        our_rates = np.array(by_framework["jaxgan"]["steps_per_second"])
        for framework, figures in by_framework.items():
            rates = np.array(figures["steps_per_second"])
            speedup, target = "", ""
            if framework != "jaxgan":
                speedup = format_range(our_rates / rates)
                target = f"{SYSTEMS[name].target_speedup:g}"
            rows.append(
                [
                    name,
                    framework,
                    format_range(rates),
                    speedup,
                    target,
                    f"{figures['warm_start_seconds'][0]:.1f}",
                    f"{figures['cold_start_seconds'][0]:.1f}",
                    f"{figures['peak_bytes'][0] / 2**20:,.0f}",
                ]
            )
    return markdown_table(header, rows)


def format_range(values: np.ndarray) -> str:
    """Returns "median (min to max)" of `values`, with at least three significant digits."""
    median, low, high = (
        f"{x:,.0f}" if x >= 100 else f"{x:.3g}"
        for x in (np.median(values), np.min(values), np.max(values))
    )
    return f"{median} ({low} to {high})"
