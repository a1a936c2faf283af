"""Runs ten train steps of every system in PyTorch, and writes down the losses and where the parameters end.

`python -m benchmarks.parity` needs PyTorch, but not JAX, and writes `tests/parity.json`, with which
`tests/test_parity.py` compares the experiments.
"""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.parity_cases import CASES, STEPS, checksum, draw, flatten, sketch
from benchmarks.torch_systems import SYSTEMS, System

PATH = Path(__file__).parent.parent / "tests" / "parity.json"
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
# Axes along which a picture lies, flattened: ours has its channels last, PyTorch's first.
PICTURES = {
    "g/Dense_1/kernel": (1, (7, 7, 128)),
    "g/Dense_1/bias": (0, (7, 7, 128)),
    "g/BatchNorm_1/scale": (0, (7, 7, 128)),
    "g/BatchNorm_1/bias": (0, (7, 7, 128)),
    "d/Dense_0/kernel": (0, (4, 4, 64)),
}


def main() -> None:
    """Writes the figures of all cases."""
    torch.set_num_threads(2)
    figures: dict[str, Any] = {"torch": torch.__version__, "cases": {}}
    for name in CASES:
        figures["cases"][name] = {
            "inputs": checksum(draw(name)),
            "start": describe_start(name),
        } | play(name)
        print(name)
    PATH.write_text(json.dumps(figures, indent=1) + "\n")


def play(name: str) -> dict[str, Any]:
    """By precision: the losses at each of ten train steps, and the sketches of all parameters after the last.

    Each step in float32 starts where float64's started: ReLUs and max-pooling switch where rounding decides, and after
    ten steps of `mnist_cnn` PyTorch's own float32 is 2e-2 away from its float64.
    """
    inputs = draw(name)
    systems = {precision: start(name, dtype) for precision, dtype in PRECISIONS.items()}
    real = inputs.real if name == "parabola" else np.moveaxis(inputs.real, -1, 3)
    feed = [torch.from_numpy(np.ascontiguousarray(x)) for x in (real, inputs.noise, inputs.shares)]
    losses = {precision: [] for precision in PRECISIONS}
    for number in range(STEPS):
        follow(systems["float32"], systems["float64"])
        for precision, dtype in PRECISIONS.items():
            losses[precision].append(
                systems[precision].train_step(*(x[number].to(dtype) for x in feed))
            )
    figures = {}
    for precision, each in losses.items():
        ends = parameters(name, systems[precision])
        figures[precision] = {
            "losses": {player: [float(step[player]) for step in each] for player in each[0]},
            "params": {path: sketch(path, from_torch(name, path, x)) for path, x in ends.items()},
        }
    return figures


def start(name: str, dtype: torch.dtype) -> System:
    """The system with the parameters of the case."""
    system = SYSTEMS[name](dtype=dtype)
    theirs = parameters(name, system)
    with torch.no_grad():
        for path, x in flatten(draw(name).params).items():
            theirs[path].copy_(torch.from_numpy(np.ascontiguousarray(to_torch(name, path, x))))
    return system


def follow(system: System, leader: System) -> None:
    """Gives a system the parameters of another, and its optimisers' moments, in its own precision."""
    for ours, theirs in zip(vars(system).values(), vars(leader).values(), strict=True):
        if isinstance(ours, nn.Module | torch.optim.Optimizer):
            ours.load_state_dict(copy.deepcopy(theirs.state_dict()))  # which is theirs, not a copy


def describe_start(name: str) -> dict[str, list[float]]:
    """Of every parameter as PyTorch starts it: the smallest and the largest entry, and the standard deviation."""
    torch.manual_seed(0)
    found = {path: x.detach().double() for path, x in parameters(name, SYSTEMS[name]()).items()}
    return {
        path: [float(x.min()), float(x.max()), float(x.std(correction=0))]
        for path, x in found.items()
    }


def parameters(name: str, system: System) -> dict[str, nn.Parameter]:
    """PyTorch's parameters by our paths; both count a layer's kernel or scale first, then its bias."""
    paths = flatten(draw(name).params)
    return dict(zip(paths, [*system.d.parameters(), *system.g.parameters()], strict=True))


def to_torch(name: str, path: str, x: np.ndarray) -> np.ndarray:
    """A parameter of ours in PyTorch's layout."""
    if name == "mnist_cnn" and path in PICTURES:
        axis, (height, width, channels) = PICTURES[path]
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        picture = x.reshape(*before, height, width, channels, *after)
        x = np.moveaxis(picture, axis + 2, axis).reshape(x.shape)
    _, layer, part = path.split("/")
    if part != "kernel":
        return x
    if layer.startswith("ConvTranspose"):
        return x[::-1, ::-1].transpose(2, 3, 0, 1)
    return x.transpose(3, 2, 0, 1) if layer.startswith("Conv") else x.T


def from_torch(name: str, path: str, x: torch.Tensor) -> np.ndarray:
    """The inverse of `to_torch`."""
    _, layer, part = path.split("/")
    shape = draw(name).params[path[0]][layer][part].shape
    places = to_torch(name, path, np.arange(x.numel()).reshape(shape))
    ours = np.empty(x.numel())
    ours[places.ravel()] = x.detach().numpy().ravel()
    return ours.reshape(shape)


if __name__ == "__main__":
    main()
