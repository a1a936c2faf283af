import jax.numpy as jnp
import numpy as np
import optax

from jaxgan import states


def test_update_ema_has_its_closed_form_and_takes_the_new_counter():
    old = {"w": jnp.array([1.0, 5.0]), "count": jnp.int32(3)}
    new = {"w": jnp.array([2.0, -1.0]), "count": jnp.int32(4)}
    ema = old
    for _ in range(7):
        ema = states.update_ema(ema, new, 0.9)
    np.testing.assert_allclose(ema["w"], new["w"] + 0.9**7 * (old["w"] - new["w"]), rtol=1e-6)
    assert int(ema["count"]) == 4


def test_at_least_float32_casts_half_precision_only():
    tree = {"half": jnp.ones(1, jnp.bfloat16), "float": jnp.ones(1), "count": jnp.int32(3)}
    dtypes = {name: x.dtype for name, x in states.at_least_float32(tree).items()}
    assert dtypes == {"half": jnp.float32, "float": jnp.float32, "count": jnp.int32}


def test_network_state_apply_gradients_updates_params_and_increments_step():
    tx = optax.sgd(0.5)
    state = states.NetworkState(
        jnp.int32(0), {"w": jnp.array([1.0, 2.0])}, {}, tx.init({"w": jnp.zeros(2)})
    )
    updated = state.apply_gradients(tx, {"w": jnp.array([1.0, -2.0])}, {"stats": jnp.ones(1)})
    np.testing.assert_array_equal(updated.params["w"], [0.5, 3.0])
    assert int(updated.step) == 1
    assert updated.variables.keys() == {"params", "stats"}
