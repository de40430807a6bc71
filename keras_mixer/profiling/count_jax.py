"""Multiply-accumulates in a jaxpr."""

import math
from collections.abc import Callable, Iterator
from typing import Any

# Kernels whose work is not written in the jaxpr as operations that a walk can count.
OPAQUE = ("pallas_call", "ffi_call")


def count(call: Callable[..., Any], *groups: list[tuple]) -> int:
    """Multiply-accumulates of a function.

    Args:
        call: what to trace.
        groups: one for each argument: shape and dtype of each of its arrays.

    Raises:
        ValueError: as in `macs`.
    """
    import jax

    arguments = [[jax.ShapeDtypeStruct(*array) for array in group] for group in groups]
    return _walk(jax.make_jaxpr(call)(*arguments).jaxpr)


def _walk(jaxpr: Any) -> int:
    return sum(_equation(equation) for equation in jaxpr.eqns)


def _equation(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return equation.outvars[0].aval.size * math.prod(left[axis] for axis in contracted)
    if name == "conv_general_dilated":
        return _convolution(equation)
    if name.startswith("dot_product_attention_fwd"):  # cuDNN's; batch, tokens, heads, width.
        query, key = (variable.aval for variable in equation.invars[:2])
        return 2 * query.size * key.shape[1]
    if name in OPAQUE:
        raise ValueError(
            f"The products inside {name} cannot be counted. Build the model without it, such as "
            "after keras.config.disable_flash_attention()."
        )
    inside = sum(_walk(jaxpr) for value in params.values() for jaxpr in _jaxprs(value))
    if inside and name in ("while", "cond"):
        raise ValueError(
            f"The model has products inside of {name}, so their number depends on data. Count its "
            "parts instead."
        )
    return inside * params["length"] if name == "scan" else inside


def _convolution(equation: Any) -> int:
    images, kernel = (variable.aval for variable in equation.invars[:2])
    out_of, into, *_ = equation.params["dimension_numbers"].rhs_spec
    if max(equation.params["lhs_dilation"], default=1) > 1:  # Transposed: the rest are zeros.
        groups = equation.params["feature_group_count"]
        return images.size * (kernel.size // kernel.shape[into]) // groups
    return equation.outvars[0].aval.size * (kernel.size // kernel.shape[out_of])


def _jaxprs(value: Any) -> Iterator[Any]:
    """The jaxprs in a parameter of an equation."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _jaxprs(item)
    elif hasattr(value, "eqns"):
        yield value
    elif hasattr(getattr(value, "jaxpr", None), "eqns"):
        yield value.jaxpr
