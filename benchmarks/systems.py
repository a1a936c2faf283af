"""The systems that are measured, and what their train steps are made of. Needs nothing, so that both sides read it."""

from typing import NamedTuple


class System(NamedTuple):
    """A system of ours, and its peer.

    Attributes:
      experiment: ours.
      preset: of the experiment.
      peer: of `benchmarks.torch_systems`.
      steps: train steps of a round of measurements.
      target: how many times the peer's steps/s ours are to be.
      batch: real samples an update of D.
      noise: numbers that a sample is made of.
      normal: whether they are normal, or uniform on [-1, 1).
      draws: noises of a train step.
      d_steps: updates of D a train step.
      images: whether it learns images, or parabolas.
      seeds: how many of ours are trained at once; each counts.
      compiles: whether torch.compile takes it; it has no second derivatives.
    """

    experiment: str
    preset: str
    peer: str
    steps: int
    target: float
    batch: int = 128
    noise: int = 100
    normal: bool = False
    draws: int = 1
    d_steps: int = 1
    images: bool = True
    seeds: int | None = None
    compiles: bool = True


CRITIC = {"batch": 64, "draws": 6, "d_steps": 5}
CURVES = {"batch": 64, "noise": 5, "normal": True, "images": False}
SYSTEMS = {
    "mnist_cnn": System("mnist_cnn", "faithful", "mnist_cnn", 20, 2.0),
    "mnist_mlp": System("mnist_mlp", "faithful", "mnist_mlp", 300, 5.0),
    "mnist_mlp_bce": System(
        "mnist_mlp_bce", "faithful", "mnist_mlp_bce", 300, 5.0, batch=60, normal=True, draws=2
    ),
    "mnist_wgan_clip": System("mnist_wgan", "clip", "mnist_wgan_clip", 100, 2.0, **CRITIC),
    "mnist_wgan_gradient_penalty": System(
        "mnist_wgan",
        "gradient-penalty",
        "mnist_wgan_gradient_penalty",
        100,
        2.0,
        compiles=False,
        **CRITIC,
    ),
    "parabola": System("parabola", "faithful", "parabola", 3_000, 20.0, **CURVES),
    "parabola_64": System("parabola", "faithful", "parabola", 1_000, 40.0, seeds=64, **CURVES),
}
