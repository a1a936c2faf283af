"""Configuration of the documentation site: `make docs` builds it, without a network."""

import dataclasses
import re

import jax
import optax
from sphinx.util.inspect import object_description
from sphinx.util.typing import stringify_annotation

import jaxgan
from jaxgan import losses, penalties, priors

project = "jaxgan"
author = "The jaxgan authors"
project_copyright = author
version = release = jaxgan.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
templates_path: list[str] = []
suppress_warnings: list[str] = []

# Markdown pages. Anchors of headings serve links such as `reliability.md#several-devices`.
myst_heading_anchors = 3
myst_links_external_new_tab = False

# In docstrings, text in single backticks is code, and a link if it names a documented object.
default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_attr_annotations = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "jaxgan"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

# Aliases of types, which autodoc would expand in signatures; those that contain others come first.
TYPE_ALIASES = {
    stringify_annotation(hint, "smart"): name
    for name, hint in {
        "Penalty": penalties.Penalty,
        "LossFn": losses.LossFn,
        "Prior": priors.Prior,
        "OptState": optax.OptState,
        "ArrayLike": jax.typing.ArrayLike,
        "DTypeLike": jax.typing.DTypeLike,
    }.items()
}
# Fields that Linen adds to every module.
LINEN_FIELDS = re.compile(r", parent: .*|, \*, parent: .*")
CODE_OR_BAR = re.compile(r"(`[^`]*`)|\|")


def simplify_signature(app, what, name, obj, options, signature, return_annotation):
    """Returns a signature without expanded type aliases, reprs and the fields of Linen."""
    del app, options
    if what == "class" and name.startswith("jaxgan.runs.config."):
        return "", None  # the fields are listed below, with their defaults
    for text, alias in TYPE_ALIASES.items():
        signature = signature and signature.replace(text, alias)
        return_annotation = return_annotation and return_annotation.replace(text, alias)
    if signature and ", parent: " in signature:
        for field in dataclasses.fields(obj):
            function = getattr(field.default, "func", field.default)  # that of a partial function
            if hasattr(function, "__name__"):
                signature = signature.replace(object_description(function), function.__name__)
        return LINEN_FIELDS.sub(")", signature), None
    return signature, return_annotation


def prepare_docstring(app, what, name, obj, options, lines):
    """Makes the project's docstrings valid reStructuredText, before napoleon reads them.

    A section `Example:` becomes a code block, and norms such as |x| are not substitutions. An empty
    comment keeps napoleon from reading "text: …" in the docstring of an attribute as a type.
    """
    del app, name, obj, options
    text = CODE_OR_BAR.sub(lambda match: match[1] or r"\|", "\n".join(lines))
    text = re.sub(r"^( *)Example:\n", r"\1Example::\n\n", text, flags=re.MULTILINE)
    if what in ("attribute", "property"):
        text = f"..\n\n{text}"
    lines[:] = text.split("\n")


def setup(app):
    """Connects the functions above to Sphinx."""
    app.connect("autodoc-process-signature", simplify_signature)
    app.connect("autodoc-process-docstring", prepare_docstring, priority=0)
