"""Times Mixers as matrix products beside the same Mixers as convolutional networks.

    KERAS_BACKEND=jax python apps/benchmarks/convnet.py

Both forms, which are equal in what they compute, run interleaved in one process with random
weights; figures are images a second in inference, the medians of the rounds, and the median of the
ratios taken round by round.
"""

import statistics
import time

import click


def main(models, batch_size, rounds):
    import keras
    import numpy as np

    import keras_mixer

    for name in models:
        matrix = keras_mixer.Mixer(keras_mixer.SPECS[name], weights=None)
        forms = [matrix, keras_mixer.models.as_convnet(matrix)]
        shape = (batch_size, *matrix.input_shape[1:])
        images = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
        rates: list[list[float]] = [[], []]
        for round_ in range(rounds + 1):  # The first one compiles.
            for form, measured in zip(forms, rates, strict=True):
                start = time.perf_counter()
                form.predict_on_batch(images)
                if round_ > 0:
                    measured.append(batch_size / (time.perf_counter() - start))
        ratio = statistics.median(b / a for a, b in zip(*rates, strict=True))
        matrices, convolutions = map(statistics.median, rates)
        print(
            f"{keras.backend.backend():10} {name:10} {rounds} rounds of {batch_size} images  "
            f"matrices {matrices:8.1f}/s  convolutions {convolutions:8.1f}/s  ratio {ratio:.4f}"
        )


@click.command()
@click.option("--model", "models", multiple=True, default=("mixer_ti4", "mixer_xs4"))
@click.option("--batch-size", default=16, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def command(models, batch_size, rounds):
    main(models, batch_size, rounds)


if __name__ == "__main__":
    command()
