"""Windowed summary of a run's logged curves, the input of the diagnostic rules."""

from typing import NamedTuple

import numpy as np

from jaxgan.diagnostics.thresholds import (
    AT_CHANCE_TOLERANCE,
    DIVERSITY_IMPROVING,
    TREND_MIN_CHANGE,
)

# A run is divided into windows of equal length; the final windows are its last fifth.
NUM_WINDOWS = 20
FINAL_WINDOWS = 4

PROBABILITY_COLUMNS = ("d_real_probability", "d_fake_probability", "g_fake_probability")


class CurveSummary(NamedTuple):
    """Window means of the logged curves.

    Attributes:
      steps: Last train step of the history.
      means: Window means `[NUM_WINDOWS]` of each column of the metrics; of `"logit_gap"`, the mean
        of D(x) - D(G(z)) in logits, if both logits are logged; and of `"diversity"`, if probed.
      sample_change: Largest change of the samples from probe to probe in the last fifth of the run,
        relative to their root mean square. None if not probed.
    """

    steps: int
    means: dict[str, np.ndarray]
    sample_change: float | None

    def has_columns(self, *names: str) -> bool:
        """Returns whether every one of the columns is available."""
        return all(name in self.means for name in names)

    def final_mean(self, name: str) -> float:
        """Returns a column's mean over the last fifth of the run."""
        return float(self.means[name][-FINAL_WINDOWS:].mean())

    def relative_to_peak(self, name: str) -> float:
        """Returns a column's mean absolute value in the last fifth, relative to its maximum before.

        The maximum is over window means. The result is 0 if the column is always 0.
        """
        sizes = np.abs(self.means[name])
        peak = max(sizes[:-FINAL_WINDOWS].max(), np.finfo(np.float32).tiny)
        return float(sizes[-FINAL_WINDOWS:].mean() / peak)

    def trend(self, name: str) -> int:
        """Returns 1 if a column grows from each fifth to the next, -1 if it shrinks, else 0.

        The first fifth is ignored. The total change must exceed `TREND_MIN_CHANGE`.
        """
        fifths = self.means[name].reshape(-1, FINAL_WINDOWS).mean(1)[1:]
        signs = np.sign(np.diff(fifths))
        changed = abs(fifths[-1] - fifths[0]) > TREND_MIN_CHANGE * abs(fifths[0])
        return int(signs[0]) if changed and np.all(signs == signs[0]) else 0

    def is_steady(self, name: str, tolerance: float) -> bool:
        """Returns whether a column's means over the last two tenths differ by at most `tolerance`.

        The tolerance is relative, or absolute if the earlier mean is below 1.
        """
        earlier, last = self.means[name][-FINAL_WINDOWS:].reshape(2, -1).mean(1)
        return bool(abs(last - earlier) <= tolerance * max(1, abs(earlier)))

    @property
    def has_probabilities(self) -> bool:
        """Whether the discriminator's probabilities are logged."""
        return self.has_columns(*PROBABILITY_COLUMNS)

    @property
    def is_critic(self) -> bool:
        """Whether the discriminator gives scores without a meaning as probabilities."""
        return "logit_gap" in self.means and not any(n in self.means for n in PROBABILITY_COLUMNS)

    @property
    def d_margin(self) -> float:
        """D(x) - D(G(z)) in probabilities, over the last fifth; needs `has_probabilities`."""
        return self.final_mean("d_real_probability") - self.final_mean("d_fake_probability")

    @property
    def at_chance(self) -> bool:
        """Whether the discriminator does not separate real from fake samples in the last fifth."""
        if self.is_critic:
            return self.relative_to_peak("logit_gap") < AT_CHANCE_TOLERANCE
        return self.has_probabilities and all(
            abs(self.final_mean(name) - 0.5) < AT_CHANCE_TOLERANCE
            for name in ("d_real_probability", "d_fake_probability")
        )

    @property
    def final_diversity(self) -> float:
        """Mean diversity of the samples over the last fifth; needs the column `"diversity"`."""
        return self.final_mean("diversity")

    @property
    def diversity_improving(self) -> bool:
        """Whether the diversity approaches 1, that of the real data; needs `"diversity"`."""
        last_two_fifths = self.means["diversity"][-2 * FINAL_WINDOWS :].reshape(2, -1).mean(1)
        earlier, last = abs(1 - last_two_fifths)
        return bool(last < DIVERSITY_IMPROVING * earlier)

    @property
    def summary(self) -> str:
        """The last fifth of the run in words, from the columns that are available."""
        first = self.steps * (NUM_WINDOWS - FINAL_WINDOWS) // NUM_WINDOWS + 1
        columns = (
            [("d_real_probability", "D(x)"), ("g_fake_probability", "D(G(z))")]
            if self.has_probabilities
            else [("logit_gap", "the gap D(x) - D(G(z)) of the logits")]
        )
        columns += [("d_loss", "the D loss"), ("g_loss", "the G loss")]
        values = [
            f", {label} is {self.final_mean(name):.3g}"
            for name, label in columns
            if name in self.means
        ]
        return f"over steps {first:,} to {self.steps:,}" + "".join(values)

    @property
    def early_losses(self) -> str:
        """The losses of the second fifth of the run in words; needs both losses."""
        second_fifth = slice(FINAL_WINDOWS, 2 * FINAL_WINDOWS)
        d_loss, g_loss = (self.means[name][second_fifth].mean() for name in ("d_loss", "g_loss"))
        return (
            f"in the second fifth of the run, the D loss was {d_loss:.3g}, the G loss {g_loss:.3g}"
        )


def summarize(metrics: dict[str, np.ndarray], probes: dict[str, np.ndarray]) -> CurveSummary:
    """Returns the window means of the logged curves.

    Args:
      metrics: Columns `[N]`, N at least `NUM_WINDOWS`, all finite; `"step"` is one of them.
      probes: Columns of the sample probe, `[M]` or `[M, …]`; `{}` if there are none.
    """
    steps, sample_change = int(metrics["step"][-1]), None
    means = {name: window_means(column) for name, column in metrics.items()}
    if {"d_real_logits", "d_fake_logits"} <= metrics.keys():
        means["logit_gap"] = window_means(metrics["d_real_logits"] - metrics["d_fake_logits"])
    if "diversity" in probes:
        # Interpolated, because a short run has windows without a probe.
        grid = np.linspace(0, steps, 10 * NUM_WINDOWS)
        means["diversity"] = window_means(np.interp(grid, probes["step"], probes["diversity"]))
    if "sketch" in probes:
        final_steps = probes["step"] >= steps * (1 - FINAL_WINDOWS / NUM_WINDOWS)
        sketches = probes["sketch"][final_steps]
        if len(sketches) > 1 and sketches.any():
            changes = np.linalg.norm(np.diff(sketches, axis=0), axis=1)
            sample_change = float(changes.max() / np.linalg.norm(sketches, axis=1).mean())
    return CurveSummary(steps, means, sample_change)


def window_means(column: np.ndarray) -> np.ndarray:
    """Returns the means `[NUM_WINDOWS]` over equal parts of a column `[N]`."""
    parts = np.array_split(column.astype(np.float64), NUM_WINDOWS)
    return np.array([part.mean() for part in parts])
