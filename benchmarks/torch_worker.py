"""Worker that trains a system with PyTorch; see `benchmarks.worker`.

    python -m benchmarks.torch_worker SYSTEM DIR [compile]

Training follows the tutorials, except that the images are scaled beforehand and kept in memory, so
that no time is spent in a data loader, and that losses are read only at the end. DIR contains
images.npy, uint8 `[N, 28, 28, 1]`, which loads faster than the prepared data set that the JAX
worker reads.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.systems import SYSTEMS
from benchmarks.torch_systems import TORCH_SYSTEMS
from benchmarks.worker import serve_commands


class TorchWorker:
    """A GAN in training.

    Args:
      name: Key of `SYSTEMS`.
      images_dir: Directory of images.npy.
      compiled: Whether to compile the networks with torch.compile.
    """

    def __init__(self, name: str, images_dir: Path, *, compiled: bool):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        torch.manual_seed(0)
        self.system = SYSTEMS[name]
        self.gan = TORCH_SYSTEMS[self.system.torch_system]()
        if compiled:
            self.gan.d, self.gan.g = torch.compile(self.gan.d), torch.compile(self.gan.g)
        if self.system.images:
            pixels = np.moveaxis(np.load(images_dir / "images.npy"), -1, 1)
            self.images = torch.from_numpy(np.ascontiguousarray(pixels)).float() / 127.5 - 1
            self.order = torch.randperm(len(self.images))
        self.position = 0  # in the epoch's order

    def train(self, steps: int) -> float:
        """Runs `steps` train steps; returns the last discriminator loss."""
        loss = torch.nan
        for _ in range(steps):
            real, z = self.next_real(), self.draw_z()
            interp_weights = torch.rand(self.system.d_steps, self.system.batch_size)
            loss = self.gan.train_step(real, z, interp_weights)["d"]
        return float(loss)

    def next_real(self) -> torch.Tensor:
        """Returns the real batches of a train step, `[d_steps, B, …]`."""
        num = self.system.d_steps * self.system.batch_size
        if not self.system.images:
            a = 1 + torch.rand(num, 1)
            return (a * torch.linspace(-1, 1, 15) ** 2 + a - 1)[None]
        if self.position + num > len(self.order):
            self.order, self.position = torch.randperm(len(self.images)), 0
        rows = self.order[self.position : self.position + num]
        self.position += num
        return self.images[rows].view(self.system.d_steps, self.system.batch_size, 1, 28, 28)

    def draw_z(self, num: int | None = None) -> torch.Tensor:
        """Returns latent noise: of a train step, `[latent_batches, B, latent_dim]`.

        If `num` is given, `[1, num, latent_dim]`.
        """
        latent_batches, batch_size = (
            (self.system.latent_batches, self.system.batch_size) if num is None else (1, num)
        )
        shape = (latent_batches, batch_size, self.system.latent_dim)
        return torch.randn(shape) if self.system.prior == "normal" else 2 * torch.rand(shape) - 1

    @torch.no_grad()
    def sample(self, num: int) -> np.ndarray:
        """Returns samples `[num, …]`, in the value range of the data.

        The generator runs in evaluation mode, with the running averages of batch normalization.
        """
        self.gan.g.eval()
        samples = torch.cat([self.gan.g(z) for z in self.draw_z(num)[0].split(1_000)])
        self.gan.g.train()
        return np.moveaxis(samples.numpy(), 1, -1) if self.system.images else samples.numpy()


if __name__ == "__main__":
    serve_commands(TorchWorker(sys.argv[1], Path(sys.argv[2]), compiled="compile" in sys.argv[3:]))
