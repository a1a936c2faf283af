"""Initialization and application of Linen modules, with or without a condition."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxgan._checks import check_takes_condition
from jaxgan.states import NetworkState, at_least_float32


def init_network(module, tx, key, x, condition):
    """Returns the initial state of a network and its output for the batch `x`."""
    args = module_args(module, x, condition)
    output, variables = module.init_with_output(key, *args, train=True)
    model_state = {name: tree for name, tree in variables.items() if name != "params"}
    params = variables.get("params", {})
    if model_state:
        # Linen initializes statistics in float32, but a step returns them in the precision of the
        # computation. Casting them here keeps the dtypes of the state constant, as `scan` requires.
        apply_once = partial(apply_train, module, params, model_state, x=x, condition=condition)
        _, after = jax.eval_shape(apply_once, jax.random.clone(key))
        model_state = jax.tree.map(lambda old, new: old.astype(new.dtype), model_state, after)
    return NetworkState(jnp.int32(0), params, model_state, tx.init(params)), output


def apply_train(module, params, model_state, key, x, condition):
    """Applies a module in train mode; returns its output and the updated model state."""
    variables = {"params": params, **model_state}
    output, model_state = module.apply(
        variables,
        *module_args(module, x, condition),
        train=True,
        mutable=list(model_state),
        rngs=key,
    )
    return at_least_float32(output), model_state


def apply_eval(module, variables, x, condition):
    """Applies a module in evaluation mode, in which each output row depends on one input row."""
    args = module_args(module, x, condition)
    return at_least_float32(module.apply(variables, *args, train=False))


def module_args(module, x, condition):
    """Returns the positional arguments of a module; unconditional modules take no condition."""
    check_takes_condition(module, condition)
    return (x,) if condition is None else (x, condition)
