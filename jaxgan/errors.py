"""The errors a user can cause. Each message gives the value, what was expected and what to do.

Ranks and dtypes are refused when a function is traced, so a check costs nothing at run time; values are checked at the
host's borders: command lines, files, and arrays as they are handed in.
"""


class JaxganError(ValueError):
    """Whatever jaxgan refuses."""


class ShapeError(JaxganError):
    """An array of the wrong rank or shape."""


class DtypeError(JaxganError):
    """An array of the wrong dtype."""


class ConfigError(JaxganError):
    """A setting out of its range, or one that contradicts another or the run it is meant for."""


class DataError(JaxganError):
    """A data set that cannot be had, or is not what it should be."""


class CheckpointError(JaxganError):
    """A checkpoint that is missing, damaged, or of another run."""


class CorruptCheckpointError(CheckpointError):
    """A checkpoint that is not what was saved."""


class TrainingError(JaxganError):
    """Training that cannot go on, such as after a loss that is not finite."""
