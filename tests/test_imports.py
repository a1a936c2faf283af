"""Imports only go down the layers, and `import jaxgan` stays light."""

import ast
import subprocess
import sys

import pytest

import jaxgan
from tests.helpers.layers import CONFINED, LAYERS
from tests.helpers.programs import ROOT

FACADES = ("__init__", "__main__")  # re-export names from all layers, or start the command


def list_modules():
    """The files of the package by their dotted names below it."""
    paths = (ROOT / "jaxgan").rglob("*.py")
    return {".".join(p.relative_to(ROOT / "jaxgan").with_suffix("").parts): p for p in paths}


def list_imports(path):
    """The full names of what a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(name):
    """The layer of a module, given by its dotted name below the package."""
    top = name.split(".")[0]
    return next((i for i, layer in enumerate(LAYERS) if top in layer), None)


def test_layers_name_every_module():
    tops = {name.split(".")[0] for name in list_modules()} - set(FACADES)
    assert tops == {top for layer in LAYERS for top in layer}


@pytest.mark.parametrize("name", sorted(set(list_modules()) - set(FACADES)))
def test_imports_go_down(name):
    for imported in list_imports(list_modules()[name]):
        if not imported.startswith("jaxgan."):
            continue
        source = imported.removeprefix("jaxgan.")
        own, other = layer_of(name), layer_of(source)
        assert other is not None, f"{name} imports {imported}"
        same_package = source.split(".")[0] == name.split(".")[0]
        assert other < own or same_package, f"{name} imports {imported}, which is not below it"


def test_imports_inside_packages_have_no_cycles():
    modules = list_modules()
    edges = {
        name: {
            other
            for imported in list_imports(path)
            for other in (
                imported.removeprefix("jaxgan."),
                imported.removeprefix("jaxgan.").rpartition(".")[0],
            )
            if other in modules and other != name
        }
        for name, path in modules.items()
    }
    while edges:
        leaves = {name for name, others in edges.items() if not others & edges.keys()}
        assert leaves, f"these modules import each other: {sorted(edges)}"
        edges = {name: others for name, others in edges.items() if name not in leaves}


@pytest.mark.parametrize("package", CONFINED)
def test_imports_of_heavy_packages_are_confined(package):
    users = {
        name
        for name, path in list_modules().items()
        if any(imported.split(".")[0] == package for imported in list_imports(path))
    }
    assert users
    for name in users:
        assert any(f"{name}.".startswith(f"{allowed}.") for allowed in CONFINED[package]), name


def test_import_of_jaxgan_is_light():
    heavy = {*CONFINED, "sklearn", "chex"} - {"rich"}
    check = f"import sys, jaxgan; print(*sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == []


def test_public_names_exist():
    assert all(hasattr(jaxgan, name) for name in jaxgan.__all__)
