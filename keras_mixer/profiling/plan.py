"""What a training would take on many devices: memory, communication, time."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from keras_mixer.profiling.cost import DAY
from keras_mixer.profiling.devices import DEVICES, DeviceType
from keras_mixer.profiling.step_time import StepTime, step_time
from keras_mixer.profiling.training_memory import TrainingMemory, training_memory
from keras_mixer.specs import SPECS, MixerSpec
from keras_mixer.training import RECIPES, Recipe
from keras_mixer.training.ranges import POSITIVE, Range, count

Row = TypeVar("Row")

# Share of a device's memory that a program gets; the rest is for the runtime, compiled programs
# and what lies between allocations. An assumption.
USABLE = 0.9
# Share of the peak rate of products that a training reaches, between what the paper's core-days
# stand for: the least for the smallest models, the most for the largest (docs/plan.md).
UTILISATION = 0.4


@dataclasses.dataclass(frozen=True)
class Plan:
    """An estimate of a training.

    Args:
        model: name of the architecture.
        recipe: what it is trained by, in whole steps.
        device: type of the devices.
        devices: how many.
        model_parallel: devices that share one copy of the model.
        parameters: of the whole model.
        images: in memory at once on each device.
        memory: on each device.
        memory_otherwise: the same with rematerialisation turned round, or `None` with dropout.
        usable: bytes of a device that a program gets.
        most_images: most images that fit on a device at once.
        step: an optimiser step.
        remedies: arguments, or fields of the recipe, that would each alone make it fit.

    Attributes:
        fits: whether the memory is enough.
        images_per_second: of all devices together.
        days: all steps, without reading of data and evaluations.
        device_days: days times devices.
    """

    model: str
    recipe: Recipe
    device: DeviceType
    devices: int
    model_parallel: int
    parameters: int
    images: int
    memory: TrainingMemory
    memory_otherwise: TrainingMemory | None
    usable: float
    most_images: int
    step: StepTime
    remedies: dict[str, Any]
    fits: bool = dataclasses.field(init=False)
    images_per_second: float = dataclasses.field(init=False)
    days: float = dataclasses.field(init=False)
    device_days: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        assert self.recipe.steps is not None
        days = self.recipe.steps * self.step.total / DAY
        for name, value in {
            "fits": self.memory.total <= self.usable,
            "images_per_second": self.recipe.batch_size / self.step.total,
            "days": days,
            "device_days": days * self.devices,
        }.items():
            object.__setattr__(self, name, value)


def plan(
    model: MixerSpec | str,
    recipe: Recipe | str,
    *,
    images: int,
    classes: int,
    devices: int,
    device: DeviceType | str,
    model_parallel: int = 1,
    image_size: tuple[int, int] | None = None,
    throughput: float | None = None,
    utilisation: float = UTILISATION,
) -> Plan:
    """Estimates a training of all parameters of a Mixer on many devices, from closed forms.

    docs/plan.md has the formulas and what they were compared with.

    Args:
        model: a spec, or a key of `SPECS`.
        recipe: a recipe, or a key of `RECIPES`.
        images: that an epoch has.
        classes: of the head.
        devices: of all copies of the model.
        device: a type, or a key of `DEVICES`.
        model_parallel: devices that share one copy of the model; its MLPs are split along their
            hidden layers.
        image_size: height and width in pixels, by default the spec's own.
        throughput: images a second that one device trains on, measured (`keras-mixer benchmark`),
            instead of an estimate from the products.
        utilisation: share of the peak rate of products that is reached.

    Raises:
        ValueError: an unknown name, a number out of its range, devices or images that cannot be
            shared out evenly, or a recipe that trains a part of the parameters.

    Example:

    >>> profiling.plan("mixer_h14", "pretrain_jft300m_h", images=300_000_000, classes=18_000,
    ...                devices=256, device="h200").fits
    True
    """
    spec = _find("model", model, SPECS)
    device = _find("device", device, DEVICES)
    recipe = _find("recipe", recipe, RECIPES)
    count(1, 10**12).check("images", images)
    count(1).check("classes", classes)
    count(1).check("devices", devices)
    count(1).check("model_parallel", model_parallel)
    Range(0, 1, min_open=True).check("utilisation", utilisation)
    if throughput is not None:
        POSITIVE.check("throughput", throughput)
    if recipe.lora_rank or recipe.head_steps:
        raise ValueError(
            f"The recipe {recipe.name} trains a part of the parameters, which a plan does not "
            "know. Use lora_rank=0 and head_steps=0."
        )
    recipe = recipe.for_images(images)
    if problem := _uneven(spec, recipe, devices, model_parallel):
        raise ValueError(problem)

    def memory(recipe: Recipe, images: int, model_parallel: int = model_parallel):
        return training_memory(
            spec, recipe, classes, images, image_size=image_size, model_parallel=model_parallel
        )

    at_once = _at_once(recipe, devices, model_parallel)
    usable = USABLE * device.memory
    empty = memory(recipe, 0).total
    most = max(0, int((usable - empty) / (memory(recipe, 1).total - empty)))
    needed = memory(recipe, at_once)
    remedies: dict[str, Any] = {}
    if needed.total > usable:
        for name, value, changed, number, shared in _changes(
            spec, recipe, devices, model_parallel, most
        ):
            joined = device.network is not None or number <= device.group
            then = memory(changed, _at_once(changed, number, shared), shared)
            if name not in remedies and joined and then.total <= usable:
                remedies[name] = value
    other = None if recipe.dropout else memory(recipe.replace(remat=not recipe.remat), at_once)
    return Plan(
        model=spec.name,
        recipe=recipe,
        device=device,
        devices=devices,
        model_parallel=model_parallel,
        parameters=spec.parameters(classes, image_size),
        images=at_once,
        memory=needed,
        memory_otherwise=other,
        usable=usable,
        most_images=most,
        step=step_time(
            spec,
            recipe,
            classes,
            device,
            devices,
            model_parallel=model_parallel,
            image_size=image_size,
            throughput=throughput,
            utilisation=utilisation,
        ),
        remedies=remedies,
    )


def _find(what: str, value: Row | str, rows: Mapping[str, Row]) -> Row:
    if not isinstance(value, str):
        return value
    if value not in rows:
        raise ValueError(f"Unknown {what} {value!r}. Choose one of: {', '.join(rows)}")
    return rows[value]


def _at_once(recipe: Recipe, devices: int, model_parallel: int) -> int:
    return recipe.batch_size * model_parallel // (devices * recipe.accumulation)


def _uneven(spec: MixerSpec, recipe: Recipe, devices: int, model_parallel: int) -> str | None:
    """What cannot be shared out evenly, in a line."""
    if devices % model_parallel:
        return (
            f"{devices} devices are not a whole number of models of {model_parallel} devices. Use "
            f"a multiple of {model_parallel}."
        )
    for name in ("tokens_mlp_dim", "channels_mlp_dim"):
        if getattr(spec, name) % model_parallel:
            return (
                f"{model_parallel} devices cannot share hidden layers of {getattr(spec, name)} "
                f"units evenly ({name} of {spec.name}). Use a divisor of it."
            )
    copies = devices // model_parallel
    if recipe.batch_size % (copies * recipe.accumulation):
        parts = f" in {recipe.accumulation} parts" if recipe.accumulation > 1 else ""
        return (
            f"A batch of {recipe.batch_size} images{parts} cannot be shared evenly by {copies} "
            "copies of the model. Use a number of devices, parts or images that divides."
        )
    return None


def _changes(
    spec: MixerSpec, recipe: Recipe, devices: int, model_parallel: int, most: int
) -> Iterator[tuple]:
    """`(name, value, recipe, devices, model_parallel)` of what might fit; of a name, best first."""
    if not recipe.dropout:
        yield "remat", True, recipe.replace(remat=True), devices, model_parallel
    precision = "mixed_bfloat16"
    yield "precision", precision, recipe.replace(precision=precision), devices, model_parallel
    at_once = _at_once(recipe, devices, model_parallel)
    small = [n for n in range(1, math.isqrt(at_once) + 1) if at_once % n == 0]
    divisors = sorted({*small, *(at_once // n for n in small)} - {1})
    for times in divisors:
        parts = times * recipe.accumulation
        changed = recipe.replace(accumulation=parts)
        yield "accumulation", parts, changed, devices, model_parallel
    for times in divisors:
        yield "devices", times * devices, recipe, times * devices, model_parallel
    if 0 < most < at_once:
        size = recipe.batch_size // at_once * most
        yield "batch_size", size, recipe.replace(batch_size=size), devices, model_parallel
    for times in (2, 4, 8):
        shared = times * model_parallel
        if not _uneven(spec, recipe, devices, shared):
            yield "model_parallel", shared, recipe, devices, shared
