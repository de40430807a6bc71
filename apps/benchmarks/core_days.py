"""What a plan says of every Mixer that the paper trained, beside what it took there.

    KERAS_BACKEND=jax python apps/benchmarks/core_days.py

Two estimates: by the plan's own share of the peak rate, the same for all, and by a given
throughput, a third of that of inference which the paper prints. 256 cores, for the paper does not
say how many there were; nothing overlaps.
"""

import keras_mixer

# Model, data, epochs, images a second of inference on a core, core-days of TPUv3, these within
# `ROUNDING`: Tables 2 and 3 of the paper (https://arxiv.org/abs/2105.01601).
PUBLISHED = (
    ("mixer_b16", "imagenet", 300, 1384, 10),
    ("mixer_l16", "imagenet", 300, 419, 40),
    ("mixer_b16", "imagenet21k", 300, 1384, 150),
    ("mixer_l16", "imagenet21k", 300, 419, 410),
    ("mixer_s32", "jft300m", 5, 11489, 10),
    ("mixer_b32", "jft300m", 7, 4208, 50),
    ("mixer_s16", "jft300m", 5, 3994, 30),
    ("mixer_b16", "jft300m", 7, 1384, 80),
    ("mixer_l32", "jft300m", 7, 1314, 120),
    ("mixer_l16", "jft300m", 14, 419, 450),
    ("mixer_h14", "jft300m", 14, 194, 1010),
)
ROUNDING = 5  # They are printed in hundredths of a thousand.
CORES = 256


def estimates() -> list[tuple]:
    """`(model, data, core-days, by utilisation, by throughput, implied utilisation)` of each."""
    rows = []
    for model, data, epochs, images_per_second, published in PUBLISHED:
        recipe = keras_mixer.training.default_pretraining(data, model)
        numbers = {
            "images": keras_mixer.profiling.IMAGES[data],
            "classes": keras_mixer.profiling.CLASSES[data],
        }
        recipe = keras_mixer.training.RECIPES[recipe].replace(epochs=epochs)
        ours, given = (
            keras_mixer.profiling.plan(
                model, recipe, **numbers, devices=CORES, device="tpu-v3", **options
            )
            for options in ({}, {"throughput": images_per_second / 3})
        )
        products = ours.recipe.steps * ours.step.compute / 86_400 * CORES  # At 0.4 of the peak.
        share = 0.4 * products / published
        rows.append((model, data, published, ours.device_days, given.device_days, share))
    return rows


def main() -> None:
    print(f"{'':23}{'core-days of TPUv3':27}{'plan / paper by'}")
    print(
        f"{'model':11}{'data':12}{'paper':>7}{'plan':>9}{'peak':>14}{'throughput':>13}{'':5}share"
    )
    for model, data, published, ours, given, share in estimates():
        print(
            f"{model:11}{data:12}{published:7,}{ours:9,.1f}{ours / published:14.2f}"
            f"{given / published:13.2f}{share:10.2f}"
        )


if __name__ == "__main__":
    main()
