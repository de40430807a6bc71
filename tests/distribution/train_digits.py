"""Some steps of digits, in one process of several; prints the history. The tests run it.

Its argument is JSON:
- `call`: what `initialize` is called with; without it there is no call;
- `recipe`, `spec`: changes to those below;
- `devices`: number of TensorFlow's logical devices;
- `checkpoints`: a folder;
- `who`: number of the process that kills itself before step `kill_at`, or sends itself SIGTERM
  before step `end_at`; by default 0.

"""

import json
import os
import signal
import sys

asked = json.loads(sys.argv[1])
if asked.get("devices"):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * asked["devices"]
    tf.config.set_logical_device_configuration(cpu, parts)

import dataclasses  # noqa: E402

import keras  # noqa: E402

import keras_mixer  # noqa: E402
from keras_mixer.data import Split  # noqa: E402

distribution = keras_mixer.distribution.current()
if asked.get("call") is not None:
    distribution = keras_mixer.distribution.initialize(**asked["call"])
data = keras_mixer.data.load("digits")
spec = keras_mixer.MixerSpec("tiny", 4, 2, 32, 16, 64, 16)
spec = dataclasses.replace(spec, **asked.get("spec", {}))
recipe = keras_mixer.training.RECIPES["digits"].replace(
    **{
        "steps": 30,
        "warmup_steps": 3,
        "learning_rate": 0.01,
        "batch_size": 16,
        "evaluations": 30,
        **asked.get("recipe", {}),
    }
)


class Ends(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.steps = 0

    def on_train_batch_begin(self, batch, logs=None):
        if distribution.process == asked.get("who", 0):
            if self.steps == asked.get("kill_at"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.steps == asked.get("end_at"):
                os.kill(os.getpid(), signal.SIGTERM)
        self.steps += 1


# A number of images that no number of devices divides.
judged = Split(data.test.pictures[:37], data.test.labels[:37], data.test.names[:37])
trained = keras_mixer.finetune(
    spec,
    data,
    recipe,
    seed=3,
    validation=judged,
    checkpoints=asked.get("checkpoints"),
    callbacks=[Ends()],
    verbose=0,
)
print(json.dumps({"shard": distribution.shard, "history": trained.history}))
