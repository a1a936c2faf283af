"""Ten train steps of every experiment against PyTorch's, whose figures `python -m benchmarks.parity` wrote down."""

import functools
import json
from pathlib import Path
from unittest import mock

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.parity_cases import CASES, STEPS, checksum, distance, draw, flatten, sketch
from experiments import mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan, parabola
from jaxgan import make_train_step

FIGURES = json.loads((Path(__file__).parent / "parity.json").read_text())["cases"]
BOUNDS = {"float32": 1e-4, "float64": 1e-9}
EXPERIMENTS = {
    "mnist_mlp_bce": (mnist_mlp_bce, "faithful"),
    "mnist_mlp": (mnist_mlp, "faithful"),
    "mnist_cnn": (mnist_cnn, "faithful"),
    "parabola": (parabola, "faithful"),
    "mnist_wgan_clip": (mnist_wgan, "clip"),
    "mnist_wgan_gradient_penalty": (mnist_wgan, "gradient-penalty"),
}
# Keys that are the number last folded in, and so are all their children: what is drawn tells for which update it is.
NUMBERED = jax.extend.random.define_prng_impl(
    key_shape=(1,),
    seed=lambda seed: jnp.zeros(1, jnp.uint32),
    split=lambda key, shape: jnp.broadcast_to(key, (*shape, 1)),
    random_bits=lambda key, bit_width, shape: pytest.fail(
        "something else than noise and shares is drawn"
    ),
    fold_in=lambda key, number: jnp.reshape(number, 1),
    name="numbered",
    tag="numbered",
)


def serve(case, noise, shares):
    """While networks are traced, jax.random's draws are the case's, stretched and cast as the package asks for.

    They are NaN for updates that PyTorch's train step does not have.
    """
    one_a_sample = (case.batch, *[1] * len(case.shape))
    unit = {one_a_sample: shares.reshape(case.d_steps, *one_a_sample)}
    if case.noise == "uniform":
        unit[noise.shape[1:]] = (noise + 1) / 2

    def of_update(table, key, dtype):
        return (
            table.at[jax.random.key_data(key)[0]].get(mode="fill", fill_value=np.nan).astype(dtype)
        )

    def uniform(key, shape, dtype, minval=0.0, maxval=1.0):
        if shape not in unit:
            return jnp.zeros(
                shape, dtype
            )  # Linen looks at the shapes of initial parameters, in apply too
        return minval + (maxval - minval) * of_update(unit[shape], key, dtype)

    def normal(key, shape, dtype):
        assert (case.noise, shape) == ("normal", noise.shape[1:])
        return of_update(noise, key, dtype)

    return mock.patch.multiple(jax.random, uniform=uniform, normal=normal)


def configure(name, precision):
    experiment, preset = EXPERIMENTS[name]
    return experiment.build, experiment.Config.from_preset(preset, precision=precision)


def start(name, precision):
    """The experiment's first state, with the parameters of the case."""
    (build, config), inputs = configure(name, precision), draw(name)

    @jax.jit  # which leaves out the work of drawing parameters that are not used
    def init(params):
        state = build(config).init(jax.random.key(0), inputs.real[0, 0])
        d, g = (
            player.replace(
                params=jax.tree.map(
                    lambda old, new: new.astype(old.dtype), player.params, params[which]
                )
            )
            for which, player in (("d", state.d), ("g", state.g))
        )
        return state.replace(d=d, g=g)

    return init(inputs.params)


def train_step(name, precision):
    """The experiment's, as `(state, real, noise, shares) -> (state, losses)`."""
    (build, config), case = configure(name, precision), CASES[name]

    @jax.jit
    def step(state, real, noise, shares):
        with serve(case, noise, shares):
            play = make_train_step(
                build(config),
                config.d_steps,
                config.g_steps,
                order=config.order,
                share_noise=config.share_noise,
            )
            state, metrics = play(state, real, jax.random.key(0, impl=NUMBERED))
        losses = {
            "d": metrics["d"]["loss"],
            "g": metrics["g"]["loss"],
            "penalty": metrics["d"].get("penalty"),
        }
        return state, {which: x for which, x in losses.items() if x is not None}

    return step


@functools.lru_cache(maxsize=1)
def play(name):
    """By precision: the losses of ten train steps, `{player: [10]}`, and the parameters after the last, by path.

    Each step in float32 starts where float64's started, in PyTorch as here: ReLUs and max-pooling switch where rounding
    decides, and after ten steps of `mnist_cnn` PyTorch's own float32 is 2e-2 away from its float64.
    """
    inputs = draw(name)
    steps = {precision: train_step(name, precision) for precision in BOUNDS}
    losses = {precision: [] for precision in BOUNDS}
    with jax.enable_x64(True):
        states = {"float64": jax.tree.map(np.asarray, start(name, "float64"))}
    for number in range(STEPS):
        states["float32"] = jax.tree.map(
            lambda x: x.astype(np.float32) if x.dtype == np.float64 else x, states["float64"]
        )
        for precision, step in steps.items():
            with jax.enable_x64(precision == "float64"):
                ended = step(states[precision], *(x[number] for x in inputs[1:]))
                states[precision], each = jax.tree.map(np.asarray, ended)
            losses[precision].append(each)
    return {
        precision: (
            {player: [float(step[player]) for step in each] for player in each[0]},
            flatten({"d": states[precision].d.params, "g": states[precision].g.params}),
        )
        for precision, each in losses.items()
    }


def deviations(name, precision):
    """‖ours - theirs‖ / ‖theirs‖ of every array: the parameters, and the losses of a player."""
    (losses, params), wanted = play(name)[precision], FIGURES[name][precision]
    assert losses.keys() == wanted["losses"].keys()
    assert params.keys() == wanted["params"].keys()
    off = {path: distance(sketch(path, x), wanted["params"][path]) for path, x in params.items()}
    for player, x in wanted["losses"].items():
        off[player] = float(np.linalg.norm(np.subtract(losses[player], x)) / np.linalg.norm(x))
    return off


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("name", CASES)
def test_ten_train_steps_are_pytorchs(name, precision):
    assert checksum(draw(name)) == FIGURES[name]["inputs"], (
        "run `python -m benchmarks.parity` with this NumPy"
    )
    assert {x.dtype for x in play(name)[precision][1].values()} == {np.dtype(precision)}
    off = deviations(name, precision)
    assert {which: x for which, x in off.items() if not x <= BOUNDS[precision]} == {}


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn", "parabola"])
def test_initial_parameters_are_spread_as_pytorchs(name):
    """All are uniform: the ends and the deviations of two such samples differ by less than this, but for bad luck."""
    build, config = configure(name, "float32")
    init = jax.jit(build(config).init, compiler_options={"xla_backend_optimization_level": 0})
    state = init(jax.random.key(1), draw(name).real[0, 0])
    params = flatten({"d": state.d.params, "g": state.g.params})
    assert params.keys() == FIGURES[name]["start"].keys()
    for path, (lowest, highest, deviation) in FIGURES[name]["start"].items():
        x = np.asarray(params[path], np.float64)
        ends = {"rtol": 20 / x.size, "atol": 0, "err_msg": path}
        np.testing.assert_allclose([x.min(), x.max()], [lowest, highest], **ends)
        np.testing.assert_allclose(x.std(), deviation, rtol=4 / x.size**0.5, atol=0, err_msg=path)
