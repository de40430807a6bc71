"""`keras-mixer benchmark`"""

import dataclasses
import functools
import json
import pathlib

import click

from keras_mixer_cli.numbers import Size, Whole
from keras_mixer_cli.options import Several, Values, on_a_backend
from keras_mixer_cli.printing import echo, echo_json, finite


@click.command(cls=Several)
@click.option(
    "--model",
    "names",
    multiple=True,
    required=True,
    metavar="NAME",
    help="mixer_b16 and its like, vit_b16, resnet50, vit_ti4, resnet_ti4, or a factory as "
    "package.module:function. Give it again for each model to measure beside it.",
)
@click.option(
    "--batch-sizes",
    type=Values(Whole()),
    default="1,8,32",
    show_default=True,
    help="Images in a call.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "both"]),
    default="float32",
    show_default=True,
    help="What products are computed in; with bfloat16 the weights stay in float32.",
)
@click.option(
    "--rounds",
    type=Whole(),
    default=5,
    show_default=True,
    help="Timed calls at each batch size, the models in turn.",
)
@click.option("--image-size", type=Size(), help="224, or HEIGHTxWIDTH.")
@click.option("--no-training", is_flag=True, help="Measure inference alone.")
@click.option(
    "--optimizer",
    type=click.Choice(["adamw", "sgd"]),
    default="adamw",
    show_default=True,
    help="What trains; adamw is what the paper pre-trains with.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    help="Folder for benchmark.json and benchmark.png.",
)
@on_a_backend
def benchmark(
    names, batch_sizes, dtype, rounds, image_size, no_training, optimizer, as_json, output
) -> None:
    """Measure what models cost on this machine: size, images a second, memory.

    Images a second are the median of the timed calls at the best batch size; the share is of the
    rate that the machine's own matrix products reach. Memory is the peak of a call at that batch
    size: variables and what the call adds. An estimate of the paper's pre-training runs follows.
    """
    from keras_mixer import models, profiling
    from keras_mixer.writing import in_one_step, make_folder, write_text
    from keras_mixer_cli.find_model import check_model_name

    for name in names:
        check_model_name(name)
    if output:
        make_folder(output)  # Before the work, so that it fails here.
    profiles = profiling.benchmark(
        {
            name: functools.partial(models.build_by_name, name, image_size=image_size)
            for name in names
        },
        batch_sizes=batch_sizes,
        dtypes=("float32", "bfloat16") if dtype == "both" else (dtype,),
        rounds=rounds,
        training=not no_training,
        optimizer=optimizer,
        say=functools.partial(echo, err=True),
    )
    machine = profiling.this_machine()
    costs = [
        {"model": profile.model, "dtype": profile.dtype, **dataclasses.asdict(cost)}
        for profile in profiles
        for cost in _costs(profile, image_size)
    ]
    content = {
        "machine": dataclasses.asdict(machine),
        "settings": {
            "batch_sizes": sorted(set(batch_sizes)),
            "rounds": rounds,
            "image_size": image_size,
            "optimizer": None if no_training else optimizer,
        },
        "profiles": [dataclasses.asdict(profile) for profile in profiles],
        "pretraining": costs,
    }
    if as_json:
        echo_json(content, indent=2)
    else:
        _print(machine, profiles, costs)
    if output:
        write_text(output / "benchmark.json", json.dumps(finite(content), indent=2) + "\n")
        figure = profiling.throughput(profiles, machine.device)
        with in_one_step(output / "benchmark.png") as temporary:
            figure.savefig(temporary, format="png", dpi=100)
        echo(f"saved: {output}/benchmark.json, {output}/benchmark.png", err=as_json)


def _costs(profile, image_size):
    """The estimates for a model that was measured as the paper pre-trains it, at 224 pixels."""
    from keras_mixer.profiling import pretraining_costs

    if image_size not in (None, (224, 224)) or not (profile.training and profile.training.best):
        return ()
    return pretraining_costs(profile.model, profile.training.best.images_per_second)


def _print(machine, profiles, costs) -> None:
    from keras_mixer_cli.tables import show

    echo(f"device: {machine.device}; processor: {machine.cpu}; {machine.system}")
    echo("versions: " + ", ".join(f"{name} {v}" for name, v in machine.versions.items()))
    echo(f"date: {machine.date}")
    rates = {profile.dtype: profile.ceiling for profile in profiles}
    for dtype, rate in rates.items():
        echo(f"matrix products in {dtype}: {rate / 1e9:,.0f} GFLOP/s")
    if len(rates) == 2 and rates["bfloat16"] < 1.1 * rates["float32"]:
        echo(
            "bfloat16: products are hardly faster than in float32, if at all: this processor has "
            "no instructions for them, or the backend does not use them"
        )
    show(
        "Size, and multiply-accumulates of one image",
        {"model": "left", "parameters": "right", "trained": "right", "MACs": "right"},
        [
            (
                profile.model,
                f"{profile.parameters:,}",
                f"{profile.trainable_parameters:,}",
                f"{profile.macs / 1e9:.2f} G",
            )
            for profile in {profile.model: profile for profile in profiles}.values()
        ],
    )
    show(
        (
            "Images a second at the best batch size. Share: of the rate of matrix products.",
            "First: seconds of the first call, with compilation. MiB: memory at its peak.",
        ),
        {
            "model": "left",
            "dtype": "left",
            "phase": "left",
            "img/s": "right",
            "batch": "right",
            "share": "right",
            "first (s)": "right",
            "MiB": "right",
        },
        [row for profile in profiles for row in _rows(profile)],
    )
    if costs:
        show(
            (
                "Estimate of the paper's pre-training runs: images / measured images a second,",
                "without reading and evaluation, beside what they took there (Table 3).",
            ),
            {
                "run": "left",
                "dtype": "left",
                "images (M)": "right",
                "device-days here": "right",
                "TPUv3 core-days": "right",
            },
            [
                (
                    cost["recipe"],
                    cost["dtype"],
                    f"{cost['images']:,.0f}",
                    f"{cost['device_days']:,.1f}",
                    f"{cost['tpuv3_core_days']:,.0f}",
                )
                for cost in costs
            ],
        )


def _rows(profile):
    """A row for each phase; the model's own cells stand in the first."""
    head = (profile.model, profile.dtype)
    for phase, sweep, share in (
        ("inference", profile.inference, profile.inference_share),
        ("training", profile.training, profile.training_share),
    ):
        if sweep is None:
            continue
        if sweep.best is None:
            yield *head, phase, "out of memory", sweep.out_of_memory, "", "", ""
        else:
            peak = sweep.best.peak_bytes
            yield (
                *head,
                phase,
                f"{sweep.best.images_per_second:,.1f}",
                sweep.best.batch_size,
                f"{100 * share:.0f} %",
                f"{sweep.points[0].first_call:.1f}",
                "not measured" if peak is None else f"{peak / 2**20:,.0f}",
            )
        head = ("", "")
