"""Exports the generator of a run with `jax.export`, to files that need only JAX to load."""

from jaxgan.export.run_export import export_run

__all__ = ["export_run"]
