"""The house stands: imports go down only, and `import jaxgan` brings no furniture."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = (
    (
        *("losses", "penalties", "states", "optimizers", "priors", "convolutions", "sharing", "processes"),
        *("keys", "history", "curves", "interrupts", "digests", "data.sources", "data.fetch"),
    ),
    (
        *("gan", "layers", "frames", "locks", "progress"),
        *("data.streams", "data.parabola", "data.mixture", "data.builders"),
        *("metrics.frechet", "metrics.kernel", "metrics.classes", "metrics.neighbors", "metrics.ssim"),
    ),
    (
        *("alternate", "varied", "blocks", "checkpoints", "plots", "probes", "diagnostics", "judge", "finite"),
        *("models.conv", "models.mlp", "models.mixture", "models.classifier", "models"),
        *("metrics.parabola", "metrics.mixture", "data.images"),
    ),
    ("training", "pictures", "settings", "features"),
    ("runs", "watch", "evaluation"),
    ("launch",),
)
EVERYWHERE = ("errors", "checks")  # the ground
HEAVY = {
    "orbax": ("checkpoints", "processes"),
    "matplotlib": ("plots",),
    "PIL": ("frames",),
    "tyro": ("settings",),
    "tensorflow_datasets": ("data",),
    "grain": ("data",),
}


def modules():
    return {".".join(p.relative_to(ROOT / "jaxgan").with_suffix("").parts): p for p in (ROOT / "jaxgan").rglob("*.py")}


def imports(path):
    """The full names of what a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(name):
    """The floor of a module, or of what is imported from one; None for the package itself and strangers."""
    parts = name.removeprefix("jaxgan.").split(".")
    for level, floor in enumerate(FLOORS):
        for end in range(len(parts), 0, -1):
            if ".".join(parts[:end]) in floor:
                return level
    return None


def test_every_module_has_a_floor():
    names = {name.removesuffix(".__init__") for name in modules()} - {"__init__", "data", "metrics", *EVERYWHERE}
    assert names == {name for floor in FLOORS for name in floor}


@pytest.mark.parametrize("name", sorted(set(modules()) - {"__init__", "models.__init__", *EVERYWHERE}))
def test_imports_go_down(name):
    for imported in imports(modules()[name]):
        if not imported.startswith("jaxgan") or imported.startswith(tuple(f"jaxgan.{name}" for name in EVERYWHERE)):
            continue
        below, here = floor_of(imported), floor_of(name)
        assert below is not None, f"{name} imports {imported}"
        assert here is not None
        assert below < here, f"{name}, on floor {here}, imports {imported}, on floor {below}"


@pytest.mark.parametrize("package", HEAVY)
def test_heavy_packages_stay_in_their_rooms(package):
    users = {name for name, path in modules().items() if any(i.split(".")[0] == package for i in imports(path))}
    assert users
    assert all(name.split(".")[0] in HEAVY[package] for name in users)


def test_import_is_light():
    check = f"import sys, jaxgan; print(*sorted({{*{list(HEAVY)}, 'sklearn', 'chex'}} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.split() == []


def test_public_names():
    import jaxgan

    assert all(hasattr(jaxgan, name) for name in jaxgan.__all__)
