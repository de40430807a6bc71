"""`keras-mixer push`"""

import click

from keras_mixer_cli.options import Target, on_a_backend
from keras_mixer_cli.printing import echo


@click.command()
@click.argument("run", type=Target(files=False))
@click.argument("target")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--revision", help="Branch of the hub, made if need be. Default: main.")
@click.option("--message", help="Of the commit.")
@click.option(
    "--license",
    help="Short name of the hub, such as apache-2.0. Default: the card says that none was stated.",
)
@on_a_backend
def push(run, target, private, revision, message, license) -> None:
    """Hand the model of RUN on, with a model card.

    TARGET is hf://user/name on the Hugging Face hub, made if it does not exist, or a directory.
    Log in with `hf auth login`, or set HF_TOKEN. Pictures, histories and reports are not pushed,
    nor are paths and names of this computer.
    """
    from keras_mixer import runs
    from keras_mixer.runs.hub import size_text

    done = runs.push(
        run, target, private=private, revision=revision, message=message, license=license
    )
    for name, size in done.sizes.items():
        echo(f"{name}: {size_text(size)}")
    change = done.change
    if change.replaced:
        history = f"; {target}'s history keeps what they were" if change.commit else ""
        echo(f"replaced: {', '.join(change.replaced)}{history}")
    if change.kept:
        echo(f"left as they were: {', '.join(change.kept)}")
    commit = f", commit {change.commit[:8]}" if change.commit else ""
    echo(f"pushed: {change.url}{commit}")
