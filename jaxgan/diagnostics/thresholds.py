"""Thresholds of the diagnostic rules.

The values separate healthy from failing runs of the systems in `experiments`. They were set on
seeds 0, 1 and 2. D is the discriminator, G the generator.
"""

# Run length, in train steps. Nearly every run begins one-sided, because the discriminator has the
# easier task.
MIN_STEPS = 1_000
# Healthy MLP GANs generate nearly identical samples for up to 4,000 steps, with D far ahead.
EARLY_STEPS = 5_000

# Trend: relative change of a column, such as a loss, from the second fifth of the run to the last.
TREND_MIN_CHANGE = 0.2

# Discriminator at chance: distance of its probabilities from 0.5; for a critic, its mean logit gap
# D(x) - D(G(z)) relative to the largest gap before.
AT_CHANCE_TOLERANCE = 0.1

# Margin D(x) - D(G(z)) of the probabilities, and the probability D(G(z)).
D_MARGIN_CERTAIN = 0.98  # healthy MLPs on digits reach 0.9
D_MARGIN_AHEAD = 0.95  # sufficient if the losses diverge as well
D_MARGIN_BEHIND = -0.1  # fake samples score higher than real ones; the margin is >= 0 otherwise
D_FOOLED_PROBABILITY = 0.9  # D(G(z)) at which the non-saturating generator loss is 0.1

# Gap D(x) - D(G(z)) of a critic's logits.
CRITIC_GAP_OPEN = 0.5  # relative to the largest gap before; the critic still separates the batches
# Relative to the largest gap in the first half of the run. A constrained critic has its largest gap
# early, on bad samples.
CRITIC_GAP_RUNAWAY = 1.5

# Gradient norms.
G_GRAD_VANISHED = 0.01  # relative to the largest before; healthy generators keep 0.1
D_GRAD_DEAD = 1e-5  # absolute; a critic with clipped weights has recovered from 0.02

# Change of a loss from the second to last tenth of the run to the last; relative, or absolute if
# the loss is below 1.
LOSS_STEADY_TOLERANCE = 0.25  # the loss does not respond to the other network
LOSS_FLAT_TOLERANCE = 0.05  # the loss does not change at all

# Change of the samples from probe to probe, relative to their root mean square. Healthy runs stay
# above 1e-2.
SAMPLE_CHANGE_MIN = 1e-3

# Diversity: total standard deviation of the samples relative to that of the real data. Healthy runs
# end between 0.7 and 1.2.
DIVERSITY_COLLAPSED = 0.25
DIVERSITY_COLLAPSED_EARLY = 0.02  # before EARLY_STEPS; an untrained generator has 0.1
# Relative to the largest diversity so far, or to 1 if that is larger than 1. Absolute for the rule
# "generator degenerate".
DIVERSITY_FALLEN = 0.5
DIVERSITY_UNLIKE_DATA = 2.0  # factor above or below the data's diversity
DIVERSITY_IMPROVING = 0.95  # ratio of the distances from 1, last fifth to the fifth before
PROBABILITY_GAP_MIN = 0.05  # of D(x) - D(G(z)), if the outputs seem to be probabilities
