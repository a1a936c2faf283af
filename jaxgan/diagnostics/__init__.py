"""Recognizes failure modes of GAN training in the logged curves."""

from jaxgan.diagnostics.curves import CurveSummary, summarize
from jaxgan.diagnostics.findings import Finding
from jaxgan.diagnostics.monitor import make_monitor
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.diagnostics.rules import RULES, Rule, diagnose, is_conclusive
from jaxgan.diagnostics.thresholds import MIN_STEPS

__all__ = [
    "MIN_STEPS",
    "RULES",
    "CurveSummary",
    "Finding",
    "Rule",
    "diagnose",
    "is_conclusive",
    "make_monitor",
    "make_sample_probe",
    "summarize",
]
