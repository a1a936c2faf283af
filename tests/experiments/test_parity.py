"""Ten train steps of every experiment against those of PyTorch.

parity.json has PyTorch's results; `python -m benchmarks.parity` writes it.
"""

import functools
import json
from pathlib import Path
from unittest import mock

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.parity_cases import (
    CASES,
    STEPS,
    checksum_inputs,
    draw_inputs,
    estimate_distance,
    flatten_params,
    sketch_array,
)
from experiments import mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan, parabola
from jaxgan import make_train_step

EXPECTED = json.loads((Path(__file__).parent / "parity.json").read_text())["cases"]
TOLERANCES = {"float32": 1e-4, "float64": 1e-9}
EXPERIMENTS = {
    "mnist_mlp_bce": (mnist_mlp_bce, "faithful"),
    "mnist_mlp": (mnist_mlp, "faithful"),
    "mnist_cnn": (mnist_cnn, "faithful"),
    "parabola": (parabola, "faithful"),
    "mnist_wgan_clip": (mnist_wgan, "clip"),
    "mnist_wgan_gradient_penalty": (mnist_wgan, "gradient-penalty"),
}
# A key of this kind is the number that was folded in last, and so are all keys split from it: a
# draw shows for which update it is made.
NUMBERED_KEYS = jax.extend.random.define_prng_impl(
    key_shape=(1,),
    seed=lambda seed: jnp.zeros(1, jnp.uint32),
    split=lambda key, shape: jnp.broadcast_to(key, (*shape, 1)),
    random_bits=lambda key, bit_width, shape: pytest.fail(
        "something is drawn other than latent noise and interpolation weights"
    ),
    fold_in=lambda key, number: jnp.reshape(number, 1),
    name="numbered",
    tag="numbered",
)


def patch_draws(case, z, interp_weights):
    """Replaces the draws of jax.random by those of a case, while networks are traced.

    The draws are scaled and cast as the package asks for. Those of updates that PyTorch's train
    step does not have are NaN.
    """
    weights_shape = (case.batch_size, *[1] * len(case.shape))
    unit = {weights_shape: interp_weights.reshape(case.d_steps, *weights_shape)}
    if case.prior == "uniform":
        unit[z.shape[1:]] = (z + 1) / 2

    def select_update(table, key, dtype):
        index = jax.random.key_data(key)[0]
        return table.at[index].get(mode="fill", fill_value=np.nan).astype(dtype)

    def uniform(key, shape, dtype, minval=0.0, maxval=1.0):
        if shape not in unit:  # initial parameters, of which Linen reads the shapes in apply too
            return jnp.zeros(shape, dtype)
        return minval + (maxval - minval) * select_update(unit[shape], key, dtype)

    def normal(key, shape, dtype):
        assert (case.prior, shape) == ("normal", z.shape[1:])
        return select_update(z, key, dtype)

    return mock.patch.multiple(jax.random, uniform=uniform, normal=normal)


def configure(name, precision):
    """Returns the `build` function and the configuration of a case."""
    experiment, preset = EXPERIMENTS[name]
    return experiment.build, experiment.Config.from_preset(preset, precision=precision)


def init_state(name, precision):
    """Returns the experiment's initial state, with the parameters of the case."""
    (build, config), inputs = configure(name, precision), draw_inputs(name)

    @jax.jit  # skips the computation of the initial parameters, which are not used
    def init(params):
        state = build(config).init(jax.random.key(0), inputs.real[0, 0])

        def with_params(network, new):
            cast = jax.tree.map(lambda old, x: x.astype(old.dtype), network.params, new)
            return network.replace(params=cast)

        return state.replace(
            d=with_params(state.d, params["d"]), g=with_params(state.g, params["g"])
        )

    return init(inputs.params)


def make_case_step(name, precision):
    """Returns the experiment's `(state, real, z, interp_weights) -> (state, losses)`."""
    (build, config), case = configure(name, precision), CASES[name]

    @jax.jit
    def step(state, real, z, interp_weights):
        with patch_draws(case, z, interp_weights):
            train_step = make_train_step(
                build(config),
                config.d_steps,
                config.g_steps,
                update_order=config.update_order,
                share_noise=config.share_noise,
            )
            state, metrics = train_step(state, real, jax.random.key(0, impl=NUMBERED_KEYS))
        losses = {
            "d": metrics["d"]["loss"],
            "g": metrics["g"]["loss"],
            "penalty": metrics["d"].get("penalty"),
        }
        return state, {name: x for name, x in losses.items() if x is not None}

    return step


@functools.lru_cache(maxsize=1)
def run_case(name):
    """Returns by precision the losses `{name: [10]}` and the final parameters by path.

    Each float32 step starts from the state of the float64 run, in PyTorch as here: ReLUs and
    max-pooling switch where rounding decides, and after ten steps of `mnist_cnn` PyTorch's own
    float32 is 2e-2 away from its float64.
    """
    inputs = draw_inputs(name)
    steps = {precision: make_case_step(name, precision) for precision in TOLERANCES}
    losses = {precision: [] for precision in TOLERANCES}
    with jax.enable_x64(True):
        states = {"float64": jax.tree.map(np.asarray, init_state(name, "float64"))}
    for number in range(STEPS):
        states["float32"] = jax.tree.map(
            lambda x: x.astype(np.float32) if x.dtype == np.float64 else x, states["float64"]
        )
        for precision, step in steps.items():
            with jax.enable_x64(precision == "float64"):
                result = step(states[precision], *(x[number] for x in inputs[1:]))
                states[precision], step_losses = jax.tree.map(np.asarray, result)
            losses[precision].append(step_losses)
    return {
        precision: (
            {loss: [float(step[loss]) for step in rows] for loss in rows[0]},
            flatten_params({"d": states[precision].d.params, "g": states[precision].g.params}),
        )
        for precision, rows in losses.items()
    }


def relative_errors(name, precision):
    """Returns ‖ours - theirs‖ / ‖theirs‖ of every array of parameters and every loss."""
    (losses, params), expected = run_case(name)[precision], EXPECTED[name][precision]
    assert losses.keys() == expected["losses"].keys()
    assert params.keys() == expected["params"].keys()
    errors = {
        path: estimate_distance(sketch_array(path, x), expected["params"][path])
        for path, x in params.items()
    }
    for loss, x in expected["losses"].items():
        errors[loss] = float(np.linalg.norm(np.subtract(losses[loss], x)) / np.linalg.norm(x))
    return errors


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize(
    "name",
    # The convolutions of XLA's fast compilation are slow.
    [pytest.param(n, marks=pytest.mark.default_xla) if n == "mnist_cnn" else n for n in CASES],
)
def test_ten_train_steps_equal_those_of_pytorch(name, precision):
    assert checksum_inputs(draw_inputs(name)) == EXPECTED[name]["inputs"], (
        "this NumPy draws other inputs; run `python -m benchmarks.parity` with it"
    )
    assert {x.dtype for x in run_case(name)[precision][1].values()} == {np.dtype(precision)}
    errors = relative_errors(name, precision)
    assert {path: x for path, x in errors.items() if not x <= TOLERANCES[precision]} == {}


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn", "parabola"])
def test_initial_parameters_are_distributed_as_those_of_pytorch(name):
    """All are uniform. Their range and standard deviation vary by less than the tolerances."""
    build, config = configure(name, "float32")
    init = jax.jit(build(config).init, compiler_options={"xla_backend_optimization_level": 0})
    state = init(jax.random.key(1), draw_inputs(name).real[0, 0])
    params = flatten_params({"d": state.d.params, "g": state.g.params})
    assert params.keys() == EXPECTED[name]["start"].keys()
    for path, (lowest, highest, deviation) in EXPECTED[name]["start"].items():
        x = np.asarray(params[path], np.float64)
        range_options = {"rtol": 20 / x.size, "atol": 0, "err_msg": path}
        np.testing.assert_allclose([x.min(), x.max()], [lowest, highest], **range_options)
        np.testing.assert_allclose(x.std(), deviation, rtol=4 / x.size**0.5, atol=0, err_msg=path)
