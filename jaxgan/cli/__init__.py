"""The subcommands of the `jaxgan` command: tools for runs and for the classifier."""

from typing import Annotated

import tyro

from jaxgan.cli import classifier, evaluate, export, report, sample, stability
from jaxgan.runs.command_line import exit_on_error
from jaxgan.runs.option_groups import set_help

SUBCOMMANDS = {
    "sample": sample,
    "evaluate": evaluate,
    "report": report,
    "stability": stability,
    "export": export,
    "classifier": classifier,
}


def main() -> None:
    """Parses the command line and runs the subcommand."""
    with exit_on_error(resumable=False):
        config = tyro.cli(
            Annotated[sample.Config, make_subcommand("sample")]
            | Annotated[evaluate.Config, make_subcommand("evaluate")]
            | Annotated[report.Config, make_subcommand("report")]
            | Annotated[stability.Config, make_subcommand("stability")]
            | Annotated[export.Config, make_subcommand("export")]
            | Annotated[classifier.Config, make_subcommand("classifier")],
            prog="jaxgan",
            description="Tools for runs of jaxgan.",
            config=(tyro.conf.FlagCreatePairsOff,),
        )
        module = next(m for m in SUBCOMMANDS.values() if isinstance(config, m.Config))
        module.run(config)


def make_subcommand(name: str):
    """Returns tyro's configuration of a subcommand, with its module's docstring as the help."""
    set_help(SUBCOMMANDS[name].Config)
    return tyro.conf.subcommand(name, description=SUBCOMMANDS[name].__doc__)
