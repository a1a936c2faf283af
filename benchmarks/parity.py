"""Records ten train steps of every system in PyTorch: the losses and the final parameters.

    python -m benchmarks.parity

Needs PyTorch, but not JAX. Writes tests/experiments/parity.json, to which
tests/experiments/test_parity.py compares the experiments.
"""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.parity_cases import (
    CASES,
    STEPS,
    checksum_inputs,
    draw_inputs,
    flatten_params,
    sketch_array,
)
from benchmarks.torch_systems import TORCH_SYSTEMS, TorchGAN

PATH = Path(__file__).parent.parent / "tests" / "experiments" / "parity.json"
DTYPES = {"float32": torch.float32, "float64": torch.float64}
# Parameters of `mnist_cnn` with an axis that is a flattened image: (axis, image shape). Flax
# flattens [H, W, C], PyTorch [C, H, W].
IMAGE_AXES = {
    "g/Dense_1/kernel": (1, (7, 7, 128)),
    "g/Dense_1/bias": (0, (7, 7, 128)),
    "g/BatchNorm_1/scale": (0, (7, 7, 128)),
    "g/BatchNorm_1/bias": (0, (7, 7, 128)),
    "d/Dense_0/kernel": (0, (4, 4, 64)),
}


def main() -> None:
    """Records all cases."""
    torch.set_num_threads(2)
    figures: dict[str, Any] = {"torch": torch.__version__, "cases": {}}
    for name in CASES:
        figures["cases"][name] = {
            "inputs": checksum_inputs(draw_inputs(name)),
            "start": summarize_initialization(name),
        } | run_train_steps(name)
        print(name)
    PATH.write_text(json.dumps(figures, indent=1) + "\n")


def run_train_steps(name: str) -> dict[str, Any]:
    """Runs the train steps of a case in float32 and float64.

    Each float32 step starts from the float64 state: rounding decides where ReLUs and max-pooling
    switch, and after ten steps of `mnist_cnn` PyTorch's own float32 differs from its float64 by a
    relative 2e-2.

    Returns:
      `{precision: {"losses": {network: [STEPS]}, "params": {path: sketch}}}`, with the parameters
      after the last step.
    """
    inputs = draw_inputs(name)
    gans = {precision: init_gan(name, dtype) for precision, dtype in DTYPES.items()}
    real = inputs.real if name == "parabola" else np.moveaxis(inputs.real, -1, 3)
    arrays = [
        torch.from_numpy(np.ascontiguousarray(x)) for x in (real, inputs.z, inputs.interp_weights)
    ]
    losses = {precision: [] for precision in DTYPES}
    for step in range(STEPS):
        copy_state(gans["float64"], gans["float32"])
        for precision, dtype in DTYPES.items():
            losses[precision].append(
                gans[precision].train_step(*(x[step].to(dtype) for x in arrays))
            )
    figures = {}
    for precision, steps in losses.items():
        final = named_parameters(name, gans[precision])
        figures[precision] = {
            "losses": {network: [float(step[network]) for step in steps] for network in steps[0]},
            "params": {
                path: sketch_array(path, from_torch(name, path, x)) for path, x in final.items()
            },
        }
    return figures


def init_gan(name: str, dtype: torch.dtype) -> TorchGAN:
    """Creates the system of a case, with the case's initial parameters."""
    gan = TORCH_SYSTEMS[name](dtype=dtype)
    parameters = named_parameters(name, gan)
    with torch.no_grad():
        for path, x in flatten_params(draw_inputs(name).params).items():
            parameters[path].copy_(torch.from_numpy(np.ascontiguousarray(to_torch(name, path, x))))
    return gan


def copy_state(source: TorchGAN, target: TorchGAN) -> None:
    """Copies the state of the networks and optimizers, cast to the precision of `target`."""
    for new, old in zip(vars(source).values(), vars(target).values(), strict=True):
        if isinstance(old, nn.Module | torch.optim.Optimizer):
            # Deep-copied, because state_dict returns references.
            old.load_state_dict(copy.deepcopy(new.state_dict()))


def summarize_initialization(name: str) -> dict[str, list[float]]:
    """Returns [min, max, standard deviation] of every parameter under PyTorch's initialization."""
    torch.manual_seed(0)
    parameters = named_parameters(name, TORCH_SYSTEMS[name]())
    arrays = {path: x.detach().double() for path, x in parameters.items()}
    return {
        path: [float(x.min()), float(x.max()), float(x.std(correction=0))]
        for path, x in arrays.items()
    }


def named_parameters(name: str, gan: TorchGAN) -> dict[str, nn.Parameter]:
    """Returns PyTorch's parameters by the paths of the Flax networks.

    Both frameworks list a layer's kernel or scale first, then its bias.
    """
    paths = flatten_params(draw_inputs(name).params)
    return dict(zip(paths, [*gan.d.parameters(), *gan.g.parameters()], strict=True))


def to_torch(name: str, path: str, x: np.ndarray) -> np.ndarray:
    """Converts a parameter from the layout of Flax to that of PyTorch."""
    if name == "mnist_cnn" and path in IMAGE_AXES:
        axis, (height, width, channels) = IMAGE_AXES[path]
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        image = x.reshape(*before, height, width, channels, *after)
        x = np.moveaxis(image, axis + 2, axis).reshape(x.shape)
    _, layer, array = path.split("/")
    if array != "kernel":
        return x
    if layer.startswith("ConvTranspose"):
        return x[::-1, ::-1].transpose(2, 3, 0, 1)
    return x.transpose(3, 2, 0, 1) if layer.startswith("Conv") else x.T


def from_torch(name: str, path: str, x: torch.Tensor) -> np.ndarray:
    """Converts a parameter from the layout of PyTorch to that of Flax."""
    network, layer, array = path.split("/")
    shape = draw_inputs(name).params[network][layer][array].shape
    # Inverts `to_torch`: `positions` tells where in the Flax array each PyTorch entry belongs.
    positions = to_torch(name, path, np.arange(x.numel()).reshape(shape))
    converted = np.empty(x.numel())
    converted[positions.ravel()] = x.detach().numpy().ravel()
    return converted.reshape(shape)


if __name__ == "__main__":
    main()
