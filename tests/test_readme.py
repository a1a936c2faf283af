"""What the README shows is run."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_snippets_run():
    first, second = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    batches = [jax.random.uniform(jax.random.key(9), (4, 28, 28, 1), jnp.float32, -1, 1)] * 2
    names = {"batches": batches}
    exec(compile(first, "README", "exec"), names)
    assert names["images"].shape == (64, 28, 28, 1)
    assert int(names["state"].d.step) == int(names["state"].g.step) == 2
    exec(compile(second, "README", "exec"), names)
    assert jax.tree.leaves(names["states"])[0].shape[0] == 8
    assert names["search"].hyperparams["gamma"].shape == (3,)
    assert names["mine"].discriminator(jnp.zeros(2), jnp.ones(2)) == 1
    shapes = jax.eval_shape(
        names["train_step"], names["state"], jnp.zeros((5, 4, 28, 28, 1)), jax.random.key(1)
    )
    assert jax.tree.map(jnp.shape, shapes[0]) == jax.tree.map(jnp.shape, names["state"])


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_the_targets_are_there(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_pictures_and_modules_are_there():
    for path in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / path).is_file(), path
    for module in re.findall(r"python -m ([\w.]+)", README):
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module


def test_the_map_of_the_floors_is_the_one_that_is_held():
    from tests.helpers.layers import EVERYWHERE, FLOORS

    rows = dict(re.findall(r"^\| (\d) \| (.*) \|$", README, re.MULTILINE))
    for level, floor in enumerate(FLOORS):
        named = set(re.findall(r"`([a-z.]+)`", rows[str(level)])) - set(EVERYWHERE)
        assert {name for name in floor if not name.startswith("models.")} == named
