"""Groups of options in the help of an experiment's command line."""

import ast
import dataclasses
import inspect
import itertools
import textwrap
import types
import typing
from typing import Annotated, Any

import tyro

from jaxgan.runs.config import RunConfig, is_option

# In the order of the help, the most used first. All other options are in "optimization".
GROUPS = {
    "run": ("preset", "workdir", "overwrite", "steps", "epochs", "seed", "num_seeds"),
    "data": (
        *("mixture", "dataset", "conditional", "size", "channels", "skip_damaged"),
        *("data_dir", "stream", "batch_size"),
    ),
    "optimization": (),
    "output": (
        *("log", "report", "evaluate_every", "keep_every"),
        *("steps_per_block", "show_window"),
    ),
    "process": (
        *("precision", "compilation_cache", "num_devices"),
        *("coordinator", "num_processes", "process_id"),
    ),
}


def make_grouped_type(default: RunConfig) -> type:
    """Returns a dataclass with one nested dataclass per group of options.

    tyro shows each nested dataclass as a section of the help.

    Args:
      default: Its fields are the options, its values the defaults.
    """
    config_type = type(default)
    docs, hints = field_docs(config_type), typing.get_type_hints(config_type)
    members: dict[str, list] = {group: [] for group in GROUPS}
    for field in sort_fields(config_type):
        if not is_option(field):
            continue
        argument = tyro.conf.arg(help=docs.get(field.name), metavar=metavar_of(hints[field.name]))
        annotation = Annotated[hints[field.name], argument]
        value = dataclasses.field(default=getattr(default, field.name))
        members[group_of(field.name)].append((field.name, annotation, value))
    sections = []
    for group, fields in members.items():
        section = dataclasses.make_dataclass(group.title(), fields, frozen=True, kw_only=True)
        sections.append((group, section, dataclasses.field(default_factory=section)))
    return dataclasses.make_dataclass("Options", sections, frozen=True)


def flatten_groups(options: Any) -> dict[str, Any]:
    """Returns the values of all groups by the names of the options."""
    sections = (getattr(options, group.name) for group in dataclasses.fields(options))
    return {
        f.name: getattr(section, f.name)
        for section in sections
        for f in dataclasses.fields(section)
    }


def group_of(name: str) -> str:
    """Returns the group of an option."""
    return next((group for group, names in GROUPS.items() if name in names), "optimization")


def sort_fields(config_type: type) -> list[dataclasses.Field]:
    """Returns the fields in the order of `GROUPS`, then all other fields."""
    names = [name for group in GROUPS.values() for name in group]
    fields = dataclasses.fields(config_type)
    return sorted(fields, key=lambda f: names.index(f.name) if f.name in names else len(names))


def metavar_of(hint: Any) -> str | None:
    """Returns the placeholder of an option's value in the help where tyro's own is hard to read."""
    kinds = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    if len(kinds) == 1 and kinds[0] in (int, float, str):
        return kinds[0].__name__.upper()
    if len(kinds) == 1 and typing.get_origin(kinds[0]) is tuple:
        names = typing.get_args(typing.get_args(kinds[0])[0])
        return f"{{{','.join(names)}}} [...]"
    return None


def set_help(config_type: type) -> None:
    """Sets the help of the options of a dataclass: their docstrings, each joined to one line.

    tyro would keep the line breaks of the source.
    """
    docs = field_docs(config_type)
    for field in dataclasses.fields(config_type):
        field.metadata = types.MappingProxyType({"help": docs.get(field.name), **field.metadata})


def field_docs(config_type: type) -> dict[str, str]:
    """Returns the docstrings below the fields of a dataclass and its bases, by field.

    Fields of a class without source code, such as one defined in an interactive session, are left
    out.
    """
    docs: dict[str, str] = {}
    for base in reversed(config_type.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            source = inspect.getsource(base)
        except (OSError, TypeError):  # defined in an interactive session, or made by a function
            continue
        (tree,) = ast.parse(textwrap.dedent(source)).body
        body = typing.cast(ast.ClassDef, tree).body
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                name, value = typing.cast(ast.Name, field.target).id, ast.literal_eval(text.value)
                docs[name] = " ".join(value.split())
    return docs
