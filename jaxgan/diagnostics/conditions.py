"""Conditions of the diagnostic rules: predicates on the summarized curves.

Losses fluctuate, and one network may be ahead for a while. The conditions therefore read window
means: those of the last fifth of the run, unless stated otherwise.
"""

import numpy as np

from jaxgan.diagnostics.curves import NUM_WINDOWS, CurveSummary
from jaxgan.diagnostics.thresholds import (
    CRITIC_GAP_OPEN,
    CRITIC_GAP_RUNAWAY,
    D_FOOLED_PROBABILITY,
    D_GRAD_DEAD,
    D_MARGIN_AHEAD,
    D_MARGIN_BEHIND,
    D_MARGIN_CERTAIN,
    DIVERSITY_COLLAPSED,
    DIVERSITY_COLLAPSED_EARLY,
    DIVERSITY_FALLEN,
    DIVERSITY_UNLIKE_DATA,
    EARLY_STEPS,
    G_GRAD_VANISHED,
    LOSS_FLAT_TOLERANCE,
    LOSS_STEADY_TOLERANCE,
    PROBABILITY_GAP_MIN,
    SAMPLE_CHANGE_MIN,
)


def is_d_fooled(c: CurveSummary) -> bool:
    """The discriminator rates fake samples as real, and its loss is steady."""
    fake_probability = c.final_mean("g_fake_probability")
    return fake_probability >= D_FOOLED_PROBABILITY and c.is_steady("d_loss", LOSS_STEADY_TOLERANCE)


def is_g_degenerate(c: CurveSummary) -> bool:
    """The discriminator is fooled by samples of little diversity."""
    return is_d_fooled(c) and c.final_diversity < DIVERSITY_FALLEN


def is_d_winning(c: CurveSummary) -> bool:
    """The discriminator is certain; or it is far ahead, its loss shrinks and G's loss grows."""
    losses_diverge = c.trend("d_loss") < 0 < c.trend("g_loss")
    return c.d_margin > D_MARGIN_CERTAIN or (c.d_margin > D_MARGIN_AHEAD and losses_diverge)


def is_g_winning(c: CurveSummary) -> bool:
    """Fake samples score higher than real ones; or D is fooled, and the losses diverge."""
    fooled = c.final_mean("g_fake_probability") > D_FOOLED_PROBABILITY
    losses_diverge = c.trend("g_loss") < 0 < c.trend("d_loss")
    return c.d_margin < D_MARGIN_BEHIND or (fooled and losses_diverge)


def first_half_gap(c: CurveSummary) -> float:
    """Returns the largest gap D(x) - D(G(z)) of the logits in the first half of the run."""
    return float(np.abs(c.means["logit_gap"][: NUM_WINDOWS // 2]).max())


def is_critic_running_away(c: CurveSummary) -> bool:
    """A critic's scores of real and fake samples diverge."""
    return (
        c.is_critic
        and c.trend("logit_gap") > 0
        and c.final_mean("logit_gap") >= CRITIC_GAP_RUNAWAY * first_half_gap(c)
    )


def is_gradient_vanishing(c: CurveSummary) -> bool:
    """The discriminator is certain, and the generator's gradient has vanished."""
    if c.is_critic:
        certain = c.relative_to_peak("logit_gap") > CRITIC_GAP_OPEN
    else:
        certain = c.has_probabilities and c.d_margin > D_MARGIN_CERTAIN
    return certain and c.relative_to_peak("g_grad_norm") <= G_GRAD_VANISHED


def is_d_dead(c: CurveSummary) -> bool:
    """The discriminator is at chance, and its gradient is 0."""
    return c.at_chance and c.final_mean("d_grad_norm") < D_GRAD_DEAD


def is_d_indifferent(c: CurveSummary) -> bool:
    """The discriminator is at chance, although the diversity of the samples is unlike the data's.

    If the samples resemble the data, chance is the equilibrium. While the diversity approaches the
    data's, the generator still learns.
    """
    like_data = 1 / DIVERSITY_UNLIKE_DATA < c.final_diversity < DIVERSITY_UNLIKE_DATA
    return c.at_chance and not like_data and not c.diversity_improving


def is_standing_still(c: CurveSummary) -> bool:
    """Both losses are flat, and the samples no longer change."""
    losses_flat = all(c.is_steady(name, LOSS_FLAT_TOLERANCE) for name in ("d_loss", "g_loss"))
    return losses_flat and c.sample_change is not None and c.sample_change <= SAMPLE_CHANGE_MIN


def is_collapsed(c: CurveSummary) -> bool:
    """The samples have lost diversity; or their diversity is low and they still change."""
    if c.diversity_improving:
        return False
    # Low diversity is normal early in a run, unless D does not separate the samples from the data.
    early = c.steps < EARLY_STEPS and not (c.has_probabilities and c.at_chance)
    threshold = DIVERSITY_COLLAPSED_EARLY if early else DIVERSITY_COLLAPSED
    changing = c.sample_change is None or c.sample_change > SAMPLE_CHANGE_MIN
    alike = c.final_diversity < threshold and changing
    fallen = not early and c.final_diversity <= DIVERSITY_FALLEN * best_diversity(c)
    return alike or fallen


def best_diversity(c: CurveSummary) -> float:
    """Returns the largest diversity of the run, at most 1."""
    return min(1.0, float(c.means["diversity"].max()))


def is_d_output_a_probability(c: CurveSummary) -> bool:
    """The mean outputs of D stay in [0, 1] throughout the run, and differ between real and fake.

    Logits of fake samples are negative as soon as the discriminator recognizes them.
    """
    outputs = np.concatenate([c.means["d_real_logits"], c.means["d_fake_logits"]])
    bounded = outputs.min() >= 0 and outputs.max() <= 1
    return bool(bounded) and c.means["logit_gap"].max() > PROBABILITY_GAP_MIN
