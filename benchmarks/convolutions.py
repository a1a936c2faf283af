"""Times several implementations of convolutions on CPUs, and measures their rounding errors.

    python -m benchmarks.convolutions

The implementations, called forms, are `lax`, `jaxgan.models.toom_cook` with several tile widths,
and those that `jaxgan.models.fast_conv` chooses from; "jaxgan" is its choice. They run in compiled
loops, as in training, and alternate in one process. The table has the fastest of several rounds in
milliseconds, for the forward pass and for the forward pass with both gradients, and the root mean
square error of the forward pass, relative to a float64 reference.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxgan.evaluation import markdown_table
from jaxgan.models import fast_conv as fc
from jaxgan.models import matmul_conv, polyphase, strided_conv
from jaxgan.models.toom_cook import conv_by_toom_cook

NUM_ROUNDS, NUM_CALLS = 4, 2
NO_PADDING, NO_DILATION = ((0, 0), (0, 0)), (1, 1)

Conv = Callable[[jax.Array, jax.Array], jax.Array]


class Case(NamedTuple):
    """A convolution of `[B, H, H, C]` with a kernel `[k, k, C, F]`."""

    batch: int
    size: int
    channels: int
    features: int
    kernel: int
    stride: int = 1
    dilation: int = 1

    def __str__(self) -> str:
        kind = f", stride {self.stride}" if self.stride > 1 else ""
        kind = f", transposed, stride {self.dilation}" if self.dilation > 1 else kind
        return (
            f"{self.batch} of {self.size}x{self.size}, {self.channels} → {self.features}, "
            f"{self.kernel}x{self.kernel}{kind}"
        )


CASES = (
    Case(128, 28, 1, 32, 5),
    Case(128, 12, 32, 64, 5),
    Case(500, 12, 16, 32, 5),
    Case(128, 12, 8, 64, 5),
    Case(128, 14, 64, 64, 3),
    Case(128, 14, 16, 16, 3),
    Case(128, 14, 64, 128, 4, stride=2),
    Case(64, 16, 128, 256, 4, stride=2),
    Case(64, 8, 128, 256, 5, stride=2),
    Case(64, 4, 256, 512, 5, stride=2),
    Case(128, 7, 128, 64, 4, dilation=2),
    Case(128, 14, 64, 64, 4, dilation=2),
    Case(128, 14, 64, 1, 4, dilation=2),
    Case(64, 4, 256, 128, 5, dilation=2),
)


def make_forms(case: Case) -> dict[str, Conv]:
    """Returns the forms of a convolution by name; "jaxgan" is the one that the layers use."""
    if case.stride == case.dilation == 1:
        width = case.size - case.kernel + 1
        forms: dict[str, Conv] = {
            "lax": partial(
                strided_conv.conv_by_lax,
                strides=(1, 1),
                padding=NO_PADDING,
                lhs_dilation=NO_DILATION,
            ),
            "banded": matmul_conv.conv_as_matmul,
        }
        for m in (2, 4, 6):
            if m + case.kernel <= 9 and m <= width:
                forms[f"F({m}, {case.kernel})"] = partial(conv_by_toom_cook, tile_width=m)
        return forms | {"jaxgan": partial(matmul_conv.conv_by_products, padding=NO_PADDING)}
    k = case.kernel
    options = {
        "strides": (case.stride, case.stride),
        "padding": (((k - k // 2, k // 2),) * 2 if case.dilation > 1 else ((k // 2, k // 2),) * 2),
        "lhs_dilation": (case.dilation, case.dilation),
    }
    if case.stride > 1:
        by_phases = partial(
            polyphase.strided_conv_by_phases, strides=options["strides"], padding=options["padding"]
        )
    else:
        by_phases = partial(
            polyphase.transposed_conv_by_phases,
            lhs_dilation=options["lhs_dilation"],
            padding=options["padding"],
        )
    return {
        "lax": partial(strided_conv.conv_by_lax, **options),
        "custom gradient": lambda x, kernel: strided_conv.conv_with_fast_gradients(
            x, kernel, *options.values()
        ),
        "patches": partial(strided_conv.conv_by_patches, **options),
        "phases": by_phases,
        "jaxgan": lambda x, kernel: fc.fast_conv(x, kernel, *options.values()),
    }


def time_functions(functions: list[Conv], x: jax.Array, kernel: jax.Array) -> list[float]:
    """Returns the milliseconds per call of functions that return a scalar."""

    def make_loop(function):
        def call(_, carry):
            return 1e-9 * function(x * (1 + 1e-6 * carry), kernel)

        return jax.jit(lambda: lax.fori_loop(0, NUM_CALLS, call, jnp.float32(0)))

    loops = [make_loop(function) for function in functions]
    fastest = [float("inf")] * len(loops)
    for loop in loops:
        loop().block_until_ready()
    for _ in range(NUM_ROUNDS):
        for i, loop in enumerate(loops):
            begin = time.perf_counter()
            loop().block_until_ready()
            fastest[i] = min(fastest[i], (time.perf_counter() - begin) / NUM_CALLS * 1e3)
    return fastest


def sum_gradients(conv: Conv) -> Conv:
    """Returns a function that computes both gradients, and returns the sum of their entries."""

    def function(x, kernel):
        grads = jax.grad(lambda *a: jnp.sum(jnp.sin(conv(*a))), (0, 1))(x, kernel)
        return jnp.sum(grads[0]) + jnp.sum(grads[1])

    return function


def measure_error(conv: Conv, reference: Conv, x: jax.Array, kernel: jax.Array) -> float:
    """Returns the root mean square error relative to a float64 reference."""
    result = np.asarray(jax.jit(conv)(x, kernel), np.float64)
    with jax.enable_x64(True):
        exact = np.asarray(jax.jit(reference)(*(jnp.asarray(a, jnp.float64) for a in (x, kernel))))
    return float(np.sqrt(np.mean((result - exact) ** 2) / np.mean(exact**2)))


def main() -> None:
    """Prints a table of all cases and forms."""
    rows = []
    for case in CASES:
        forms, rng = make_forms(case), np.random.default_rng(0)
        shape = (case.kernel, case.kernel, case.channels, case.features)
        x = jnp.asarray(rng.normal(size=(case.batch, case.size, case.size, case.channels)), "f4")
        kernel = jnp.asarray(rng.normal(size=shape) / np.prod(shape[:3]) ** 0.5, "f4")
        convs = list(forms.values())
        forward = time_functions([lambda *a, c=c: jnp.sum(c(*a)) for c in convs], x, kernel)
        both = time_functions([sum_gradients(c) for c in convs], x, kernel)
        for i, name in enumerate(forms):
            error = measure_error(convs[i], forms["lax"], x[:8], kernel)
            times = (f"{forward[i]:.1f}", f"{both[i]:.1f}")
            rows.append([str(case) if i == 0 else "", name, *times, f"{error:.1e}"])
    header = ("convolution", "form", "forward (ms)", "and gradients (ms)", "error")
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
