"""The history of a run for TensorBoard, on any backend."""

import pathlib
import time

from keras_mixer.training import RunCallback
from keras_mixer.writing import writing


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
            from tensorboardX import event_file_writer, summary
            from tensorboardX.proto import event_pb2
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'TensorBoard logs need tensorboardX. Run: pip install "keras-mixer[tensorboard]"'
            ) from error
        self._folder, self._scalar, self._events = folder, summary.scalar, event_pb2
        # `SummaryWriter` writes in a thread, where an error would be a traceback and no end.
        self._open = event_file_writer.EventsWriter

    def on_run_begin(self, recipe, model, step):
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)
            self._writer = self._open(str(self._folder / "events"))
            # What is done again takes the old one's place.
            start = self._events.SessionLog(status=self._events.SessionLog.START)
            self._write(step + 1, file_version="brain.Event:2")
            self._write(step + 1, session_log=start)

    def on_round_end(self, history):
        row = dict(history[-1])
        step = row.pop("step")
        with writing(self._folder):
            for name, value in row.items():
                scalar = self._scalar(name.replace("val_", "held_out/", 1), value)
                self._write(step, summary=scalar)
            self._writer.flush()

    def on_run_end(self, model):
        with writing(self._folder):
            self._writer.close()

    def _write(self, step: int, **content) -> None:
        self._writer.write_event(self._events.Event(step=step, wall_time=time.time(), **content))
