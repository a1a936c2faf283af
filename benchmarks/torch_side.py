"""The same system in PyTorch: `python -m benchmarks.torch_side SYSTEM FOLDER [compile]`; see `benchmarks.side`.

As the tutorials would train it, except that the images lie in memory, scaled beforehand, so that no time goes into a
loader, and that losses are read at the end only. FOLDER has images.npy, uint8 `[N, 28, 28, 1]`, which is read faster
than the prepared set that our side starts from.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.side import serve
from benchmarks.systems import SYSTEMS
from benchmarks.torch_systems import SYSTEMS as MODELS


class Side:
    """Two networks, and where they are in their training."""

    def __init__(self, name: str, folder: Path, *, compiled: bool):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        torch.manual_seed(0)
        self.case = SYSTEMS[name]
        self.model = MODELS[self.case.peer]()
        if compiled:
            self.model.d, self.model.g = torch.compile(self.model.d), torch.compile(self.model.g)
        if self.case.images:
            pixels = np.moveaxis(np.load(folder / "images.npy"), -1, 1)
            self.images = torch.from_numpy(np.ascontiguousarray(pixels)).float() / 127.5 - 1
            self.order = torch.randperm(len(self.images))
        self.used = 0

    def train(self, steps: int) -> float:
        """Goes on for so many train steps; the last loss of D."""
        loss = torch.nan
        for _ in range(steps):
            loss = self.model.train_step(
                self.real(), self.noise(), torch.rand(self.case.d_steps, self.case.batch)
            )["d"]
        return float(loss)

    def real(self) -> torch.Tensor:
        """`[d_steps, B, …]`."""
        num = self.case.d_steps * self.case.batch
        if not self.case.images:
            a = 1 + torch.rand(num, 1)
            return (a * torch.linspace(-1, 1, 15) ** 2 + a - 1)[None]
        if self.used + num > len(self.order):
            self.order, self.used = torch.randperm(len(self.images)), 0
        rows = self.order[self.used : self.used + num]
        self.used += num
        return self.images[rows].view(self.case.d_steps, self.case.batch, 1, 28, 28)

    def noise(self, num: int | None = None) -> torch.Tensor:
        """`[draws, B, dim]`, or `[1, num, dim]`."""
        shape = (
            (self.case.draws, self.case.batch, self.case.noise)
            if num is None
            else (1, num, self.case.noise)
        )
        return torch.randn(shape) if self.case.normal else 2 * torch.rand(shape) - 1

    @torch.no_grad()
    def sample(self, num: int) -> np.ndarray:
        """`[num, …]`, in the range of the data; normalised by running averages."""
        self.model.g.eval()
        samples = torch.cat([self.model.g(z) for z in self.noise(num)[0].split(1_000)])
        self.model.g.train()
        return np.moveaxis(samples.numpy(), 1, -1) if self.case.images else samples.numpy()


if __name__ == "__main__":
    serve(Side(sys.argv[1], Path(sys.argv[2]), compiled="compile" in sys.argv[3:]))
