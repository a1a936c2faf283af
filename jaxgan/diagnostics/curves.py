"""The recorded curves of a training, summed up in windows, as `diagnostics` reads them."""

from typing import NamedTuple

import numpy as np

WINDOWS, LATE = 20, 4  # windows of a run, and those of its last fifth
PARTED = 0.2  # of a loss, from the second fifth to the last, relative to itself
EVEN = 0.1  # a probability so near to 0.5, or a critic's gap so small a part of its greatest, is chance


class CurveSummary(NamedTuple):
    """What the conditions read.

    Attributes:
      steps: of the run.
      means: the columns of the history, and `gap`, mean D(x) - D(G(z)) of the raw scores; `[WINDOWS]` each.
      diversity: of the samples, `[WINDOWS]`, or None where it is not recorded.
      change: the samples' greatest from probe to probe in the last fifth, relative to their root mean square, or None.
    """

    steps: int
    means: dict[str, np.ndarray]
    diversity: np.ndarray | None
    change: float | None

    def late(self, name: str) -> float:
        """A column's mean over the last fifth."""
        return float(self.means[name][-LATE:].mean())

    def share(self, name: str) -> float:
        """The late size of a column, relative to its greatest before; 0 where it was always 0."""
        sizes = np.abs(self.means[name])
        return float(sizes[-LATE:].mean() / max(sizes[:-LATE].max(), np.finfo(np.float32).tiny))

    def trend(self, name: str) -> int:
        """1 where a column grows from fifth to fifth, the first left out; -1 where it shrinks; else 0."""
        fifths = self.means[name].reshape(-1, LATE).mean(1)[1:]
        signs = np.sign(np.diff(fifths))
        parted = abs(fifths[-1] - fifths[0]) > PARTED * abs(fifths[0])
        return int(signs[0]) if parted and np.all(signs == signs[0]) else 0

    def steady(self, name: str, tolerance: float) -> bool:
        """Whether a column is in the last tenth what it was in the one before."""
        before, last = self.means[name][-LATE:].reshape(2, -1).mean(1)
        return bool(abs(last - before) <= tolerance * max(1, abs(before)))

    @property
    def judged(self) -> bool:
        """Whether the discriminator gives probabilities."""
        return "g_fake_probability" in self.means

    @property
    def lead(self) -> float:
        """The discriminator's: D(x) - D(G(z)), as probabilities."""
        return self.late("d_real_probability") - self.late("d_fake_probability")

    @property
    def even(self) -> bool:
        """Whether the discriminator is at chance."""
        if not self.judged:
            return self.share("gap") < EVEN
        return all(
            abs(self.late(name) - 0.5) < EVEN
            for name in ("d_real_probability", "d_fake_probability")
        )

    @property
    def spread(self) -> float | None:
        """Diversity."""
        return None if self.diversity is None else float(self.diversity[-LATE:].mean())

    @property
    def nearing(self) -> bool:
        """Whether diversity is on its way to the data's."""
        if self.diversity is None:
            return False
        before, last = abs(1 - self.diversity[-2 * LATE :].reshape(2, -1).mean(1))
        return bool(last < 0.95 * before)

    @property
    def seen(self) -> str:
        """The last fifth in words."""
        said = f"over steps {self.steps * (WINDOWS - LATE) // WINDOWS + 1:,} to {self.steps:,} "
        if self.judged:
            said += f"D(x) is {self.late('d_real_probability'):.3g}, D(G(z)) {self.late('g_fake_probability'):.3g}, "
        else:
            said += f"D(x) - D(G(z)) is {self.late('gap'):.3g}, "
        return said + f"D's loss {self.late('d_loss'):.3g} and G's {self.late('g_loss'):.3g}"

    @property
    def before(self) -> str:
        """The losses of the second fifth in words."""
        d, g = (self.means[name][LATE : 2 * LATE].mean() for name in ("d_loss", "g_loss"))
        return f"losses of {d:.3g} and {g:.3g} in the second fifth"


def summarize(history: dict[str, np.ndarray], probes: dict[str, np.ndarray]) -> CurveSummary:
    """The curves of a finite history."""
    steps, diversity, change = int(history["step"][-1]), None, None
    columns = history | {"gap": history["d_real_logits"] - history["d_fake_logits"]}
    if "diversity" in probes:
        grid = np.linspace(0, steps, 10 * WINDOWS)  # a short run has windows without a probe
        diversity = window_means(np.interp(grid, probes["step"], probes["diversity"]))
    if "sketch" in probes:
        late = probes["sketch"][probes["step"] >= steps * (1 - LATE / WINDOWS)]
        if len(late) > 1 and late.any():
            size = np.linalg.norm(late, axis=1).mean()
            change = float(np.linalg.norm(np.diff(late, axis=0), axis=1).max() / size)
    return CurveSummary(
        steps, {name: window_means(column) for name, column in columns.items()}, diversity, change
    )


def window_means(column: np.ndarray) -> np.ndarray:
    """Means over equal parts: `[steps] -> [WINDOWS]`."""
    return np.array([part.mean() for part in np.array_split(column.astype(np.float64), WINDOWS)])
