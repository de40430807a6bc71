"""`keras-mixer predict`"""

import itertools

import click

from keras_mixer_cli.numbers import Whole
from keras_mixer_cli.options import Target, on_a_backend
from keras_mixer_cli.printing import echo, echo_json
from keras_mixer_cli.reading import load_pictures

AT_ONCE = 1000  # Pictures in a table on the screen; more belong into a file.


@click.command()
@click.argument("run", type=Target(files=True))
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--top", type=Whole(), default=3, show_default=True, help="Most probable classes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each image.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    help="A .csv, .jsonl or .parquet file to write; the same command goes on with it.",
)
@click.option("--batch-size", type=Whole(), default=64, show_default=True, help="Images at a time.")
@click.option(
    "--all-probabilities", is_flag=True, help="With --output: the probability of every class, too."
)
@click.option(
    "--max-bad-images",
    type=Whole(0),
    help="Files that may be left out because they cannot be read. Default: 0; with --output 100.",
)
@on_a_backend
def predict(
    run, images, top, as_json, output, batch_size, all_probabilities, max_bad_images
) -> None:
    """Classify IMAGES, pictures or folders of them, with the model of RUN.

    RUN is the directory of a run, hf://user/name[@revision] or a .keras file, whose classes have
    numbers.

    Without --output they are printed, up to 1,000. With it, any number is written to a file, a row
    for each; a file that cannot be read has its reason in the column `error`.
    """
    if output is None:
        if all_probabilities:
            raise click.UsageError("--all-probabilities goes with --output.")
        _print(run, images, top, as_json, batch_size, max_bad_images or 0)
        return
    if as_json:
        raise click.UsageError("--json and --output exclude each other; see --output x.jsonl.")
    from keras_mixer import data, evaluation
    from keras_mixer_cli.counting import Counting
    from keras_mixer_cli.find_model import find_model

    evaluation.check_output(output)
    trained = find_model(run)
    with Counting(data.Walk(images)) as progress:
        written = evaluation.predict_to_file(
            trained.model,
            images,
            output,
            label_names=trained.label_names,
            crop=trained.crop,
            batch_size=batch_size,
            top=top,
            all_probabilities=all_probabilities,
            max_bad=100 if max_bad_images is None else max_bad_images,
            progress=progress,
        )
    bad = f"; {written.bad:,} of them skipped, see the column error" if written.bad else ""
    other = f"; not used: {written.passed_over:,} that are no images by name"
    hidden = f"; not used: {written.hidden:,} hidden files or folders"
    echo(
        f"{'saved' if written.new else 'finished before'}: {output}, {written.files:,} files{bad}"
        + (other if written.passed_over else "")
        + (hidden if written.hidden else "")
    )


def _print(run, images, top, as_json, batch_size, max_bad) -> None:
    """Prints what a model says of up to a thousand pictures."""
    import numpy as np

    from keras_mixer import data, evaluation
    from keras_mixer_cli.find_model import find_model
    from keras_mixer_cli.tables import percent, show

    trained = find_model(run)
    walk = data.Walk(images)
    found = list(itertools.islice(walk, AT_ONCE + 1))
    if len(found) > AT_ONCE:
        raise click.UsageError(
            f"There are more than {AT_ONCE:,} pictures. Write them to a file: --output x.csv."
        )
    if not found:
        named = ", ".join(map(data.escaped, images))
        raise ValueError(f"There are no pictures in {named}. {walk.unused()}".strip())
    if unused := walk.unused():
        echo(f"data: {unused}", err=True)
    split = load_pictures(found, max_bad)
    images = split.pictures
    probabilities = evaluation.predict(
        trained.model,
        split,
        crop=trained.crop,
        batch_size=batch_size,
        verbose=0,
    )
    names = trained.label_names or tuple(map(str, range(probabilities.shape[1])))
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    if as_json:
        for image, scores, order in zip(images, probabilities, best, strict=True):
            ranked = {names[i]: float(scores[i]) for i in order}
            echo_json({"image": image, "probabilities": ranked})
        return
    show(
        f"{run}",
        {"image": "left", **{f"#{i + 1}": "left" for i in range(best.shape[1])}},
        [
            (
                data.escaped(image),
                *(f"{names[i]} {percent(scores[i])}" for i in order),
            )
            for image, scores, order in zip(images, probabilities, best, strict=True)
        ],
    )
