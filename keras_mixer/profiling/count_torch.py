"""Multiply-accumulates in what is dispatched on PyTorch."""

import math
from collections.abc import Callable
from typing import Any

import keras


def count(call: Callable[..., Any], *groups: list[tuple]) -> int:
    """Multiply-accumulates of a function.

    It runs on the device `meta`, where tensors have shapes and no values. There fused attention
    comes apart into its two products; PyTorch's counter does not know the fused form of CPUs.

    Args:
        call: what to run.
        groups: one for each argument: shape and dtype of each of its tensors.

    Raises:
        ValueError: as in `macs`.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def of_vectors(first, *_, **__):
        return 2 * math.prod(first)

    # What the counter lacks.
    vectors = {torch.ops.aten.mv: of_vectors, torch.ops.aten.dot: of_vectors}
    arguments = [
        [torch.empty(shape, dtype=getattr(torch, dtype), device="meta") for shape, dtype in group]
        for group in groups
    ]
    counter = FlopCounterMode(display=False, custom_mapping=vectors)
    with keras.device("meta"), torch.no_grad(), counter:
        call(*arguments)
    return counter.get_total_flops() // 2  # It counts a multiplication and an addition as two.
