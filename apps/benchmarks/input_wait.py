"""Step time of training with pictures read from disk beside batches that are in memory already.

    KERAS_BACKEND=jax python apps/benchmarks/input_wait.py

Mixer-S/32 at 224 pixels, the architecture that waits soonest, for it computes the least for an
image; JPEG files of 500x375, Inception crop, flip, RandAugment (2 layers, magnitude 15) and mixup.
Both go through `model.fit`, in turn; a step is timed once the first four of a `fit` are over, when
the batches that are prepared ahead no longer count. Medians, and the median of the ratios within a
round.
"""

import pathlib
import statistics
import sys
import tempfile

import keras
import numpy as np
from clock import Clock
from input_pipeline import split_of, write_pictures

import keras_mixer

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
BATCH, AHEAD, STEPS = 32, 4, 16


class InMemory(keras.utils.PyDataset):
    """The same batch again and again."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        return self.batch


def main() -> None:
    clock = Clock()
    model = keras_mixer.MixerS32(weights=None, classes=2, classifier_activation=None)
    model.compile(
        keras_mixer.training.AdamW(1e-3), keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    with tempfile.TemporaryDirectory() as folder:
        split = split_of(write_pictures(pathlib.Path(folder), BATCH * STEPS))
        real = keras_mixer.data.TrainingBatches(
            split,
            2,
            (224, 224),
            BATCH,
            steps=STEPS,
            crop="inception_crop",
            randaugment=(2, 15.0),
            mixup=0.5,
        )
        kept = InMemory(tuple(map(np.asarray, real[0])))
        seconds: dict[str, list[float]] = {"in memory": [], "from disk": []}
        for round_ in range(ROUNDS + 1):
            for name, batches in (("in memory", kept), ("from disk", real)):
                model.fit(batches, shuffle=False, verbose=0, callbacks=[clock])
                if round_:
                    first, last = clock.ends[AHEAD - 1], clock.ends[-1]
                    seconds[name].append((last - first) / (STEPS - AHEAD))
    for name, values in seconds.items():
        print(f"{keras.backend.backend()} {name}: {1000 * statistics.median(values):.0f} ms a step")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"from disk / in memory: {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
