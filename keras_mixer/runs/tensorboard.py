"""The history of a run for TensorBoard, on any backend."""

import pathlib

from keras_mixer.training import RunCallback


class TensorBoard(RunCallback):
    """Writes each number of each evaluation, at its optimiser step.

    Keras' callback of that name needs TensorFlow; this one needs tensorboardX.

    Args:
        folder: where TensorBoard is to look.

    Raises:
        ModuleNotFoundError: tensorboardX is not installed.
    """

    def __init__(self, folder: pathlib.Path):
        super().__init__()
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'TensorBoard logs need tensorboardX. Run: pip install "keras-mixer[tensorboard]"'
            ) from error
        self._new_writer = lambda step: SummaryWriter(str(folder), purge_step=step)

    def on_run_begin(self, recipe, model, step):
        self._writer = self._new_writer(step + 1)  # What is done again takes the old one's place.

    def on_round_end(self, history):
        row = dict(history[-1])
        step = row.pop("step")
        for name, value in row.items():
            self._writer.add_scalar(name.replace("val_", "held_out/", 1), value, step)
        self._writer.flush()

    def on_run_end(self, model):
        self._writer.close()
