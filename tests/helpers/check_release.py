"""Checks that a tag names the version of the package, and that the changelog has that version.

`python -m tests.helpers.check_release v0.2.0` needs no installed packages.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def find_problems(tag: str, version: str, changelog: str) -> list[str]:
    """Returns why a tag cannot be released; an empty list if it can.

    Args:
      tag: The tag, such as `v0.2.0`.
      version: The version of the package.
      changelog: The text of CHANGELOG.md.
    """
    problems = []
    if tag != f"v{version}":
        problems.append(f"the tag is {tag}, expected v{version}, the version in pyproject.toml")
    if not re.search(rf"^## {re.escape(version)}( \(\d{{4}}-\d\d-\d\d\))?$", changelog, re.M):
        problems.append(
            f"CHANGELOG.md has no heading '## {version}', or one that is not released; remove "
            "'(unreleased)' or give the date"
        )
    return problems


def main() -> None:
    """Exits with a message if the tag on the command line cannot be released."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    problems = find_problems(sys.argv[1], version, (ROOT / "CHANGELOG.md").read_text())
    if problems:
        sys.exit("error: " + "\n".join(problems))
    print(f"{sys.argv[1]} can be released.")


if __name__ == "__main__":
    main()
