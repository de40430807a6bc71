"""The memory of a training step, from the architecture alone."""

import dataclasses
import math

from keras_mixer.specs import MixerSpec
from keras_mixer.training import Recipe

# Values of an optimiser for each parameter: Adam's two moments, momentum's one.
SLOTS = {"adamw": 2, "sgd": 1}
_FLOAT32, _BFLOAT16 = 4, 2  # Bytes.


@dataclasses.dataclass(frozen=True)
class Kept:
    """Tensors that the forward pass leaves for the backward pass.

    Args:
        name: what they are.
        count: of them in the model.
        elements: of one of them, for one image.
        width: bytes of an element.
        split: whether the devices of a model share them; else each has them whole.
    """

    name: str
    count: int
    elements: int
    width: int
    split: bool = False

    def bytes(self, model_parallel: int = 1) -> float:
        """Of all of them, for one image, on one device."""
        parts = model_parallel if self.split else 1
        return self.count * self.elements * self.width / parts


def kept_tensors(
    spec: MixerSpec,
    classes: int,
    *,
    image_size: tuple[int, int] | None = None,
    precision: str = "float32",
    remat: bool = False,
) -> tuple[Kept, ...]:
    """Every tensor that a training step keeps for the backward pass.

    Those of PyTorch's autograd, which a test counts, and the images themselves. A product keeps
    its input for the gradient of its kernel, GELU keeps its input, a normalisation its input and
    the mean and deviation of each token. Masks of stochastic depth (a byte for an MLP and image)
    are left out. XLA may keep less, by computing again what is cheap, or more.

    Args:
        spec: the architecture.
        classes: of the head.
        image_size: height and width in pixels, by default the spec's own.
        precision: `"float32"`, or `"mixed_bfloat16"`, where products and GELU take bfloat16 and
            normalisations, head and loss float32.
        remat: whether the inside of both MLPs is computed again.
    """
    height, width = image_size or spec.image_size
    s, c, layers = spec.tokens(image_size), spec.hidden_size, spec.num_layers
    wide = _width(precision)
    stem = [
        Kept("images", 1, 3 * height * width, _FLOAT32),
        Kept("patches", 1, 3 * height * width, wide),
    ]
    head = [
        *_norm("last normalisation", 1, s, c),
        Kept("input of the head", 1, c, _FLOAT32),
        Kept("class scores, labels", 2, classes, _FLOAT32),
    ]
    if remat:
        inputs = (Kept(f"input of {n}", layers, s * c, wide) for n in ("token MLP", "channel MLP"))
        return (*stem, *inputs, *head)
    mlps = (_mlp(name, layers, s, c, wide, hidden) for name, hidden in _hidden(spec, s))
    return (*stem, *(tensor for mlp in mlps for tensor in mlp), *head)


def _hidden(spec: MixerSpec, tokens: int) -> tuple[tuple[str, int], ...]:
    """Name of each MLP of a layer, and the elements of its hidden layer for one image."""
    return (
        ("token MLP", spec.hidden_size * spec.tokens_mlp_dim),
        ("channel MLP", tokens * spec.channels_mlp_dim),
    )


def _norm(name: str, count: int, s: int, c: int) -> list[Kept]:
    return [
        Kept(f"input of the {name}", count, s * c, _FLOAT32),
        Kept(f"mean, deviation of the {name}", 2 * count, s, _FLOAT32),
    ]


def _mlp(name: str, count: int, s: int, c: int, wide: int, hidden: int) -> list[Kept]:
    return [
        *_norm(f"normalisation of the {name}", count, s, c),
        Kept(f"input of the first Dense of the {name}", count, s * c, wide),
        Kept(f"input of GELU of the {name}", count, hidden, wide, True),
        Kept(f"input of the second Dense of the {name}", count, hidden, wide, True),
    ]


def _width(precision: str) -> int:
    return _FLOAT32 if precision == "float32" else _BFLOAT16


@dataclasses.dataclass(frozen=True)
class TrainingMemory:
    """Bytes on one device in a training step.

    Args:
        parameters: in float32.
        gradients: in float32.
        optimizer: its slots (`SLOTS`), in float32.
        averages: the moving average of the weights, in float32, where the recipe has one.
        accumulated: the sum of the gradients of parts, in float32, where there are parts.
        copies: kernels of the MLPs in bfloat16, which autograd keeps under `mixed_bfloat16`.
        activations: of all images that are in memory at once, see `kept_tensors`.
        working: what comes and goes in the backward pass: the gradients of an MLP's hidden layer
            before and after GELU and of its output, and with rematerialisation all that the MLP
            computes again; of the larger MLP of a layer.

    Attributes:
        total: all of it at once, which is above the peak where gradients come as activations go.
    """

    parameters: float
    gradients: float
    optimizer: float
    averages: float
    accumulated: float
    copies: float
    activations: float
    working: float
    total: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", sum(list(vars(self).values())))


def training_memory(
    spec: MixerSpec,
    recipe: Recipe,
    classes: int,
    images: int,
    *,
    image_size: tuple[int, int] | None = None,
    model_parallel: int = 1,
) -> TrainingMemory:
    """Memory of a training step on one device.

    Args:
        spec: the architecture.
        recipe: its optimiser, averages, accumulation, precision and rematerialisation count.
        classes: of the head.
        images: in memory at once on each device.
        image_size: height and width in pixels, by default the spec's own.
        model_parallel: devices that share one copy of the model.
    """
    s, wide = spec.tokens(image_size), _width(recipe.precision)
    tensors = kept_tensors(
        spec, classes, image_size=image_size, precision=recipe.precision, remat=recipe.remat
    )
    size = _FLOAT32 * device_parameters(spec, classes, image_size, model_parallel)
    kernels = 2 * (s * spec.tokens_mlp_dim + spec.hidden_size * spec.channels_mlp_dim)
    copied = recipe.precision != "float32" and not recipe.remat
    working = max(
        (2 * hidden / model_parallel + s * spec.hidden_size) * wide
        + recipe.remat
        * sum(t.bytes(model_parallel) for t in _mlp(name, 1, s, spec.hidden_size, wide, hidden))
        for name, hidden in _hidden(spec, s)
    )
    return TrainingMemory(
        parameters=size,
        gradients=size,
        optimizer=SLOTS[recipe.optimizer] * size,
        averages=size if recipe.ema is not None else 0,
        accumulated=size if recipe.accumulation > 1 else 0,
        copies=copied * _BFLOAT16 * spec.num_layers * kernels / model_parallel,
        activations=images * sum(t.bytes(model_parallel) for t in tensors),
        working=images * working,
    )


def device_parameters(
    spec: MixerSpec, classes: int, image_size: tuple[int, int] | None, model_parallel: int
) -> int:
    """Parameters on each of the devices that share one copy of the model.

    Both kernels of an MLP and the bias of its hidden layer are split along the hidden layer; the
    rest every device has whole.
    """
    s = spec.tokens(image_size)
    hidden = (2 * s + 1) * spec.tokens_mlp_dim + (2 * spec.hidden_size + 1) * spec.channels_mlp_dim
    split = spec.num_layers * hidden
    return spec.parameters(classes, image_size) - split + math.ceil(split / model_parallel)
