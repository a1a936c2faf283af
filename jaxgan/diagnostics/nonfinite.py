"""Finds the first non-finite loss or gradient of a run."""

import numpy as np

from jaxgan.diagnostics.findings import NEW_RUN, Finding

NETWORKS = {"d_": "discriminator", "g_": "generator"}  # by the prefix of their columns


def find_nonfinite(metrics: dict[str, np.ndarray]) -> Finding | None:
    """Returns the finding "not finite", or None if all losses and gradients are finite.

    Args:
      metrics: Columns `[N]`; `"step"` is one of them. A row is non-finite if a value of a network
        is, or if its column `d_finite` or `g_finite` is false.
    """
    rows = {network: nonfinite_rows(metrics, prefix) for prefix, network in NETWORKS.items()}
    either = np.any(list(rows.values()), axis=0)
    if not either.any():
        return None
    first = int(np.argmax(either))
    networks = " and the ".join(network for network in rows if rows[network][first])
    return Finding(
        "not finite",
        f"step {int(metrics['step'][first]):,} is the first at which a loss or gradient of the "
        f"{networks} is NaN or infinite",
        "The updates before it were too large, or a value exceeded the range of its precision",
        (
            f"a tenth of the --learning-rate, in {NEW_RUN}",
            "--precision float32, if it was bf16",
            "in code, a check of custom losses and penalties for logarithms, roots and divisions "
            "at 0",
        ),
    )


def nonfinite_rows(metrics: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    """Returns a mask `[N]` of the rows in which a column with the prefix is not finite."""
    mask = np.zeros(len(metrics["step"]), bool)
    for name, column in metrics.items():
        if name.startswith(prefix):
            mask |= ~np.isfinite(column) | ((column == 0) & (name == f"{prefix}finite"))
    return mask
