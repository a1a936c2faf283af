"""The networks and train steps of the experiments in plain PyTorch, with its default initialisation.

`SYSTEMS[name](device=…, dtype=…)` makes a system. Images are `[B, 1, 28, 28]`.
"""

import abc
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn


def mlp_discriminator(*last: nn.Module) -> nn.Sequential:
    """784 numbers to a logit, or to what `last` makes of it."""
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
    """100 numbers to 784, with the given activation after the second layer."""
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
    """A picture to a logit."""
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
    """100 numbers to a picture."""
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


class System(abc.ABC):
    """Two networks, in training mode, and their optimisers.

    Attributes:
      d: the discriminator, `[B, …] -> [B, 1]`.
      g: the generator, `[B, dim] -> [B, …]`.
      d_optimizer: of d's parameters.
      g_optimizer: of g's parameters.
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
        self.d_optimizer, self.g_optimizer = (
            optimizer(self.d.parameters()),
            optimizer(self.g.parameters()),
        )

    @abc.abstractmethod
    def train_step(self, real: Tensor, noise: Tensor, shares: Tensor) -> dict[str, Tensor]:
        """Updates both networks.

        Args:
          real: `[d_steps, B, …]`.
          noise: `[draws, B, dim]`; the discriminator's i-th update plays the i-th, the generator's the last.
          shares: `[d_steps, B]`, where between real and fake a penalty is measured.

        Returns:
          The losses `d` and `g` of the last updates, and the `penalty` where there is one, which `d` is without.
        """

    def minimise(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """One update of one network."""
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class ByTurns(System):
    """The discriminator moves, then the generator, under binary cross-entropies."""

    def __init__(self, *networks: nn.Module, criterion: nn.Module, **options):
        super().__init__(*networks, **options)
        self.criterion = criterion

    def judge(self, x: Tensor, label: float) -> Tensor:
        """How far the discriminator is from giving every sample the label."""
        output = self.d(x).squeeze(1)
        return self.criterion(output, torch.full_like(output, label))

    def train_step(self, real, noise, shares):
        """See `System`."""
        del shares
        d_loss = self.judge(real[0], 1.0) + self.judge(self.g(noise[0]).detach(), 0.0)
        self.minimise(d_loss, self.d_optimizer)
        g_loss = self.judge(self.g(noise[-1]), 1.0)
        self.minimise(g_loss, self.g_optimizer)
        return {"d": d_loss.detach(), "g": g_loss.detach()}


class Simultaneous(System):
    """Both play the minimax game, and move from where the other was. The discriminator gives probabilities."""

    def train_step(self, real, noise, shares):
        """See `System`."""
        del shares
        on_real, on_fake = self.d(real[0]), self.d(self.g(noise[0]))
        d_loss = -(torch.log(on_real) + torch.log(1 - on_fake)).mean()
        g_loss = torch.log(1 - on_fake).mean()
        d_grads = torch.autograd.grad(d_loss, list(self.d.parameters()), retain_graph=True)
        g_grads = torch.autograd.grad(g_loss, list(self.g.parameters()))
        for net, grads in ((self.d, d_grads), (self.g, g_grads)):
            for parameter, grad in zip(net.parameters(), grads, strict=True):
                parameter.grad = grad
        self.d_optimizer.step()
        self.g_optimizer.step()
        return {"d": d_loss.detach(), "g": g_loss.detach()}


class Critic(System):
    """A critic moves once for each real batch, held by clipping or by a gradient penalty; then the generator moves."""

    def __init__(
        self,
        *networks: nn.Module,
        clip: float | None = None,
        penalty: float | None = None,
        **options,
    ):
        super().__init__(*networks, **options)
        self.clip, self.penalty = clip, penalty

    def train_step(self, real, noise, shares):
        """See `System`."""
        losses = {}
        for batch, z, share in zip(real, noise[: len(real)], shares, strict=True):
            fake = self.g(z).detach()
            losses["d"] = total = self.d(fake).mean() - self.d(batch).mean()
            if self.penalty is not None:
                losses["penalty"] = self.penalty * self.steepness(batch, fake, share)
                total = losses["d"] + losses["penalty"]
            self.minimise(total, self.d_optimizer)
            if self.clip is not None:
                with torch.no_grad():
                    for parameter in self.d.parameters():
                        parameter.clamp_(-self.clip, self.clip)
        losses["g"] = -self.d(self.g(noise[-1])).mean()
        self.minimise(losses["g"], self.g_optimizer)
        return {name: loss.detach() for name, loss in losses.items()}

    def steepness(self, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
        """The mean squared distance of the critic's slopes from 1, the given shares of the way from real to fake."""
        between = torch.lerp(real, fake, share.view(-1, 1, 1, 1)).requires_grad_()
        (slopes,) = torch.autograd.grad(self.d(between).sum(), between, create_graph=True)
        return ((slopes.flatten(1).norm(dim=1) - 1) ** 2).mean()


def adam(
    learning_rate: float, b1: float = 0.9, b2: float = 0.999
) -> Callable[..., torch.optim.Optimizer]:
    """Makes PyTorch's Adam."""
    return partial(torch.optim.Adam, lr=learning_rate, betas=(b1, b2))


def mnist_mlp_bce(**placement) -> System:
    """Perceptrons; the discriminator ends in a sigmoid, and both noises are fresh."""
    networks = mlp_discriminator(nn.Sigmoid()), mlp_generator(nn.LeakyReLU())
    return ByTurns(*networks, criterion=nn.BCELoss(), optimizer=adam(3e-4), **placement)


def mnist_mlp(**placement) -> System:
    """Perceptrons; the discriminator gives logits."""
    networks = mlp_discriminator(), mlp_generator(nn.ReLU())
    return ByTurns(
        *networks, criterion=nn.BCEWithLogitsLoss(), optimizer=adam(3e-4, b1=0.5), **placement
    )


def mnist_cnn(**placement) -> System:
    """The convolutional pair."""
    networks = conv_discriminator(), conv_generator()
    return ByTurns(
        *networks, criterion=nn.BCEWithLogitsLoss(), optimizer=adam(3e-4, b1=0.5), **placement
    )


def parabola(**placement) -> System:
    """Curves of 15 points."""
    discriminator = nn.Sequential(nn.Linear(15, 128), nn.ReLU(), nn.Linear(128, 1), nn.Sigmoid())
    generator = nn.Sequential(nn.Linear(5, 128), nn.ReLU(), nn.Linear(128, 15))
    return Simultaneous(discriminator, generator, optimizer=adam(1e-4), **placement)


def mnist_wgan_clip(**placement) -> System:
    """A critic whose weights are clipped."""
    optimizer = partial(torch.optim.RMSprop, lr=5e-5)
    return Critic(
        mlp_discriminator(), mlp_generator(nn.ReLU()), clip=0.01, optimizer=optimizer, **placement
    )


def mnist_wgan_gradient_penalty(**placement) -> System:
    """A critic whose slope is drawn towards 1."""
    optimizer = adam(1e-4, b1=0.0, b2=0.9)
    return Critic(
        mlp_discriminator(),
        mlp_generator(nn.ReLU()),
        penalty=10.0,
        optimizer=optimizer,
        **placement,
    )


SYSTEMS: dict[str, Callable[..., System]] = {
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
