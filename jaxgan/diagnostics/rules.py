"""Rules that recognize failure modes of GAN training in the logged curves, as one ordered table.

The loss of a GAN does not measure its quality: each loss is relative to an opponent that changes as
well, and in a healthy run both fluctuate indefinitely. The curves do show that one network
dominates the other, or that training has stopped. `RULES` lists these failure modes, and `diagnose`
applies them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxgan.diagnostics import conditions
from jaxgan.diagnostics.curves import NUM_WINDOWS, PROBABILITY_COLUMNS, CurveSummary, summarize
from jaxgan.diagnostics.findings import (
    ADVICE_IMPROVE_D,
    ADVICE_LARGER_G,
    ADVICE_MORE_D_STEPS,
    ADVICE_NEW_RUN,
    ADVICE_WASSERSTEIN,
    NEW_RUN,
    Finding,
)
from jaxgan.diagnostics.nonfinite import find_nonfinite
from jaxgan.diagnostics.thresholds import MIN_STEPS
from jaxgan.errors import DataError

LOSS_COLUMNS = ("d_loss", "g_loss")


class Rule(NamedTuple):
    """How to recognize a failure mode, and what to report.

    Attributes:
      name: See `Finding`. Rules with different causes may share a name.
      requires: Columns of `CurveSummary.means` that the rule reads. Without them it does not apply.
      applies: The condition.
      evidence: Returns the evidence; called only if the rule applies.
      meaning: See `Finding`.
      advice: See `Finding`.
      unless: Names of earlier rules that take precedence: if one of them applies, this rule does
        not.
    """

    name: str
    requires: tuple[str, ...]
    applies: Callable[[CurveSummary], bool]
    evidence: Callable[[CurveSummary], str]
    meaning: str
    advice: tuple[str, ...]
    unless: tuple[str, ...] = ()


def _fooled_evidence(c: CurveSummary) -> str:
    return f"{c.summary}; the D loss is steady, and the G loss began at {c.means['g_loss'][0]:.3g}"


def _winning_evidence(c: CurveSummary) -> str:
    return f"{c.summary}; {c.early_losses}"


def _diversity_evidence(c: CurveSummary) -> str:
    return f"the samples are {c.final_diversity:.2g} times as diverse as the data"


RULES: tuple[Rule, ...] = (
    Rule(
        name="generator degenerate",
        requires=("g_fake_probability", *LOSS_COLUMNS, "diversity"),
        applies=conditions.is_g_degenerate,
        evidence=lambda c: f"{_fooled_evidence(c)}; {_diversity_evidence(c)}",
        meaning=(
            "The generator fools the discriminator with a few samples, whatever they look like. "
            "The generator may be too small to generate better ones, and the discriminator does "
            "not detect them"
        ),
        advice=(ADVICE_LARGER_G, ADVICE_MORE_D_STEPS, ADVICE_WASSERSTEIN, ADVICE_NEW_RUN),
    ),
    Rule(
        name="discriminator too weak",
        requires=("g_fake_probability", *LOSS_COLUMNS),
        unless=("generator degenerate",),
        applies=conditions.is_d_fooled,
        evidence=_fooled_evidence,
        meaning=(
            "The generator fools the discriminator easily, and no longer learns anything from it"
        ),
        advice=(
            ADVICE_MORE_D_STEPS,
            "--update-order d_first, if another order was used",
            "in code, a wider discriminator, or a higher learning rate in d_tx",
            ADVICE_NEW_RUN,
        ),
    ),
    Rule(
        name="vanishing gradient",
        requires=("g_grad_norm",),
        applies=conditions.is_gradient_vanishing,
        evidence=lambda c: (
            f"{c.summary}; the norm of G's gradient is {c.final_mean('g_grad_norm'):.2g}, "
            f"its maximum was {c.means['g_grad_norm'].max():.2g}"
        ),
        meaning=(
            "The discriminator is certain, and therefore so flat around the fake samples that the "
            "generator no longer learns"
        ),
        advice=(
            "losses.non_saturating, if the loss is minimax",
            "fewer --d-steps; in code, a lower learning rate in d_tx",
            ADVICE_WASSERSTEIN,
            ADVICE_NEW_RUN,
        ),
    ),
    Rule(
        name="discriminator winning",
        requires=(*PROBABILITY_COLUMNS, *LOSS_COLUMNS),
        unless=("vanishing gradient",),
        applies=conditions.is_d_winning,
        evidence=_winning_evidence,
        meaning=(
            "The discriminator separates every sample from the data, which leaves the generator "
            "little to learn from"
        ),
        advice=(
            "--g-steps 2",
            ADVICE_LARGER_G,
            "in code, a lower learning rate in d_tx, or penalty=penalties.r1(1.0)",
            ADVICE_WASSERSTEIN,
            ADVICE_NEW_RUN,
        ),
    ),
    Rule(
        name="generator winning",
        requires=(*PROBABILITY_COLUMNS, *LOSS_COLUMNS),
        unless=("generator degenerate", "discriminator too weak"),
        applies=conditions.is_g_winning,
        evidence=_winning_evidence,
        meaning=(
            "The discriminator rates fake samples as real: the generator changes faster than the "
            "discriminator learns"
        ),
        advice=(
            ADVICE_MORE_D_STEPS,
            "in code, a lower learning rate in g_tx, or a wider discriminator",
            ADVICE_NEW_RUN,
        ),
    ),
    Rule(
        name="critic running away",
        requires=("logit_gap",),
        applies=conditions.is_critic_running_away,
        evidence=lambda c: (
            f"{c.summary}; in the first half of the run, this gap was at most "
            f"{conditions.first_half_gap(c):.3g}"
        ),
        meaning=(
            "The gradient of the critic is not constrained, or the generator falls further and "
            "further behind it"
        ),
        advice=(
            "--preset gradient-penalty of mnist_wgan; "
            "in code, penalty=penalties.gradient_penalty(10.0)",
            "--g-steps 2",
            ADVICE_NEW_RUN,
        ),
    ),
    Rule(
        name="discriminator at chance",
        requires=("d_grad_norm",),
        applies=conditions.is_d_dead,
        evidence=lambda c: (
            f"{c.summary}; the norm of D's gradient is {c.final_mean('d_grad_norm'):.2g}"
        ),
        meaning=(
            "The discriminator does not learn. Its gradient is 0, because its units are dead or "
            "saturated"
        ),
        advice=("a lower --learning-rate", *ADVICE_IMPROVE_D),
    ),
    Rule(
        name="discriminator at chance",
        requires=(*PROBABILITY_COLUMNS, "diversity"),
        unless=("discriminator at chance",),
        applies=conditions.is_d_indifferent,
        evidence=lambda c: f"{c.summary}; {_diversity_evidence(c)}",
        meaning=(
            "The discriminator does not retain what it learns: it does not separate the samples "
            "from the data, although they differ"
        ),
        advice=ADVICE_IMPROVE_D,
    ),
    Rule(
        name="standstill",
        requires=LOSS_COLUMNS,
        unless=("vanishing gradient", "discriminator at chance"),
        applies=conditions.is_standing_still,
        evidence=lambda c: (
            f"{c.summary}, and both losses are flat; from probe to probe the samples change by at "
            f"most {c.sample_change:.1g} of their root mean square"
        ),
        meaning="The networks no longer learn: while they do, the losses fluctuate",
        advice=(
            "no further steps, if the samples are good",
            f"otherwise, a higher --learning-rate or another --seed, in {NEW_RUN}",
            ADVICE_WASSERSTEIN,
        ),
    ),
    Rule(
        name="mode collapse",
        requires=("diversity",),
        unless=("generator degenerate", "discriminator too weak"),
        applies=conditions.is_collapsed,
        evidence=lambda c: (
            f"{c.summary}; {_diversity_evidence(c)}; their largest diversity was "
            f"{conditions.best_diversity(c):.2g}"
        ),
        meaning=(
            "The generator repeats a few samples: it evades the discriminator instead of "
            "approaching the data"
        ),
        advice=(
            f"--g-steps 1, and {ADVICE_MORE_D_STEPS}",
            "a lower --learning-rate",
            "a larger --batch-size",
            ADVICE_WASSERSTEIN,
            ADVICE_NEW_RUN,
        ),
    ),
    Rule(
        name="discriminator ends in a sigmoid",
        requires=("d_real_probability", "d_real_logits", "d_fake_logits"),
        applies=conditions.is_d_output_a_probability,
        evidence=lambda c: (
            f"{c.summary}; the mean outputs of the discriminator stayed between 0 and 1, for real "
            f"samples at {c.final_mean('d_real_logits'):.2g}, for fake ones at "
            f"{c.final_mean('d_fake_logits'):.2g}"
        ),
        meaning=(
            "The discriminator probably returns probabilities instead of logits. The loss applies "
            "a sigmoid itself, so the gradients are too small"
        ),
        advice=("in code, the last layer of the discriminator without a sigmoid", ADVICE_NEW_RUN),
    ),
)


def is_conclusive(metrics: dict[str, np.ndarray]) -> bool:
    """Returns whether a history is long enough to judge: `MIN_STEPS` steps in `NUM_WINDOWS` rows.

    Args:
      metrics: See `diagnose`.

    Raises:
      DataError: If there are columns, but none named `"step"`.
    """
    if not metrics:
        return False
    if "step" not in metrics:
        raise DataError(
            f"the metrics have the columns {', '.join(metrics)}, expected one named 'step' too; "
            "add the train step of each row"
        )
    steps = metrics["step"]
    return len(steps) >= NUM_WINDOWS and bool(steps[-1] >= MIN_STEPS)


def diagnose(metrics: dict[str, np.ndarray], probes: dict[str, np.ndarray]) -> list[Finding]:
    """Returns the failure modes that the curves of a run show.

    If `is_conclusive(metrics)`, an empty list means that the run looks healthy. Otherwise the
    history is too short, and an empty list means nothing. Rules whose columns are missing do not
    apply. A non-finite loss or gradient is found in a history of any length, and is then the only
    finding.

    Args:
      metrics: The columns of metrics.jsonl, `[N]` each, as `metric_log.read_columns` returns them;
        or their means over windows of equal length, each with the last step of its window. Only
        `"step"` is required.
      probes: The columns of probes.jsonl, as `make_sample_probe` records them; `{}` if there are
        none.

    Raises:
      DataError: If there are metrics, but no column `"step"`.
    """
    conclusive = is_conclusive(metrics)
    if metrics and (finding := find_nonfinite(metrics)):
        return [finding]
    if not conclusive:
        return []
    curves, findings, found = summarize(metrics, probes), [], set()
    for rule in RULES:
        if (
            curves.has_columns(*rule.requires)
            and found.isdisjoint(rule.unless)
            and rule.applies(curves)
        ):
            findings.append(Finding(rule.name, rule.evidence(curves), rule.meaning, rule.advice))
            found.add(rule.name)
    return findings
