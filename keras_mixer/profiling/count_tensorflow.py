"""Multiply-accumulates in a graph of TensorFlow."""

import math
from collections.abc import Callable
from typing import Any

# The attribute of each product that says whether its first factor is transposed.
PRODUCTS = {
    "MatMul": "transpose_a",
    "BatchMatMul": "adj_x",
    "BatchMatMulV2": "adj_x",
    "BatchMatMulV3": "adj_x",
}
CONVOLUTIONS = ("Conv2D", "Conv3D")
TRANSPOSED = ("Conv2DBackpropInput", "Conv3DBackpropInputV2")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def count(call: Callable[..., Any], *groups: list[tuple]) -> int:
    """Multiply-accumulates of a function.

    Args:
        call: what to trace.
        groups: one for each argument: shape and dtype of each of its tensors.

    Raises:
        ValueError: as in `macs`.
    """
    import tensorflow as tf

    arguments = [[tf.TensorSpec(*tensor) for tensor in group] for group in groups]
    return _walk(tf.function(call, autograph=False).get_concrete_function(*arguments).graph)


def _walk(graph: Any) -> int:
    return sum(_operation(operation) for operation in graph.get_operations())


def _operation(operation: Any) -> int:
    kind = operation.type
    if kind in PRODUCTS:
        *_, rows, columns = _shape(operation.inputs[0])
        transposed = operation.get_attr(PRODUCTS[kind])
        return _size(operation.outputs[0]) * (rows if transposed else columns)
    if kind == "Einsum":
        return _einsum(operation)
    if kind in CONVOLUTIONS:
        *window, channels, _ = _shape(operation.inputs[1])  # Those of one group.
        return _size(operation.outputs[0]) * math.prod(window) * channels
    if kind == "DepthwiseConv2dNative":
        height, width, _, _ = _shape(operation.inputs[1])
        return _size(operation.outputs[0]) * height * width
    if kind in TRANSPOSED:
        *window, channels, _ = _shape(operation.inputs[1])
        return _size(operation.inputs[2]) * math.prod(window) * channels
    attributes = operation.node_def.attr.values()
    names = [a.func.name for a in attributes if a.WhichOneof("value") == "func"]
    names += [function.name for a in attributes for function in a.list.func]
    inside = sum(_walk(operation.graph._get_function(name).graph) for name in names)
    if inside and kind not in CALLS:
        raise ValueError(
            f"The model has products inside of {kind}, so their number depends on data. Count its "
            "parts instead."
        )
    return inside


def _einsum(operation: Any) -> int:
    if len(operation.inputs) < 2:  # A sum or a transpose.
        return 0
    left, right = operation.get_attr("equation").decode().split("->")
    sizes: dict[str, int] = {}
    for term, tensor in zip(left.split(","), operation.inputs, strict=True):
        before, _, after = term.partition("...")
        shape = _shape(tensor)
        sizes |= dict(zip(before, shape, strict=False))
        sizes |= dict(zip(after[::-1], shape[::-1], strict=False))
    summed = math.prod(size for label, size in sizes.items() if label not in right)
    return _size(operation.outputs[0]) * summed


def _size(tensor: Any) -> int:
    return math.prod(_shape(tensor))


def _shape(tensor: Any) -> tuple[int, ...]:
    if not tensor.shape.is_fully_defined():
        raise ValueError(
            f"{tensor.name} has the shape {tensor.shape} in the graph, too little to count its "
            "products. Give its layer a static shape."
        )
    return tuple(tensor.shape)
