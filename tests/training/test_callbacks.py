"""What a run says to the callbacks that listen to it."""

import numpy as np

from keras_mixer import data, finetune
from keras_mixer.training import Recipe, RunCallback


class Listener(RunCallback):
    def __init__(self):
        super().__init__()
        self.heard = []

    def on_run_begin(self, recipe, model, step):
        self.heard.append(("begin", step))

    def on_round_end(self, history):
        self.heard.append(("round", [row["step"] for row in history]))

    def on_run_end(self, model):
        self.heard.append(("end",))


def test_callbacks_hear_of_the_run_once_and_of_each_round(tiny, rng):
    images = data.from_arrays((rng.integers(0, 256, (20, 8, 12, 3), "uint8"), np.arange(20) % 2))
    steps = {"steps": 6, "warmup_steps": 1, "evaluations": 3, "head_steps": 2, "batch_size": 4}
    recipe = Recipe("heard", "here", weights=None, crop="resize", evaluation_crop="resize", **steps)
    listener = Listener()
    finetune(tiny, images, recipe, verbose=0, callbacks=[listener])
    rounds = [("round", [2, 4, 6][: i + 1]) for i in range(3)]
    assert listener.heard == [("begin", 0), *rounds, ("end",)]
