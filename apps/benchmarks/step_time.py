"""Step time of `finetune` beside a bare `model.fit` of the same model on the same batches.

Both train on the digits by the recipe `digits`, in turn, in one process; `finetune` keeps
checkpoints. Prints the median time of a step of each in milliseconds, its share of the evaluation
included and compilation left out, and the median of the ratios within a round.

    KERAS_BACKEND=jax python apps/benchmarks/step_time.py

With `--no-clipping` only `finetune` computes the norm of the gradient, which it names where it is
not finite.
"""

import statistics
import tempfile
import time

import click
import keras

import keras_mixer

STEPS = 60


class Clock(keras.callbacks.Callback):
    """Seconds of the last epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.begun


@click.command()
@click.option("--rounds", default=7, show_default=True)
@click.option("--no-clipping", is_flag=True)
def main(rounds: int, no_clipping: bool) -> None:
    """Time `finetune` beside `model.fit`."""
    data = keras_mixer.data.load("digits")
    recipe = keras_mixer.training.RECIPES["digits"].replace(
        steps=2 * STEPS, evaluations=2, ema=None, stochastic_depth=0.0
    )
    if no_clipping:
        recipe = recipe.replace(clip_norm=None)
    judged = keras_mixer.data.EvaluationBatches(
        data.test, data.classes, (32, 32), recipe.batch_size, crop=recipe.evaluation_crop
    )
    spec = keras_mixer.SPECS["mixer_ti4"]

    def build():
        return keras_mixer.Mixer(spec, weights=None, classes=10, classifier_activation=None, seed=0)

    def bare(model, clock):
        batches = keras_mixer.training.training_batches(data, recipe, (32, 32), weights=model)
        model.compile(
            keras.optimizers.AdamW(
                keras.optimizers.schedules.CosineDecay(recipe.learning_rate, recipe.steps),
                weight_decay=recipe.weight_decay,
                global_clipnorm=recipe.clip_norm,
            ),
            keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
            metrics=[keras.metrics.CategoricalAccuracy(name="top_1")],
        )
        model.fit(
            batches,
            epochs=2,
            steps_per_epoch=STEPS,
            validation_data=judged,
            shuffle=False,
            verbose=0,
            callbacks=[clock],
        )

    def ours(model, clock):
        with tempfile.TemporaryDirectory() as folder:
            keras_mixer.finetune(
                model, data, recipe, checkpoints=folder, verbose=0, callbacks=[clock]
            )

    times: dict[str, list[float]] = {"model.fit": [], "finetune": []}
    for _ in range(rounds):
        for name, train in (("model.fit", bare), ("finetune", ours)):
            clock = Clock()
            train(build(), clock)
            times[name].append(1000 * clock.seconds / STEPS)
    for name, values in times.items():
        print(f"{name}: {statistics.median(values):.1f} ms a step")
    ratios = [b / a for a, b in zip(*times.values(), strict=True)]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"finetune / model.fit: {statistics.median(ratios):.3f} ({spread})")


if __name__ == "__main__":
    main()
