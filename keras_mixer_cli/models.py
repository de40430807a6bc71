"""`keras-mixer models`"""

import click

from keras_mixer_cli.options import on_a_backend


@click.command()
@on_a_backend
def models() -> None:
    """List the architectures: size, cost and published weights."""
    from keras_mixer.specs import SPECS
    from keras_mixer.weights import WEIGHTS
    from keras_mixer_cli.tables import show

    rows = [
        (
            name,
            "x".join(map(str, spec.image_size)),
            f"{spec.parameters(classes=None) / 1e6:.2f} M",
            f"{spec.macs(classes=None) / 1e9:.2f} G",
            ", ".join(w for w in WEIGHTS.get(name, ()) if "/" not in w) or "none",
        )
        for name, spec in SPECS.items()
    ]
    show(
        "Without head. MACs: multiply-accumulates of one image.",
        {
            "model": "left",
            "pixels": "right",
            "parameters": "right",
            "MACs": "right",
            "published weights": "left",
        },
        rows,
    )
