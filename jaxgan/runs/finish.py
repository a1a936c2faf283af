"""The end of a run on the command line: final scores, the short report, and the exit status."""

import sys
from collections.abc import Callable

from jaxgan.distributed.multihost import is_primary_process
from jaxgan.report.page import write_report
from jaxgan.runs.config import RunConfig
from jaxgan.runs.console import print_line
from jaxgan.training.config_file import read_config


def finish_run(config: RunConfig, step: int, score_fn: Callable[[], None] | None = None) -> None:
    """Ends an experiment's command: computes final scores, and writes the short report.

    The last line of the output is the path of the report. Exits with status 130 if the run was
    stopped before its last train step.

    Args:
      config: The configuration.
      step: The train step that `train` returned.
      score_fn: Computes and prints the final scores; None for none. Called in the primary process
        only, if the run has reached its last train step.
    """
    record = read_config(config.workdir)
    stopped = record is not None and step < record["train"]["options"]["steps"]
    if score_fn is not None and not stopped and is_primary_process():
        score_fn()
    report_run(config)
    if stopped:
        sys.exit(130)


def report_run(config: RunConfig) -> None:
    """Writes the short report of a run in the primary process; prints its path or the error."""
    if not (config.report and is_primary_process()):
        return
    try:
        print_line(f"Report: {write_report(config.workdir, short=True)}")
    except ModuleNotFoundError as error:
        print_line(
            f"No report was written: it needs the package {error.name}; install it with: "
            "pip install 'jaxgan[report]'"
        )
    except Exception as error:  # a failed report must not fail the run
        print_line(f"The report could not be written: {type(error).__name__}: {error}")
