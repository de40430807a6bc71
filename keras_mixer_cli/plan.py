"""`keras-mixer plan`"""

import dataclasses

import click

from keras_mixer_cli.numbers import Real, Size, Whole
from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.printing import echo, echo_json
from keras_mixer_cli.recipe_options import (
    find_recipe,
    recipe_options,
    refuse_settings,
    set_option,
)

GIB, GB = 2**30, 10**9
_MEMORY = {  # Fields of a TrainingMemory, and what they are called.
    "parameters": "parameters",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "averages": "moving averages",
    "accumulated": "gradients of parts",
    "copies": "kernels in bfloat16",
    "activations": "activations",
    "working": "working space",
    "total": "total",
}


@click.command()
@click.option("--model", "name", required=True, metavar="NAME", help="Architecture of a Mixer.")
@click.option(
    "--data", metavar="NAME", help="imagenet, imagenet21k or jft300m; else --images and --classes."
)
@click.option("--images", type=Whole(1, 10**12), help="In an epoch. Default: those of the data.")
@click.option("--classes", type=Whole(), help="Default: those of the data.")
@click.option("--devices", type=Whole(), required=True, help="All of them together.")
@click.option(
    "--device-type",
    required=True,
    metavar="NAME",
    help="a100, h100, h200, tpu-v3 (a core, half of a chip), tpu-v4, tpu-v5e or tpu-v5p.",
)
@click.option(
    "--model-parallel",
    type=Whole(),
    default=1,
    show_default=True,
    help="Devices that share one copy of the model; --distribute takes those of one process.",
)
@click.option("--image-size", type=Size(), help="224, or HEIGHTxWIDTH.")
@click.option(
    "--throughput",
    type=Real(min_open=True),
    help="Images a second that one device trains on, as `keras-mixer benchmark` measures it, "
    "instead of an estimate.",
)
@click.option(
    "--utilisation",
    type=Real(0, 1, min_open=True),
    help="Share of the peak rate of products that training reaches. Default: 0.4.",
)
@click.option(
    "--network",
    type=Real(min_open=True),
    help="GB/s that each device sends out of its machine or pod. Default: the type's own.",
)
@recipe_options(
    *("optimizer", "batch_size", "accumulation", "steps", "epochs", "ema", "precision", "remat")
)
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@on_a_backend
@click.pass_context
def plan(
    context,
    name,
    data,
    images,
    classes,
    devices,
    device_type,
    model_parallel,
    image_size,
    throughput,
    utilisation,
    network,
    recipe_name,
    settings,
    as_json,
    **changes,
) -> None:
    """Estimate what a training takes on many devices: memory, communication, time.

    By the recipe for pre-training on the data, and closed forms; docs/plan.md has them, and how
    far they are from what was measured. Exit code 1 where the batch does not fit into memory.
    """
    import keras_mixer
    from keras_mixer import profiling, training

    refuse_settings(settings, model="--model")
    images = images or profiling.IMAGES.get(data)
    classes = classes or profiling.CLASSES.get(data)
    if images is None or classes is None:
        raise click.UsageError(
            f"A plan knows the images and classes of {', '.join(profiling.IMAGES)}. For other "
            f"data give --images and --classes. Received: --data {data}"
        )
    default = training.default_pretraining(data or "", name)
    recipe = find_recipe(default, recipe_name, {**changes, **settings})
    for option, value, rows in (
        ("--model", name, keras_mixer.SPECS),
        ("--device-type", device_type, profiling.DEVICES),
    ):
        if value not in rows:
            raise click.BadParameter(
                f"{value!r} is not one of {', '.join(rows)}.", param_hint=option
            )
    device = profiling.DEVICES[device_type]
    if network is not None:
        device = dataclasses.replace(device, network=network * GB)
    made = profiling.plan(
        name,
        recipe,
        images=images,
        classes=classes,
        devices=devices,
        device=device,
        model_parallel=model_parallel,
        image_size=image_size,
        throughput=throughput,
        **({} if utilisation is None else {"utilisation": utilisation}),
    )
    if as_json:
        echo_json(dataclasses.asdict(made), indent=2)
    else:
        _print(made, throughput)
    if not made.fits:
        echo(_what_would_fit(made), err=True)
        context.exit(1)


def _what_would_fit(made) -> str:
    options = (
        f"--{field.replace('_', '-')}{'' if value is True else f' {value}'}"
        for field, value in made.remedies.items()
    )
    return (
        f"Does not fit: {made.images} images at once on a device take "
        f"{made.memory.total / GIB:.1f} GiB of the {made.usable / GIB:.1f} that can be used. "
        f"What would, each alone: {', '.join(options) or 'nothing that a plan knows'}"
    )


def _print(made, throughput) -> None:
    from keras_mixer_cli.tables import show

    recipe, memory, step = made.recipe, made.memory, made.step
    copies = made.devices // made.model_parallel
    parts = f", in {recipe.accumulation} parts" if recipe.accumulation > 1 else ""
    echo(
        f"{made.model} by {recipe.name} on {made.devices} x {made.device.name}: {copies} copies "
        f"of the model on {made.model_parallel} each",
        f"{made.parameters:,} parameters, {recipe.optimizer}, {recipe.precision}; "
        f"{recipe.steps:,} steps of {recipe.batch_size:,} images{parts}",
        "",
    )
    columns = {"without": memory, "with": made.memory_otherwise}
    if recipe.remat:
        columns = {"without": made.memory_otherwise, "with": memory}
    columns = {f"{word} --remat": of for word, of in columns.items() if of is not None}
    show(
        f"GiB of a device, {made.images} images at once; {made.usable / GIB:.1f} can be used, so "
        f"{made.most_images} images would fit",
        {"of": "left", **dict.fromkeys(columns, "right")},
        [
            (name, *(f"{getattr(of, field) / GIB:.2f}" for of in columns.values()))
            for field, name in _MEMORY.items()
            if any(getattr(of, field) for of in columns.values())
        ],
    )
    show(
        f"A step: {100 * step.communication:.0f} % of it communication",
        {"of": "left", "a device sends (GB)": "right", "ms": "right"},
        [
            (name, f"{sent / GB:.2f}" if sent else "", f"{1000 * seconds:.1f}")
            for name, sent, seconds in (
                ("products" if throughput is None else "images", 0, step.compute),
                ("sum of gradients over copies", step.gradient_bytes, step.gradients),
                ("sums within a copy", step.activation_bytes, step.activations),
                ("one after the other", 0, step.total),
                ("gradients meanwhile", 0, step.overlapped),
            )
            if seconds
        ],
    )
    echo(
        f"{made.images_per_second:,.0f} images/s, {made.images_per_second / made.devices:,.1f} of "
        f"each device; {made.days:,.2f} days, {made.device_days:,.1f} device-days"
    )
