"""Lazy exports of a package (PEP 562): names that are imported when they are first used."""

import importlib
from collections.abc import Callable
from typing import Any


def make_lazy_getattr(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Returns a module-level `__getattr__` that imports names on first use.

    Args:
      package: Name of the package.
      modules: For each exported name, the module that defines it.
    """

    def lazy_getattr(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    return lazy_getattr
