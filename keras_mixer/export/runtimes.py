"""Running a file by what it is meant for, without Keras."""

import os
from collections.abc import Callable

import numpy as np

Runner = Callable[[np.ndarray], np.ndarray]


def load(path: str | os.PathLike, format: str) -> Runner:
    """A written file as a function of a batch, in the runtime of its format, on the CPU.

    Args:
        path: what `export` wrote.
        format: a key of `FORMATS`.

    Returns:
        A function from images `(batch, ...)` to scores `(batch, classes)`.

    Raises:
        ModuleNotFoundError: its runtime is not installed.
    """
    return _LOAD[format](str(path))


def _onnx(path: str) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Its idle threads would take the cores from what is timed in turn with it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (tensor,) = session.get_inputs()
    return lambda images: session.run(None, {tensor.name: images})[0]


def _tf_saved_model(path: str) -> Runner:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)  # Kept: its variables go with it.
    return lambda images: loaded.serve(images).numpy()


def _litert(path: str) -> Runner:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path)
    (tensor,) = interpreter.get_input_details()
    (result,) = interpreter.get_output_details()
    ready: list[tuple[int, ...]] = []  # The shape that memory was laid out for.

    def run(images: np.ndarray) -> np.ndarray:
        if ready != [images.shape]:
            interpreter.resize_tensor_input(tensor["index"], images.shape)
            interpreter.allocate_tensors()
            ready[:] = [images.shape]
        interpreter.set_tensor(tensor["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return run


def _openvino(path: str) -> Runner:
    import openvino

    # By default it computes in bfloat16 on processors that can.
    how = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", how)
    return lambda images: compiled(images)[0]


def _torch(path: str) -> Runner:
    import torch

    module = torch.export.load(path).module()

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(images)).numpy()

    return run


_LOAD: dict[str, Callable[[str], Runner]] = {
    "onnx": _onnx,
    "tf_saved_model": _tf_saved_model,
    "litert": _litert,
    "openvino": _openvino,
    "torch": _torch,
}
