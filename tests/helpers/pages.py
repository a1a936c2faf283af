"""Runs the Python code of a Markdown page, as its reader would from top to bottom.

`python -m tests.helpers.pages docs/tutorial.md` runs a page at full length in the working
directory, so that the pictures it draws are written there.
"""

import re
import sys
from pathlib import Path
from typing import Any

MAX_STEPS = 4
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
STEPS = re.compile(r"\bsteps=([\d_]+)")


def read_code(path: Path, *, shorten: bool = False) -> str:
    """Returns the Python blocks of a page as one program, each at its line of the page.

    Args:
      path: The page.
      shorten: Replaces every `steps=N` by at most `MAX_STEPS`, so that the program is quick.
    """
    text, lines = path.read_text(), []
    for block in BLOCK.finditer(text):
        start = text.count("\n", 0, block.start(1))
        lines += [""] * (start - len(lines)) + block[1].splitlines()
    code = "\n".join(lines) + "\n"
    if shorten:
        code = STEPS.sub(lambda m: f"steps={min(int(m[1].replace('_', '')), MAX_STEPS)}", code)
    return code


def run_page(path: Path, *, shorten: bool = False, **names: Any) -> dict[str, Any]:
    """Runs the code of a page and returns its variables; `names` are given to it beforehand."""
    variables = {"__name__": "__page__"} | names
    exec(compile(read_code(path, shorten=shorten), str(path), "exec"), variables)
    return variables


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
