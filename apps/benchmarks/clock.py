"""When the steps of a `fit` ended."""

import time

import keras


class Clock(keras.callbacks.Callback):
    """`ends`: when each step of the last `fit` was over, in seconds of `time.perf_counter`."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # Waits for it.
        self.ends.append(time.perf_counter())
