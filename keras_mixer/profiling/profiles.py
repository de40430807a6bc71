"""Everything that is measured of some models, side by side."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import keras

from keras_mixer.printable import print_line
from keras_mixer.profiling.ceiling import matmul_ceiling
from keras_mixer.profiling.counts import macs
from keras_mixer.profiling.speed import OPTIMIZERS, Sweep, Task, sweep

# What a user types, and the policy of Keras: bfloat16 computes, the weights stay in float32.
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclasses.dataclass(frozen=True)
class Profile:
    """What was measured of one model in one precision.

    Args:
        model: its name.
        dtype: key of `POLICIES`.
        parameters: all of them.
        trainable_parameters: those that training changes.
        macs: multiply-accumulates of one image, see `macs`.
        ceiling: rate of the machine's matrix products in `dtype`, FLOP/s; see `matmul_ceiling`.
        inference: over the batch sizes.
        training: the same, or `None` where it was not asked for.

    Attributes:
        inference_share: of the ceiling, at the best batch size; `None` without one. Above 1 where
            the machine had more time for the model than for the products.
        training_share: the same of training.
    """

    model: str
    dtype: str
    parameters: int
    trainable_parameters: int
    macs: int
    ceiling: float
    inference: Sweep
    training: Sweep | None
    inference_share: float | None = dataclasses.field(init=False)
    training_share: float | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        for phase in ("inference", "training"):
            best = getattr(getattr(self, phase), "best", None)
            object.__setattr__(self, f"{phase}_share", best and best.flops / self.ceiling)


def benchmark(
    factories: Mapping[str, Callable[[], keras.Model]],
    *,
    batch_sizes: Sequence[int] = (1, 8, 32),
    dtypes: Sequence[str] = ("float32",),
    rounds: int = 5,
    training: bool = True,
    optimizer: str = "adamw",
    say: Callable[[str], None] = print_line,
) -> tuple[Profile, ...]:
    """Measures models side by side in this process, in every precision.

    All are built at once and timed in turn, round by round, so that what else the machine does
    falls on all of them alike. Images are random numbers that are on the device already: the speed
    is that of the model, as Keras compiles it by default (not at all on PyTorch). The rate of
    the machine's matrix products is the best of before, between and after the two.

    Args:
        factories: a function for each name that builds the model, giving `(batch, classes)`; it is
            called once for each precision, under that policy.
        batch_sizes: images in a call; the best one is reported, as in section 3 of the paper
            (https://arxiv.org/abs/2105.01601).
        dtypes: keys of `POLICIES`.
        rounds: timed calls at each batch size.
        training: whether to measure training too.
        optimizer: `"adamw"`, or `"sgd"` with momentum.
        say: called with a line as each phase begins and for what does not fit into memory.

    Returns:
        A profile for each model and precision.

    Raises:
        ValueError: an unknown precision or optimiser, nothing to measure, or as in `macs` and
            `sweep`.
    """
    for wanted, allowed in ((dtypes, POLICIES), ((optimizer,), OPTIMIZERS)):
        if unknown := set(wanted) - set(allowed):
            raise ValueError(f"Unknown {sorted(unknown)}. Choose of: {', '.join(allowed)}")
    if not factories or not dtypes:
        raise ValueError("There is nothing to measure. Give a model and a precision at least.")
    models = {}
    for dtype in dtypes:
        for name, factory in factories.items():
            say(f"{name} {dtype}: building")
            models[name, dtype] = _build(factory, POLICIES[dtype])
    counts = {key: macs(model) for key, model in models.items()}

    def measure(phase: str, optimizer: str | None) -> dict[tuple[str, str], Sweep]:
        return sweep(
            {key: Task(model, counts[key], optimizer) for key, model in models.items()},
            batch_sizes,
            rounds=rounds,
            say=lambda line: say(f"{phase}: {line}"),
        )

    def ceilings() -> dict[str, float]:
        say("matrix products: measuring their rate")
        return {dtype: matmul_ceiling(dtype) for dtype in dtypes}

    rates = [ceilings()]
    inferences = measure("inference", None)
    rates.append(ceilings())
    trainings = {}
    if training:
        trainings = measure("training", optimizer)
        rates.append(ceilings())
    return tuple(
        Profile(
            name,
            dtype,
            _size(model.weights),
            _size(model.trainable_weights),
            counts[name, dtype],
            max(rate[dtype] for rate in rates),
            inferences[name, dtype],
            trainings.get((name, dtype)),
        )
        for (name, dtype), model in models.items()
    )


def _build(factory: Callable[[], keras.Model], policy: str) -> keras.Model:
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        return factory()
    finally:
        keras.config.set_dtype_policy(before)


def _size(variables) -> int:
    return sum(math.prod(v.shape) for v in variables)
