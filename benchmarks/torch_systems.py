"""The networks and train steps of the experiments in plain PyTorch.

Parameters have PyTorch's default initialization. `TORCH_SYSTEMS[name](device=…, dtype=…)` creates a
system. Images are `[B, 1, 28, 28]`.
"""

import abc
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn


def mlp_discriminator(*last: nn.Module) -> nn.Sequential:
    """Returns an MLP from images to `[B, 1]` logits, followed by the modules of `last`."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 1),
        *last,
    )


def mlp_generator(last_hidden: nn.Module) -> nn.Sequential:
    """Returns an MLP from z `[B, 100]` to images; `last_hidden` is the second activation."""
    return nn.Sequential(
        nn.Linear(100, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        last_hidden,
        nn.Linear(256, 784),
        nn.Tanh(),
        nn.Unflatten(1, (1, 28, 28)),
    )


def conv_discriminator() -> nn.Sequential:
    """Returns a convolutional network from images to `[B, 1]` logits."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 5),
        nn.LeakyReLU(0.01),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5),
        nn.LeakyReLU(0.01),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1024, 1024),
        nn.LeakyReLU(0.01),
        nn.Linear(1024, 1),
    )


def conv_generator() -> nn.Sequential:
    """Returns a convolutional network from z `[B, 100]` to images."""
    return nn.Sequential(
        nn.Linear(100, 1024),
        nn.ReLU(),
        nn.BatchNorm1d(1024),
        nn.Linear(1024, 7 * 7 * 128),
        nn.ReLU(),
        nn.BatchNorm1d(7 * 7 * 128),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(64),
        nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


class TorchGAN(abc.ABC):
    """A generator and a discriminator in training mode, with their optimizers.

    Attributes:
      d: The discriminator, `[B, …] -> [B, 1]`.
      g: The generator, `[B, latent_dim] -> [B, …]`.
      d_optimizer: Optimizer of the parameters of d.
      g_optimizer: Optimizer of the parameters of g.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        generator: nn.Module,
        *,
        optimizer: Callable[..., torch.optim.Optimizer],
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ):
        self.d, self.g = discriminator.to(device, dtype), generator.to(device, dtype)
        self.d_optimizer = optimizer(self.d.parameters())
        self.g_optimizer = optimizer(self.g.parameters())

    @abc.abstractmethod
    def train_step(self, real: Tensor, z: Tensor, interp_weights: Tensor) -> dict[str, Tensor]:
        """Updates both networks.

        Args:
          real: Real batches, `[d_steps, B, …]`.
          z: Latent noise, `[latent_batches, B, latent_dim]`. The i-th update of the discriminator
            uses the i-th batch, the update of the generator uses the last.
          interp_weights: `[d_steps, B]` in [0, 1); the points of a gradient penalty, from real (0)
            to generated (1).

        Returns:
          The losses "d" and "g" of the last updates, and "penalty" if there is one; "d" does not
          include it.
        """

    def minimize(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Updates the parameters of `optimizer` once, by the gradient of `loss`."""
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class AlternatingGAN(TorchGAN):
    """Updates the discriminator, then the generator, with binary cross-entropy losses.

    Args:
      *networks: The discriminator and the generator.
      criterion: Binary cross-entropy of the discriminator's outputs and labels.
      **options: Keyword arguments of `TorchGAN`.
    """

    def __init__(self, *networks: nn.Module, criterion: nn.Module, **options):
        super().__init__(*networks, **options)
        self.criterion = criterion

    def cross_entropy(self, x: Tensor, label: float) -> Tensor:
        """Returns the cross-entropy of the discriminator's outputs for `x` and one label."""
        output = self.d(x).squeeze(1)
        return self.criterion(output, torch.full_like(output, label))

    def train_step(self, real, z, interp_weights):
        """See `TorchGAN`."""
        del interp_weights
        d_loss = self.cross_entropy(real[0], 1.0) + self.cross_entropy(self.g(z[0]).detach(), 0.0)
        self.minimize(d_loss, self.d_optimizer)
        g_loss = self.cross_entropy(self.g(z[-1]), 1.0)
        self.minimize(g_loss, self.g_optimizer)
        return {"d": d_loss.detach(), "g": g_loss.detach()}


class SimultaneousGAN(TorchGAN):
    """Updates both networks from the same state, with the minimax loss.

    The discriminator returns probabilities.
    """

    def train_step(self, real, z, interp_weights):
        """See `TorchGAN`."""
        del interp_weights
        real_prob, fake_prob = self.d(real[0]), self.d(self.g(z[0]))
        d_loss = -(torch.log(real_prob) + torch.log(1 - fake_prob)).mean()
        g_loss = torch.log(1 - fake_prob).mean()
        d_grads = torch.autograd.grad(d_loss, list(self.d.parameters()), retain_graph=True)
        g_grads = torch.autograd.grad(g_loss, list(self.g.parameters()))
        for net, grads in ((self.d, d_grads), (self.g, g_grads)):
            for parameter, grad in zip(net.parameters(), grads, strict=True):
                parameter.grad = grad
        self.d_optimizer.step()
        self.g_optimizer.step()
        return {"d": d_loss.detach(), "g": g_loss.detach()}


class WassersteinGAN(TorchGAN):
    """Updates the critic once per real batch, then the generator, with the Wasserstein loss.

    Args:
      *networks: The critic and the generator.
      weight_clip: Clips the critic's parameters to [-weight_clip, weight_clip] after each update.
        None does not clip.
      gp_weight: Weight of the gradient penalty; None for no penalty.
      **options: Keyword arguments of `TorchGAN`.
    """

    def __init__(
        self,
        *networks: nn.Module,
        weight_clip: float | None = None,
        gp_weight: float | None = None,
        **options,
    ):
        super().__init__(*networks, **options)
        self.weight_clip, self.gp_weight = weight_clip, gp_weight

    def train_step(self, real, z, interp_weights):
        """See `TorchGAN`."""
        losses = {}
        for real_batch, z_batch, weights in zip(real, z[: len(real)], interp_weights, strict=True):
            fake = self.g(z_batch).detach()
            losses["d"] = total = self.d(fake).mean() - self.d(real_batch).mean()
            if self.gp_weight is not None:
                losses["penalty"] = self.gp_weight * self.gradient_penalty(
                    real_batch, fake, weights
                )
                total = losses["d"] + losses["penalty"]
            self.minimize(total, self.d_optimizer)
            if self.weight_clip is not None:
                with torch.no_grad():
                    for parameter in self.d.parameters():
                        parameter.clamp_(-self.weight_clip, self.weight_clip)
        losses["g"] = -self.d(self.g(z[-1])).mean()
        self.minimize(losses["g"], self.g_optimizer)
        return {name: loss.detach() for name, loss in losses.items()}

    def gradient_penalty(self, real: Tensor, fake: Tensor, interp_weights: Tensor) -> Tensor:
        """Returns the mean of (‖∇D(x)‖ - 1)² at points between real and generated samples.

        References:
          Gulrajani et al. 2017, eq. 3.
        """
        x = torch.lerp(real, fake, interp_weights.view(-1, 1, 1, 1)).requires_grad_()
        (grads,) = torch.autograd.grad(self.d(x).sum(), x, create_graph=True)
        return ((grads.flatten(1).norm(dim=1) - 1) ** 2).mean()


def make_adam(
    learning_rate: float, b1: float = 0.9, b2: float = 0.999
) -> Callable[..., torch.optim.Optimizer]:
    """Returns a constructor of Adam from parameters."""
    return partial(torch.optim.Adam, lr=learning_rate, betas=(b1, b2))


def mnist_mlp_bce(**placement) -> TorchGAN:
    """MLPs; the discriminator ends in a sigmoid, and the generator's update draws a new z."""
    networks = mlp_discriminator(nn.Sigmoid()), mlp_generator(nn.LeakyReLU())
    return AlternatingGAN(*networks, criterion=nn.BCELoss(), optimizer=make_adam(3e-4), **placement)


def mnist_mlp(**placement) -> TorchGAN:
    """MLPs; the discriminator returns logits."""
    networks = mlp_discriminator(), mlp_generator(nn.ReLU())
    optimizer = make_adam(3e-4, b1=0.5)
    return AlternatingGAN(
        *networks, criterion=nn.BCEWithLogitsLoss(), optimizer=optimizer, **placement
    )


def mnist_cnn(**placement) -> TorchGAN:
    """Convolutional networks; the discriminator returns logits."""
    networks = conv_discriminator(), conv_generator()
    optimizer = make_adam(3e-4, b1=0.5)
    return AlternatingGAN(
        *networks, criterion=nn.BCEWithLogitsLoss(), optimizer=optimizer, **placement
    )


def parabola(**placement) -> TorchGAN:
    """Parabolas of 15 points, with simultaneous updates."""
    discriminator = nn.Sequential(nn.Linear(15, 128), nn.ReLU(), nn.Linear(128, 1), nn.Sigmoid())
    generator = nn.Sequential(nn.Linear(5, 128), nn.ReLU(), nn.Linear(128, 15))
    return SimultaneousGAN(discriminator, generator, optimizer=make_adam(1e-4), **placement)


def mnist_wgan_clip(**placement) -> TorchGAN:
    """MLPs; the critic's weights are clipped."""
    networks = mlp_discriminator(), mlp_generator(nn.ReLU())
    optimizer = partial(torch.optim.RMSprop, lr=5e-5)
    return WassersteinGAN(*networks, weight_clip=0.01, optimizer=optimizer, **placement)


def mnist_wgan_gradient_penalty(**placement) -> TorchGAN:
    """MLPs; the critic has a gradient penalty."""
    networks = mlp_discriminator(), mlp_generator(nn.ReLU())
    optimizer = make_adam(1e-4, b1=0.0, b2=0.9)
    return WassersteinGAN(*networks, gp_weight=10.0, optimizer=optimizer, **placement)


TORCH_SYSTEMS: dict[str, Callable[..., TorchGAN]] = {
    make.__name__: make
    for make in (
        mnist_mlp_bce,
        mnist_mlp,
        mnist_cnn,
        parabola,
        mnist_wgan_clip,
        mnist_wgan_gradient_penalty,
    )
}
