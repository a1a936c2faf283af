"""What the recorded curves of a training say, and what to try.

Neither loss of a GAN says how good it is: each is measured against an opponent that moves too, and where all is well
both go up and down without end. What they do show is that there is no game left: one player has won, or has stopped.
Each condition is a function of the curves, and `diagnose` asks them all. Because losses fluctuate, and a player may be
ahead for a while, conditions read means over windows: those of the last fifth, unless they say otherwise.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxgan.diagnostics.curves import WINDOWS, CurveSummary, summarize

# Of time. Nearly every run begins one-sided, for the discriminator has the easier task.
MIN_STEPS = 1_000
EARLY_STEPS = (
    5_000  # healthy perceptrons paint nearly everything alike for up to 4,000, D well ahead of them
)

# Of D(x) - D(G(z)), or of D(G(z)), as probabilities.
D_MARGIN_CERTAIN = 0.98  # healthy perceptrons on digits reach 0.9
D_MARGIN_AHEAD = 0.95  # suffices where the losses part as well
D_MARGIN_BEHIND = -0.1  # fakes are rated above real samples; in an even game it is 0 or more
D_FOOLED_PROBABILITY = 0.9  # D(G(z)) that leaves a non-saturating loss of 0.1

# Of gradients and of a critic's gap, D(x) - D(G(z)) in scores, relative to their greatest.
CRITIC_GAP_OPEN = 0.5  # a critic that still tells real from fake
G_GRAD_VANISHED = 0.01  # healthy generators keep 0.1, where the discriminator tells anything
D_GRAD_DEAD = 1e-5  # of the norm itself; a clipped critic has come back from 0.02
CRITIC_GAP_RUNAWAY = 1.5  # of the first half's greatest: a critic that is held has its greatest gap early, on bad samples

# Of a loss, from window to window, relative to itself; absolute where it is below 1.
LOSS_STEADY_TOLERANCE = 0.25  # over the last tenths: it does not follow the other
LOSS_FLAT_TOLERANCE = 0.05  # over the last tenths: nothing happens

# Of the samples.
SAMPLE_CHANGE_MIN = 1e-3  # change from probe to probe, relative to their root mean square; healthy ones stay above 1e-2
DIVERSITY_COLLAPSED = 0.25  # diversity; healthy runs end between 0.7 and 1.2
DIVERSITY_COLLAPSED_EARLY = (
    0.02  # diversity that is a collapse early on, too: an untrained generator has 0.1
)
DIVERSITY_FALLEN = 0.5  # diversity relative to its greatest, or to 1 if that was above
DIVERSITY_UNLIKE_DATA = 2.0  # times more or less diverse than the data

ADVICE_MORE_D_STEPS = "more updates of the discriminator: --d-steps 2 to 5"
ADVICE_LARGER_G = "a generator that can do more: --g-layers 3, or --g-width 512"
ADVICE_WASSERSTEIN = "a critic, whose gradient does not fade: python -m experiments.mnist_wgan --preset gradient-penalty"
ADVICE_RESTART = "start anew for it, with --overwrite or another --workdir"


class Finding(NamedTuple):
    """Something that the curves say.

    Attributes:
      name: of the condition, such as `"mode collapse"`.
      seen: the figures and steps it is read from.
      means: what it likely means.
      advice: what to try.
    """

    name: str
    seen: str
    means: str
    advice: Sequence[str]


def diagnose(history: dict[str, np.ndarray], probes: dict[str, np.ndarray]) -> list[Finding]:
    """What is wrong with a training; empty where it looks healthy, or is too short to tell.

    Args:
      history: the columns of metrics.jsonl, `[steps]` each; or their means over windows of equal length, each with the
        last step of its window.
      probes: the columns of probes.jsonl, as `probes.sample_probe` records them; `{}` where there are none.
    """
    if not history:
        return []
    if broken := not_finite(history):
        return [broken]
    if history["step"][-1] < MIN_STEPS or len(history["step"]) < WINDOWS:
        return []
    curves = summarize(history, probes)
    return [finding for condition in CONDITIONS if (finding := condition(curves))]


def not_finite(history: dict[str, np.ndarray]) -> Finding | None:
    """A loss or a gradient is NaN or infinite."""
    bad = {
        player: np.any(
            [~np.isfinite(x) for name, x in history.items() if name.startswith(prefix)], axis=0
        )
        | (history[f"{prefix}finite"] == 0)
        for prefix, player in (("d_", "discriminator"), ("g_", "generator"))
    }
    either = np.any(list(bad.values()), axis=0)
    if not either.any():
        return None
    first = int(np.argmax(either))
    players = " and ".join(player for player, rows in bad.items() if rows[first])
    return Finding(
        "not finite",
        f"step {int(history['step'][first]):,} is the first with a loss or gradient that is NaN or infinite, of the "
        f"{players}",
        "The updates before it were too large, or a number left the range of its precision",
        (
            f"a tenth of the --learning-rate; {ADVICE_RESTART}",
            "--precision float32, if it was bf16",
            "in code, a look for logarithms, roots and divisions at 0 in losses and penalties of your own",
        ),
    )


def fooled(c: CurveSummary) -> Finding | None:
    """The generator's loss has rushed to zero, and the discriminator's stands still."""
    if (
        not c.judged
        or c.late("g_fake_probability") < D_FOOLED_PROBABILITY
        or not c.steady("d_loss", LOSS_STEADY_TOLERANCE)
    ):
        return None
    seen = f"{c.seen}, D's standing still; G's began at {c.means['g_loss'][0]:.3g}"
    if c.spread is not None and c.spread < DIVERSITY_FALLEN:
        return Finding(
            "generator degenerate",
            f"{seen}; the samples are {c.spread:.2f} times as diverse as the data",
            "The generator gets by with a few samples that pass for real whatever they look like; it may be too weak "
            "to paint better ones, and the discriminator does not see through it",
            (ADVICE_LARGER_G, ADVICE_MORE_D_STEPS, ADVICE_WASSERSTEIN, ADVICE_RESTART),
        )
    return Finding(
        "discriminator too weak",
        seen,
        "The generator fools the discriminator easily, and learns nothing more from it",
        (
            ADVICE_MORE_D_STEPS,
            "--order d_first, if it was another",
            "in code, a wider discriminator, or a faster d_tx",
            ADVICE_RESTART,
        ),
    )


def discriminator_wins(c: CurveSummary) -> Finding | None:
    """Its loss is small or shrinking, the generator's is large or growing."""
    if not c.judged or vanishing(c):
        return None
    if c.lead > D_MARGIN_CERTAIN or (
        c.lead > D_MARGIN_AHEAD and c.trend("d_loss") < 0 < c.trend("g_loss")
    ):
        return Finding(
            "discriminator winning",
            f"{c.seen}, after {c.before}",
            "The discriminator tells every sample from the data, which leaves the generator little to go by",
            (
                "--g-steps 2",
                ADVICE_LARGER_G,
                "in code, a slower d_tx, or penalty=penalties.r1(1.0)",
                ADVICE_WASSERSTEIN,
                ADVICE_RESTART,
            ),
        )
    return None


def generator_wins(c: CurveSummary) -> Finding | None:
    """Its loss is small or shrinking, the discriminator's is large or growing."""
    if not c.judged or fooled(c):
        return None
    growing = c.late("g_fake_probability") > D_FOOLED_PROBABILITY and c.trend(
        "g_loss"
    ) < 0 < c.trend("d_loss")
    if c.lead < D_MARGIN_BEHIND or growing:
        return Finding(
            "generator winning",
            f"{c.seen}, after {c.before}",
            "The discriminator takes fakes for real: it learns more slowly than it is fooled",
            (
                ADVICE_MORE_D_STEPS,
                "in code, a slower g_tx, or a wider discriminator",
                ADVICE_RESTART,
            ),
        )
    return None


def runs_away(c: CurveSummary) -> Finding | None:
    """A critic's scores of real samples and fakes drift apart: what winning is where there are no probabilities."""
    first_half = np.abs(c.means["gap"][: WINDOWS // 2]).max()
    if c.judged or c.trend("gap") < 1 or c.late("gap") < CRITIC_GAP_RUNAWAY * first_half:
        return None
    return Finding(
        "critic running away",
        f"{c.seen}; D(x) - D(G(z)) was at most {first_half:.3g} in the first half",
        "Nothing keeps the critic from being steep, or the generator falls ever further behind it",
        (
            "--preset gradient-penalty of mnist_wgan; in code, penalty=penalties.gradient(10.0)",
            "--g-steps 2",
            ADVICE_RESTART,
        ),
    )


def vanishing(c: CurveSummary) -> Finding | None:
    """The discriminator is certain, and no gradient reaches the generator through it."""
    certain = c.lead > D_MARGIN_CERTAIN if c.judged else c.share("gap") > CRITIC_GAP_OPEN
    if not certain or c.share("g_grad_norm") > G_GRAD_VANISHED:
        return None
    return Finding(
        "vanishing gradient",
        f"{c.seen}; G's gradient is {c.late('g_grad_norm'):.2g}, it was up to {c.means['g_grad_norm'].max():.2g}",
        "The discriminator is certain, and so flat around the fakes that the generator no longer learns",
        (
            "losses.non_saturating, if the loss is minimax",
            "in code, a slower d_tx, or fewer --d-steps",
            ADVICE_WASSERSTEIN,
            ADVICE_RESTART,
        ),
    )


def at_chance(c: CurveSummary) -> Finding | None:
    """The discriminator tells nothing apart, though this is not the equilibrium."""
    dead = c.late("d_grad_norm") < D_GRAD_DEAD
    unlike = (
        c.judged
        and c.spread is not None
        and not 1 / DIVERSITY_UNLIKE_DATA < c.spread < DIVERSITY_UNLIKE_DATA
        and not c.nearing
    )
    if not c.even or not (dead or unlike):
        return None
    seen, means = (
        f"{c.seen}; D's gradient is {c.late('d_grad_norm'):.2g}",
        "The discriminator learns nothing",
    )
    if unlike:
        seen += f", and the samples are {c.spread:.2g} times as diverse as the data"
        means += " that it keeps: samples unlike the data pass for them"
    if dead:
        means += ". Its gradient is 0: its units are dead, or saturated"
    advice = (
        ADVICE_MORE_D_STEPS,
        "in code, leaky_relu instead of relu in the discriminator, or a faster d_tx",
        ADVICE_WASSERSTEIN,
        ADVICE_RESTART,
    )
    return Finding(
        "discriminator at chance",
        seen,
        means,
        ("a lower --learning-rate", *advice) if dead else advice,
    )


def standstill(c: CurveSummary) -> Finding | None:
    """The losses are flat, and the samples no longer change."""
    if (
        c.change is None
        or c.change > SAMPLE_CHANGE_MIN
        or not (c.steady("d_loss", LOSS_FLAT_TOLERANCE) and c.steady("g_loss", LOSS_FLAT_TOLERANCE))
    ):
        return None
    if vanishing(c) or at_chance(c):  # that is why
        return None
    return Finding(
        "standstill",
        f"{c.seen}, both flat; from probe to probe the samples change by at most {c.change:.1g} of their size",
        "Nothing is learned any more, for better or worse: the losses of a live game fluctuate",
        (
            "no more steps, if the samples are good",
            f"else a higher --learning-rate, or another --seed; {ADVICE_RESTART}",
            ADVICE_WASSERSTEIN,
        ),
    )


def collapsed(c: CurveSummary) -> Finding | None:
    """The samples have become alike."""
    if c.spread is None or c.diversity is None or c.nearing or fooled(c):
        return None
    early, best = c.steps < EARLY_STEPS and not (c.judged and c.even), min(1.0, c.diversity.max())
    alike = c.spread < (DIVERSITY_COLLAPSED_EARLY if early else DIVERSITY_COLLAPSED) and (
        c.change is None or c.change > SAMPLE_CHANGE_MIN
    )
    if not alike and (early or c.spread > DIVERSITY_FALLEN * best):
        return None
    return Finding(
        "mode collapse",
        f"{c.seen}; the samples are {c.spread:.2g} times as diverse as the data, and were up to {best:.2g}",
        "The generator makes a few samples over and over, running from the discriminator instead of towards the data",
        (
            f"--g-steps 1, and {ADVICE_MORE_D_STEPS}",
            "a lower --learning-rate",
            "a larger --batch-size",
            ADVICE_WASSERSTEIN,
            ADVICE_RESTART,
        ),
    )


CONDITIONS = (
    *(fooled, discriminator_wins, generator_wins, runs_away, vanishing),
    *(at_chance, standstill, collapsed),
)
