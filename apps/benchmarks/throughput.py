"""Images a second of a Mixer beside its peers, as shares of what the machine's products reach.

    KERAS_BACKEND=jax python apps/benchmarks/throughput.py --batch-size 16

Peers do the same work: the same architecture with the same GELU on the same number of images, in
float32 or with products in bfloat16; training is AdamW on softmax cross-entropy. They are the
official architecture in Flax (on JAX), timm without and with `torch.compile` (on PyTorch), and
plain Keras layers under Keras' own AdamW; ViT-B/16 and ResNet-50 stand beside them for scale. All
run interleaved in this process, each round beginning with another one. Ratios are of images a
second, round by round, ours over the peer's: their median, least and greatest. The ceiling is the
best rate of square matrix products before and after. Not among the peers: timm with its weights
themselves in bfloat16, which computes something else.

On PyTorch this needs timm (`pip install --no-deps timm torchvision`, and `pyyaml`), on JAX
flax and optax. `--peer` chooses; what is not installed is an error.
"""

import contextlib
import dataclasses
import functools
import importlib.metadata
import json
import pathlib
import statistics

import click

PEERS = {
    "tensorflow": ("plain", "vit_b16", "resnet50"),
    "jax": ("flax", "plain", "vit_b16", "resnet50"),
    "torch": ("timm", "timm_compiled", "compiled", "plain", "vit_b16", "resnet50"),
}


def task(name, spec, size, *, training, dtype, approximate):
    """What is timed under a name of `PEERS` or `"ours"`, and its multiply-accumulates."""
    import keras

    import keras_mixer

    macs = spec.macs(image_size=size)
    same = {"macs": macs, "training": training, "dtype": dtype, "approximate": approximate}
    if name == "flax":
        from mixer_in_flax import FlaxTask

        return FlaxTask(spec, size, **same)
    if name in ("timm", "timm_compiled"):
        from mixer_in_timm import TimmTask

        return TimmTask(spec.name, size, compiled=name == "timm_compiled", **same)
    optimizer = "adamw"
    keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[dtype])
    try:
        if name == "plain":
            from mixer_in_plain_keras import plain_keras

            model = plain_keras(spec, size, approximate=approximate)
            optimizer = keras.optimizers.AdamW(1e-3, weight_decay=1e-4)
        elif name in ("ours", "compiled"):
            model = keras_mixer.Mixer(
                spec,
                weights=None,
                input_shape=(*size, 3),
                classes=1000,
                classifier_activation=None,
                gelu_approximate=approximate,
            )
        else:
            model = keras_mixer.models.build_by_name(name, image_size=size)
            macs = keras_mixer.profiling.macs(model)
    finally:
        keras.config.set_dtype_policy("float32")
    return keras_mixer.profiling.Task(
        model,
        macs,
        optimizer if training else None,
        jit_compile=True if name == "compiled" else "auto",
    )


def measure(names, spec, size, settings):
    """`{(phase, dtype): (ceiling, {name: Sweep})}`"""
    import keras_mixer

    results = {}
    for dtype in settings["dtypes"]:
        for phase in settings["phases"]:
            click.echo(f"{phase} in {dtype}", err=True)
            before = keras_mixer.profiling.matmul_ceiling(dtype)
            build = functools.partial(
                task,
                spec=spec,
                size=size,
                training=phase == "training",
                dtype=dtype,
                approximate=settings["gelu"] == "tanh",
            )
            sweeps = keras_mixer.profiling.sweep(
                {name: build(name) for name in names},
                settings["batch_sizes"],
                rounds=settings["rounds"],
                say=functools.partial(click.echo, err=True),
            )
            results[phase, dtype] = max(before, keras_mixer.profiling.matmul_ceiling(dtype)), sweeps
    return results


def rows(results):
    """One for each phase, precision, model and batch size, as in the table and the JSON."""
    for (phase, dtype), (ceiling, sweeps) in results.items():
        ours = {point.batch_size: point.seconds for point in sweeps["ours"].points}
        for name, sweep in sweeps.items():
            for point in sweep.points:
                mine = ours.get(point.batch_size)  # None: out of memory, which was said.
                ratios = mine and [a / b for a, b in zip(point.seconds, mine, strict=True)]
                yield {
                    "phase": phase,
                    "dtype": dtype,
                    "model": name,
                    **dataclasses.asdict(point),
                    "ceiling": ceiling,
                    "share": point.flops / ceiling,
                    "ours_over_it": ratios and statistics.median(ratios),
                    "least": ratios and min(ratios),
                    "greatest": ratios and max(ratios),
                }


def show(table):
    heads = ("phase", "dtype", "batch", "model", "img/s", "of ceiling", "ours / it", "MiB")
    form = "{:10} {:9} {:>5} {:14} {:>8} {:>10} {:>19} {:>7}"
    click.echo(form.format(*heads))
    for row in sorted(table, key=lambda row: (row["phase"], row["dtype"], row["batch_size"])):
        spread = ""
        if row["model"] != "ours" and row["ours_over_it"]:
            spread = f"{row['ours_over_it']:.2f} ({row['least']:.2f}-{row['greatest']:.2f})"
        peak = row["peak_bytes"]
        click.echo(
            form.format(
                row["phase"],
                row["dtype"],
                row["batch_size"],
                row["model"],
                f"{row['images_per_second']:,.2f}",
                f"{100 * row['share']:.0f} %",
                spread,
                "" if peak is None else f"{peak / 2**20:,.0f}",
            )
        )


def draw(table, title):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    groups = dict.fromkeys((row["phase"], row["dtype"]) for row in table)
    names = list(dict.fromkeys(row["model"] for row in table))
    best = {}
    for row in table:
        key = row["phase"], row["dtype"], row["model"]
        best[key] = max(best.get(key, 0), 100 * row["share"])
    for place, name in enumerate(names):
        axes.bar(
            [i + place / (len(names) + 1) for i in range(len(groups))],
            [best.get((*group, name), 0) for group in groups],
            1 / (len(names) + 1),
            label=name,
        )
    axes.set_xticks(range(len(groups)), ["\n".join(group) for group in groups], ha="left")
    axes.set(title=title, ylabel="% of the rate of matrix products, best batch size")
    axes.legend(fontsize=8)
    return figure


@click.command()
@click.option("--model", default="mixer_b16", show_default=True)
@click.option("--image-size", default=224, show_default=True)
@click.option("--peer", "peers", multiple=True, help="By default all that the backend has.")
@click.option("--phase", "phases", multiple=True, type=click.Choice(["inference", "training"]))
@click.option("--dtype", "dtypes", multiple=True, type=click.Choice(["float32", "bfloat16"]))
@click.option("--batch-size", "batch_sizes", multiple=True, type=int, default=[16])
@click.option("--rounds", default=5, show_default=True)
@click.option("--gelu", type=click.Choice(["tanh", "exact"]), default="tanh", show_default=True)
@click.option("--output", type=click.Path(path_type=pathlib.Path), help="For JSON and a plot.")
def command(model, image_size, peers, phases, dtypes, output, **settings):
    import keras

    import keras_mixer

    backend = keras.backend.backend()
    if unknown := set(peers) - set(PEERS[backend]):
        raise click.UsageError(f"no peer {sorted(unknown)}. Choose of {PEERS[backend]}")
    settings["phases"] = phases or ("inference", "training")
    settings["dtypes"] = dtypes or ("float32",)
    names = ("ours", *(peers or PEERS[backend]))
    machine = keras_mixer.profiling.this_machine()
    results = measure(names, keras_mixer.SPECS[model], (image_size, image_size), settings)
    table = list(rows(results))
    click.echo(f"{model}, {image_size} px, {settings['gelu']} GELU, on {machine.device}")
    click.echo(f"{machine.cpu}; {machine.system}; {machine.date}")
    versions = dict(machine.versions)
    for package in ("timm", "flax", "optax"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    click.echo(", ".join(f"{name} {version}" for name, version in versions.items()))
    for (phase, dtype), (ceiling, _) in results.items():
        click.echo(f"ceiling, {dtype}, around {phase}: {ceiling / 1e9:,.0f} GFLOP/s")
    show(table)
    if output:
        output.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"machine": dataclasses.asdict(machine), "rows": table}, indent=2)
        (output / f"throughput-{backend}.json").write_text(text + "\n")
        figure = draw(table, f"{model} on {backend}")
        figure.savefig(output / f"throughput-{backend}.png", dpi=100)


if __name__ == "__main__":
    command()
