"""Benchmarks of training speed and cost, and the numerical comparison with PyTorch."""

# Imported for its garbage collector threshold, so that JAX and PyTorch workers start like an
# experiment does.
import experiments  # noqa: F401
