"""The benchmarked systems and the shape of their train steps.

Imports neither JAX nor PyTorch, so that the workers of both frameworks can read it.
"""

from typing import Literal, NamedTuple


class System(NamedTuple):
    """An experiment of this package and its PyTorch counterpart.

    Attributes:
      experiment: Module in `experiments`.
      preset: Preset of the experiment.
      torch_system: Counterpart in `benchmarks.torch_systems.TORCH_SYSTEMS`.
      steps_per_round: Train steps in one round of measurements.
      target_speedup: Target ratio of our steps per second to PyTorch's.
      batch_size: Real samples per discriminator update, B.
      latent_dim: Dimension of the latent vector z.
      prior: Distribution of z: uniform on [-1, 1), or standard normal.
      latent_batches: Batches of z per train step.
      d_steps: Discriminator updates per train step.
      images: Whether the system generates images; otherwise it generates parabolas.
      num_seeds: Number of GANs that our side trains at once, each counted in steps per second.
        None for a single GAN.
      supports_torch_compile: Whether torch.compile can compile the networks; it does not support
        the second derivatives of a gradient penalty.
    """

    experiment: str
    preset: str
    torch_system: str
    steps_per_round: int
    target_speedup: float
    batch_size: int = 128
    latent_dim: int = 100
    prior: Literal["uniform", "normal"] = "uniform"
    latent_batches: int = 1
    d_steps: int = 1
    images: bool = True
    num_seeds: int | None = None
    supports_torch_compile: bool = True


WGAN = {"batch_size": 64, "latent_batches": 6, "d_steps": 5}
PARABOLA = {"batch_size": 64, "latent_dim": 5, "prior": "normal", "images": False}
SYSTEMS = {
    "mnist_cnn": System("mnist_cnn", "faithful", "mnist_cnn", 20, 2.0),
    # Compared with PyTorch's train step without R1 and without a moving average.
    "mnist_cnn_tuned": System("mnist_cnn", "tuned", "mnist_cnn", 20, 1.75),
    "mnist_mlp": System("mnist_mlp", "faithful", "mnist_mlp", 300, 5.0),
    "mnist_mlp_bce": System(
        "mnist_mlp_bce",
        "faithful",
        "mnist_mlp_bce",
        300,
        5.0,
        batch_size=60,
        prior="normal",
        latent_batches=2,
    ),
    "mnist_wgan_clip": System("mnist_wgan", "clip", "mnist_wgan_clip", 100, 2.0, **WGAN),
    "mnist_wgan_gradient_penalty": System(
        "mnist_wgan",
        "gradient-penalty",
        "mnist_wgan_gradient_penalty",
        100,
        2.0,
        supports_torch_compile=False,
        **WGAN,
    ),
    "parabola": System("parabola", "faithful", "parabola", 3_000, 20.0, **PARABOLA),
    "parabola_64": System(
        "parabola", "faithful", "parabola", 1_000, 40.0, num_seeds=64, **PARABOLA
    ),
}
