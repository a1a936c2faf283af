"""The findings of a diagnosis, and the advice that several findings share."""

from typing import NamedTuple

ADVICE_MORE_D_STEPS = "more updates of the discriminator: --d-steps 2 to 5"
ADVICE_LARGER_G = "a larger generator; for MLPs, --g-layers 3 or --g-width 512"
ADVICE_WASSERSTEIN = (
    "a Wasserstein critic, whose gradient does not vanish: "
    "python -m experiments.mnist_wgan --preset gradient-penalty"
)
NEW_RUN = "a new run: --overwrite, or another --workdir"
ADVICE_NEW_RUN = f"for each of these, {NEW_RUN}"
ADVICE_IMPROVE_D = (
    ADVICE_MORE_D_STEPS,
    "in code, leaky_relu instead of relu in the discriminator, or a higher learning rate in d_tx",
    ADVICE_WASSERSTEIN,
    ADVICE_NEW_RUN,
)


class Finding(NamedTuple):
    """A failure mode that the curves show.

    Attributes:
      name: Name of the failure mode, such as `"mode collapse"`.
      evidence: The values and steps that show it.
      meaning: The likely cause or consequence.
      advice: Remedies to try.
    """

    name: str
    evidence: str
    meaning: str
    advice: tuple[str, ...]
