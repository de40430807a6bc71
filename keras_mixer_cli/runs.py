"""`keras-mixer runs`"""

import json

import click

from keras_mixer_cli.options import on_a_backend


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False), default="runs")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each run.")
@on_a_backend
def runs(directory, as_json) -> None:
    """Compare the runs in DIRECTORY, the best first."""
    from keras_mixer import runs as library
    from keras_mixer_cli.tables import percent, show

    found = [(path, library.read_config(path)) for path in library.find_runs(directory)]
    if not found:
        raise click.BadParameter(f"{directory} holds no runs.", param_hint="DIRECTORY")
    found.sort(key=lambda run: -run[1].get("metrics", {}).get("top_1", -1))
    if as_json:
        for path, config in found:
            click.echo(json.dumps({"path": str(path), **config}))
        return

    def row(path, config):
        recipe, metrics, seeds = config["recipe"], config.get("metrics", {}), config.get("seeds")
        return (
            path.name,
            recipe["steps"] or "",
            f"{recipe['learning_rate']:g}",
            config["seed"],
            percent(metrics["top_1"]) if config["finished"] else "not finished",
            f"{100 * seeds['mean']:.2f} ± {100 * seeds['deviation']:.2f} %" if seeds else "",
            f"{metrics['training_seconds']:.0f} s" if metrics else "",
        )

    show(
        f"{directory}: {len(found)} {'run' if len(found) == 1 else 'runs'}",
        {
            "run": "left",
            "steps": "right",
            "rate": "right",
            "seed": "right",
            "top-1": "right",
            "mean of seeds": "right",
            "training": "right",
        },
        [row(*run) for run in found],
    )
