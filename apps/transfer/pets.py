"""Fine-tunes Mixer-B/16 on the 37 breeds of Oxford-IIIT Pets, with nothing but Keras' own calls.

    KERAS_BACKEND=jax python apps/transfer/pets.py

Steps, batch, rate, momentum, clipping and schedule are those of the paper's fine-tuning
(https://arxiv.org/abs/2105.01601, section 3 and appendix C). `keras-mixer finetune pets` does the
same by the recipe, and goes on after a kill; this script is for making it your own.
"""

import click
import keras

import keras_mixer


@click.command()
@click.option("--data", default="pets", show_default=True, help="A name, folder or CSV file.")
@click.option("--model", default="mixer_b16", show_default=True, help="An architecture.")
@click.option("--weights", default="imagenet21k", show_default=True, help="Name, file or none.")
@click.option("--steps", default=500, show_default=True)
@click.option("--batch-size", default=512, show_default=True)
@click.option("--learning-rate", default=0.03, show_default=True, help="After the warm-up.")
@click.option("--output", default="pets.keras", show_default=True, help="Where the model goes.")
def command(data, model, weights, steps, batch_size, learning_rate, output):
    """Trains, judges on the test images, saves."""
    pets = keras_mixer.data.load(data)
    weights = None if weights == "none" else weights
    mixer = keras_mixer.Mixer(keras_mixer.SPECS[model], weights=weights, classes=pets.classes)

    shape = pets.classes, mixer.input_shape[1:3], batch_size
    train = keras_mixer.data.TrainingBatches(pets.train, *shape, steps=steps, weights=mixer)
    test = keras_mixer.data.EvaluationBatches(pets.test, *shape, crop="resmall_crop", weights=mixer)

    warmup = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
    )
    sgd = keras.optimizers.SGD(rate, momentum=0.9, global_clipnorm=1.0)
    mixer.compile(sgd, "categorical_crossentropy", metrics=["accuracy"])
    mixer.fit(train, shuffle=False)  # The order is the batches' own.
    loss, accuracy = mixer.evaluate(test)
    print(f"{len(pets.test)} test images: loss {loss:.4f}, top-1 {accuracy:.2%}")
    mixer.save(output)


if __name__ == "__main__":
    command()
