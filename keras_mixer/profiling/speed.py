"""Images a second over a sweep of batch sizes, of several models in turn."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import keras

from keras_mixer.printable import print_line
from keras_mixer.profiling.counts import input_shapes
from keras_mixer.profiling.memory import peak_growth, state_bytes
from keras_mixer.training import SGD, AdamW
from keras_mixer.training.losses import gives_logits

Key = TypeVar("Key", bound=Hashable)

OPTIMIZERS: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
    "sgd": lambda: SGD(1e-3, momentum=0.9),
    "adamw": lambda: AdamW(1e-3, weight_decay=1e-4),
}
# How the backends say that memory is used up, in the name or the message of an error.
_FULL = ("resourceexhausted", "resource_exhausted", "out of memory", "allocate memory")


@dataclasses.dataclass(frozen=True)
class Point:
    """What was measured at one batch size.

    Args:
        batch_size: images in a call.
        images_per_second: by the median of the timed calls.
        flops: FLOP/s of matrix products and convolutions at that speed: two for each of the
            model's multiply-accumulates, three times as many in a step of training.
        first_call: seconds of the first call, with tracing and compilation.
        peak_bytes: memory at the peak of a later call: variables and what the call adds, see
            `peak_growth`; `None` where that is not measured.
        seconds: of each timed call, in the order of the rounds.
    """

    batch_size: int
    images_per_second: float
    flops: float
    first_call: float
    peak_bytes: int | None
    seconds: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What was measured over the batch sizes.

    Args:
        points: one for each batch size that fits, in growing order.
        out_of_memory: the batch size that did not fit and ended the sweep, or `None`.

    Attributes:
        best: the point with the most images a second, or `None` where none fits.
    """

    points: tuple[Point, ...]
    out_of_memory: int | None = None
    best: Point | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        best = max(self.points, key=lambda point: point.images_per_second, default=None)
        object.__setattr__(self, "best", best)


class Timed(Protocol):
    """What `sweep` times: a `Task`, or the like of it for a model that is not Keras'.

    Attributes:
        flops: of a call, for each image.
    """

    flops: int

    def call(self, batch_size: int) -> Callable[[], Any]:
        """A call on a batch that is on the device already; it returns when the result is there."""

    def state_bytes(self) -> int:
        """Bytes of the variables: weights, and those of the optimiser where it trains."""


class Task:
    """Inference or training of a model, as Keras compiles it, on random images.

    Args:
        model: gives `(batch, classes)`.
        macs: multiply-accumulates of one image, see `macs`.
        optimizer: what to train with, by its key in `OPTIMIZERS` or a Keras optimiser; `None` for
            inference. Training compiles the model, with softmax cross-entropy.
        jit_compile: as in `keras.Model.compile`. By default XLA on TensorFlow and JAX, and nothing
            on PyTorch, where `True` is `torch.compile`.
    """

    def __init__(
        self,
        model: keras.Model,
        macs: int,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        *,
        jit_compile: bool | str = "auto",
    ):
        self.model, self.training = model, optimizer is not None
        # The backward pass has a product for the gradient of each factor.
        self.flops = 2 * macs * (3 if self.training else 1)
        if optimizer is not None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=gives_logits(model))
            if isinstance(optimizer, str):
                optimizer = OPTIMIZERS[optimizer]()
            model.compile(optimizer, loss, jit_compile=jit_compile)
        elif jit_compile != "auto":
            model.compile(jit_compile=jit_compile)

    def call(self, batch_size: int) -> Callable[[], Any]:
        inputs: Any = [
            keras.random.uniform(shape, -1, 1, dtype=tensor.dtype, seed=0)
            for shape, tensor in zip(
                input_shapes(self.model, batch_size), self.model.inputs, strict=True
            )
        ]
        if len(inputs) == 1:
            (inputs,) = inputs
        if not self.training:
            return lambda: self.model.predict_on_batch(inputs)
        labels = keras.random.randint((batch_size,), 0, self.model.output_shape[-1], seed=0)
        return lambda: self.model.train_on_batch(inputs, labels)

    def state_bytes(self) -> int:
        state = [*self.model.variables]
        if self.training:
            state += self.model.optimizer.variables
        return state_bytes(state)


def sweep(
    tasks: Mapping[Key, Timed],
    batch_sizes: Sequence[int],
    *,
    rounds: int = 5,
    say: Callable[[str], None] = print_line,
) -> dict[Key, Sweep]:
    """Times every task at every batch size; in each round every task is called once, in turn.

    Each round begins with another task, so that none always follows the same one.

    Memory that is used up ends the sweep of that task and is said; the others go on. (Linux may
    instead end the process, for it grants a CPU more memory than there is.)

    Args:
        tasks: what to time, by name.
        batch_sizes: images in a call; they are taken in growing order.
        rounds: timed calls of each task at each batch size, after two that are not timed.
        say: called with a line for each batch size and for each task that does not fit.

    Raises:
        ValueError: `batch_sizes` is empty, or it or `rounds` holds a number below 1.
    """
    if min(batch_sizes, default=0) < 1 or rounds < 1:
        raise ValueError(
            "`batch_sizes` must be positive integers, at least one, and `rounds` at least 1. "
            f"Received: batch_sizes={tuple(batch_sizes)}, rounds={rounds}"
        )
    points: dict[Key, list[Point]] = {key: [] for key in tasks}
    full: dict[Key, int] = {}
    for size in sorted(set(batch_sizes)):
        running = [_Running(key, tasks[key], size) for key in tasks if key not in full]
        if not running:
            break
        say(f"batch size {size}")
        for i, step in enumerate((_Running.begin, *[_Running.time] * rounds)):
            turn = running[i % len(running) :] + running[: i % len(running)]
            for each in [each for each in turn if each.key not in full]:
                try:
                    step(each)
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    full[each.key] = size
                    say(f"{_text(each.key)}: out of memory at batch size {size}")
                    each.call = None  # Lets its batch go.
        for each in running:
            if each.key not in full:
                points[each.key].append(each.point())
    return {key: Sweep(tuple(points[key]), full.get(key)) for key in tasks}


class _Running:
    """One task at one batch size."""

    def __init__(self, key: Any, task: Timed, size: int):
        self.key, self.task, self.size = key, task, size
        self.call: Callable[[], Any] | None = None
        self.seconds: list[float] = []

    def begin(self) -> None:
        """The calls that are not timed among the others: the first one, and one for memory."""
        self.call = self.task.call(self.size)
        self.first = self._clock()
        growth = peak_growth(self.call)
        self.peak = None if growth is None else growth + self.task.state_bytes()

    def time(self) -> None:
        self.seconds.append(self._clock())

    def point(self) -> Point:
        rate = self.size / statistics.median(self.seconds)
        return Point(
            self.size, rate, rate * self.task.flops, self.first, self.peak, tuple(self.seconds)
        )

    def _clock(self) -> float:
        assert self.call is not None
        begun = time.perf_counter()
        self.call()
        return time.perf_counter() - begun


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of Python or of a backend says that memory is used up."""
    text = f"{type(error).__name__}: {error}".lower()
    return isinstance(error, MemoryError) or any(sign in text for sign in _FULL)


def _text(key: Any) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
