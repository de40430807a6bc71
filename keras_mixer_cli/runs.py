"""`keras-mixer runs`"""

import click

from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.printing import echo, echo_json


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False), default="runs")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each run.")
@on_a_backend
def runs(directory, as_json) -> None:
    """Compare the runs in DIRECTORY, the best first.

    A run whose run.json is damaged is skipped, with a line on stderr.
    """
    from keras_mixer import runs as library
    from keras_mixer_cli.tables import show

    found, damaged = [], 0
    for path in library.find_runs(directory):
        try:
            config = library.read_config(path)
            top_1 = float(config.get("metrics", {}).get("top_1", -1))
            found.append((top_1, path, config, _row(path, config)))
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            # A whole object that tells other things, or no object at all.
            reason = str(error)
            if not reason.startswith(str(path)):
                reason = f"{path / 'run.json'} is damaged: {type(error).__name__}: {error}."
            echo(f"skipped: {reason} Remove that folder, or repair the file.", err=True)
            damaged += 1
    if damaged and not found:
        raise click.ClickException(f"No run in {directory} can be read.")
    if not found:
        raise click.BadParameter(f"{directory} holds no runs.", param_hint="DIRECTORY")
    found.sort(key=lambda run: -run[0])
    if as_json:
        for _, path, config, _ in found:
            echo_json({"path": str(path), **config})
        return
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
        [row for *_, row in found],
    )


def _row(path, config) -> tuple:
    from keras_mixer_cli.tables import percent

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
