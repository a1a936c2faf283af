"""Measurements, beside PyTorch's where there is a peer."""

import experiments  # noqa: F401  # both sides start as an experiment does
