"""Exceptions raised by jaxgan. Each message gives the value, what was expected, and what to do.

Ranks and dtypes are checked when a function is traced, so the checks cost nothing at run time.
Values are checked on the host: in command lines, in files, and in arrays when they are passed in.
"""


class JaxganError(ValueError):
    """Base class of all errors that jaxgan raises."""


class ShapeError(JaxganError):
    """An array has the wrong rank or shape."""


class DtypeError(JaxganError):
    """An array has the wrong dtype."""


class ConfigError(JaxganError):
    """A setting is out of range, or contradicts another setting or the existing run."""


class DataError(JaxganError):
    """A data set is unavailable or malformed."""


class CheckpointError(JaxganError):
    """A checkpoint is missing, corrupt, or belongs to a different run."""


class CorruptCheckpointError(CheckpointError):
    """A checkpoint differs from what was saved."""


class TrainingError(JaxganError):
    """Training cannot continue, for example because the loss is not finite."""
