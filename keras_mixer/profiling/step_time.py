"""The time of a training step, from the architecture, the devices and their links."""

import dataclasses

from keras_mixer.profiling.devices import DeviceType, all_reduce_seconds, ring_bytes
from keras_mixer.profiling.training_memory import device_parameters
from keras_mixer.specs import MixerSpec
from keras_mixer.training import Recipe


@dataclasses.dataclass(frozen=True)
class StepTime:
    """The seconds of one optimiser step, and the bytes that each device sends in it.

    Args:
        compute: seconds of the products, or by the given throughput.
        gradients: seconds of adding up the gradients of all copies of the model.
        activations: seconds of adding up the outputs of MLPs, and the gradients of their inputs,
            within each copy of the model.
        gradient_bytes: that a device sends for `gradients`.
        activation_bytes: that a device sends for `activations`.

    Attributes:
        total: one after the other, as if nothing overlapped.
        overlapped: the same with gradients on their way while others are computed: the least that
            a step can take.
        communication: share of `total` that is communication.
    """

    compute: float
    gradients: float
    activations: float
    gradient_bytes: float
    activation_bytes: float
    total: float = dataclasses.field(init=False)
    overlapped: float = dataclasses.field(init=False)
    communication: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        inside = self.compute + self.activations
        object.__setattr__(self, "total", inside + self.gradients)
        object.__setattr__(self, "overlapped", max(inside, self.gradients))
        object.__setattr__(self, "communication", 1 - self.compute / self.total)


def step_time(
    spec: MixerSpec,
    recipe: Recipe,
    classes: int,
    device: DeviceType,
    devices: int,
    *,
    model_parallel: int,
    image_size: tuple[int, int] | None,
    throughput: float | None,
    utilisation: float,
) -> StepTime:
    """Time and traffic of an optimiser step; the arguments are those of `plan`."""
    copies = devices // model_parallel
    gradients = 4 * device_parameters(spec, classes, image_size, model_parallel)
    # Each MLP of a layer adds up its output in the forward pass and the gradient of its input in
    # the backward pass.
    images = recipe.batch_size // (copies * recipe.accumulation)
    width = 4 if recipe.precision == "float32" else 2
    tokens = images * spec.tokens(image_size) * spec.hidden_size * width
    sums = 4 * spec.num_layers
    if throughput is None:
        peak = device.float32 if recipe.precision == "float32" else device.bfloat16
        flops = recipe.batch_size * training_flops(spec, classes, image_size, recipe.remat)
        compute = flops / (devices * peak * utilisation)
    else:
        compute = recipe.batch_size / (devices * throughput)
    parts = recipe.accumulation  # Keras adds up the gradients of each part, not their sum.
    return StepTime(
        compute,
        parts * all_reduce_seconds(gradients, copies, device, model_parallel),
        parts * sums * all_reduce_seconds(tokens, model_parallel, device),
        parts * ring_bytes(gradients, copies),
        parts * sums * ring_bytes(tokens, model_parallel),
    )


def training_flops(
    spec: MixerSpec, classes: int, image_size: tuple[int, int] | None = None, remat: bool = False
) -> int:
    """FLOPs of the products of a training step for one image.

    Two for each multiply-accumulate; three times those of the forward pass, for the backward pass
    has a product for the gradient of each factor. Rematerialisation computes the first product of
    each MLP again, half of those of the layers.
    """
    s = spec.tokens(image_size)
    layer = s * spec.hidden_size * (spec.tokens_mlp_dim + spec.channels_mlp_dim)
    return 2 * (3 * spec.macs(classes, image_size) + remat * spec.num_layers * layer)
