"""The README of an export, with the code that loads it."""

from typing import Any

NUM_SHOWN = 16
# The code that draws z, by the name of the prior; {shape} is the shape of z.
PRIORS = {
    "jaxgan.priors.uniform": "jax.random.uniform(jax.random.key(1), {shape}, minval=-1, maxval=1)",
    "jaxgan.priors.normal": "jax.random.normal(jax.random.key(1), {shape})",
}
TEMPLATE = """\
# {title}

The generator of a GAN{average}, after {step:,} train steps, as functions for CPUs, GPUs (CUDA) and
TPUs, which contain the weights. `export.json` has shapes, range, classes, data, scores and
versions; `weights.npz` has the weights by name.

Loading needs only JAX and flatbuffers (`pip install jax flatbuffers`):

```python
import json
from pathlib import Path

import jax
from jax import export

folder = Path("{folder}")  # this directory
record = json.loads((folder / "export.json").read_text())


def load(name):
    try:
        return jax.jit(export.deserialize(bytearray((folder / name).read_bytes())).call)
    except (ValueError, NotImplementedError) as error:
        raise RuntimeError(
            f"{{name}} was exported with JAX {{record['versions']['jax']}}, and JAX "
            f"{{jax.__version__}} cannot load it; export the run again ({{error}})"
        ) from error


{code}
```

{notes}

JAX {version} exported these files. A release of JAX loads the exports of releases that are up to
six months older. Later releases may refuse them, which the code above reports; then export the run
again from its checkpoints.
"""


def format_readme(record: dict[str, Any], folder: str) -> str:
    """Returns the README of an export.

    Args:
      record: The content of export.json.
      folder: Name of the directory.
    """
    functions, lines, notes = record["functions"], [], []
    generate, sample = functions["generate.jax_export"], functions.get("sample.jax_export")
    if sample is not None:
        shape = format_shape(sample["output"]["shape"])
        lines += [
            'sample = load("sample.jax_export")',
            f"samples = sample(jax.random.key(0))  # float32 {shape}",
            "",
        ]
    z, *conditions = generate["inputs"]
    shape = (NUM_SHOWN, *z["shape"][1:])
    draw = PRIORS.get(record["prior"], "jax.numpy.zeros({shape})  # placeholder, see below")
    lines += ['generate = load("generate.jax_export")', f"z = {draw.format(shape=shape)}"]
    for condition in conditions:
        size, dtype = (NUM_SHOWN, *condition["shape"][1:]), condition["dtype"]
        lines.append(f'{condition["name"]}_of = jax.numpy.zeros({size}, "{dtype}")')
    names = ", ".join(["z", *(f"{condition['name']}_of" for condition in conditions)])
    shape = format_shape(generate["output"]["shape"])
    lines.append(f"samples = generate({names})  # float32 {shape}, for a batch of any size")
    if record["range"] is not None:
        lines.append('pixels = ((samples + 1) * 127.5).round().clip(0, 255).astype("uint8")')
        notes.append("Samples are images in [-1, 1].")
    notes.append(f"The latent vectors z are drawn from the prior `{record['prior']}`.")
    if record["classes"] is not None:
        notes.append(
            f"Classes are the indices 0 to {len(record['classes']) - 1} of the names in "
            "`export.json`; `sample` draws them by their frequency in the training data."
        )
    return TEMPLATE.format(
        title=record["title"] or "Generator",
        average=" (its moving average)" if record["moving_average"] else "",
        step=record["step"],
        version=record["versions"]["jax"],
        folder=folder,
        code="\n".join(lines),
        notes="\n".join(notes),
    )


def format_shape(shape: list[int | str]) -> str:
    """Returns a shape as text, such as `[batch, 28, 28, 1]`."""
    return f"[{', '.join(map(str, shape))}]"
