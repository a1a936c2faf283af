"""The `jaxgan` command; `python -m jaxgan` is the same."""

import os
import sys


def main() -> None:
    """Runs a subcommand of `jaxgan.cli`; says what to install if a package is missing."""
    # `python -m` adds the current directory to the path. The console script must do so too, so that
    # the experiment modules of a project can be imported.
    sys.path.insert(0, os.getcwd())
    try:
        from jaxgan import cli

        cli.main()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("jaxgan"):
            raise
        sys.exit(
            f"error: the jaxgan command needs the package {error.name}; install it with: "
            "pip install 'jaxgan[run]'"
        )


if __name__ == "__main__":
    main()
