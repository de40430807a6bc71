"""Peak memory of a training step of Mixer-B/16: plain, with rematerialisation, with accumulation.

    KERAS_BACKEND=jax python apps/benchmarks/training_memory.py

A batch of 16 images at 224 pixels, AdamW; accumulation takes it in two parts of 8. Each runs in a
process of its own; the peak is of variables and what a later step adds, as in `keras-mixer
benchmark`. What `keras_mixer.profiling.plan` says stands beside it, and the time of a step, the
least of three.
"""

import subprocess
import sys
import time

import keras

import keras_mixer

CASES = {"plain": (False, 1), "remat": (True, 1), "accumulation": (False, 2), "both": (True, 2)}


def measure(case: str) -> None:
    remat, parts = CASES[case]
    model = keras_mixer.MixerB16(weights=None, classifier_activation=None, remat=remat)
    model.compile(
        keras_mixer.training.AdamW(1e-3, gradient_accumulation_steps=parts if parts > 1 else None),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = keras.random.uniform((16 // parts, 224, 224, 3), -1, 1)
    labels = keras.random.randint((16 // parts,), 0, 1000)

    def step():
        for _ in range(parts):
            model.train_on_batch(images, labels)

    step()
    grown = keras_mixer.profiling.peak_growth(step)
    held = keras_mixer.profiling.Task(model, 0).state_bytes()
    held += sum(4 * int(keras.ops.size(v)) for v in model.optimizer.variables)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begun)
    peak = "not measured" if grown is None else f"{(grown + held) / 2**20:6,.0f} MiB"
    recipe = keras_mixer.training.RECIPES["pretrain_imagenet_b"]
    planned = keras_mixer.profiling.plan(
        "mixer_b16",
        recipe.replace(batch_size=16, accumulation=parts, remat=remat),
        images=1_281_167,
        classes=1000,
        devices=1,
        device="h100",
    )
    plan = f"{planned.memory.total / 2**20:6,.0f} MiB"
    print(
        f"{keras.backend.backend():10} {case:13} {peak}, plan {plan}  {min(seconds):5.1f} s a step"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        for name in CASES:
            subprocess.run([sys.executable, __file__, name], check=True)
