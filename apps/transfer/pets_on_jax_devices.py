"""`pets.py` on several devices by `keras.distribution`, on JAX.

    KERAS_BACKEND=jax python apps/transfer/pets_on_jax_devices.py

Each group of `--split` devices shares one model, as `keras_mixer.distribution.mixer_layout` divides
it, and each group has its own part of every batch; `--split 1` is data parallelism. Two things
differ from `pets.py`: the distribution, set before the model is built, and the images to judge on,
whose last batch is filled up to equal parts with images that weigh nothing.
"""

import click
import keras

import keras_mixer


@click.command()
@click.option("--data", default="pets", show_default=True, help="A name, folder or CSV file.")
@click.option("--model", default="mixer_b16", show_default=True, help="An architecture.")
@click.option("--weights", default="imagenet21k", show_default=True, help="Name, file or none.")
@click.option("--steps", default=500, show_default=True)
@click.option("--batch-size", default=512, show_default=True, help="Over all devices.")
@click.option("--learning-rate", default=0.03, show_default=True, help="After the warm-up.")
@click.option("--output", default="pets.keras", show_default=True, help="Where the model goes.")
@click.option("--split", default=1, show_default=True, help="Devices that share one model.")
def command(data, model, weights, steps, batch_size, learning_rate, output, split):
    """Trains, judges on the test images, saves."""
    if keras.backend.backend() != "jax":
        raise click.UsageError("This one is for JAX: set KERAS_BACKEND=jax, or use pets.py.")
    devices = keras.distribution.list_devices()
    if len(devices) % split:
        raise click.UsageError(f"--split {split} must divide the {len(devices)} devices.")
    groups = len(devices) // split
    mesh = keras.distribution.DeviceMesh((groups, split), ("batch", "model"), devices)
    layout = keras_mixer.distribution.mixer_layout(mesh)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
    )
    pets = keras_mixer.data.load(data)
    weights = None if weights == "none" else weights
    mixer = keras_mixer.Mixer(keras_mixer.SPECS[model], weights=weights, classes=pets.classes)

    shape = pets.classes, mixer.input_shape[1:3], batch_size
    train = keras_mixer.data.TrainingBatches(pets.train, *shape, steps=steps, weights=mixer)
    test = keras_mixer.data.EvaluationBatches(
        pets.test, *shape, crop="resmall_crop", weights=mixer, parts=groups
    )
    warmup = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
    )
    sgd = keras.optimizers.SGD(rate, momentum=0.9, global_clipnorm=1.0)
    mixer.compile(sgd, "categorical_crossentropy", weighted_metrics=["accuracy"])
    mixer.fit(train, shuffle=False)  # The order is the batches' own.
    loss, accuracy = mixer.evaluate(test)
    print(f"{len(pets.test)} test images: loss {loss:.4f}, top-1 {accuracy:.2%}")
    mixer.save(output)


if __name__ == "__main__":
    command()
