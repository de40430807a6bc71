"""Files that PyTorch writes, with any number of images in a batch."""

import io
import os

import keras


def write_onnx(graph: keras.Model, path: str | os.PathLike) -> None:
    """Writes an ONNX file.

    `Model.export` takes PyTorch's old exporter for that, which fails at Keras' layer
    normalisation.
    """
    import torch

    (tensor,) = graph.inputs
    torch.onnx.export(
        *_traced(graph),
        str(path),
        dynamo=True,
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        external_data=False,
        verbose=False,
        input_names=[tensor.name],
        output_names=["output"],
    )


def write_program(graph: keras.Model, path: str | os.PathLike) -> None:
    """Writes a program of `torch.export`.

    PyTorch ends the process where it cannot write to a file by its name, as on a full disk, and
    `Model.export` gives it the name.

    Raises:
        OSError: it cannot be written.
    """
    import torch

    program = torch.export.export(
        *_traced(graph), dynamic_shapes={"images": {0: torch.export.Dim("batch")}}
    )
    with _KeepsErrors(path, "w") as file:
        torch.export.save(program, file)
    if file.error:
        raise file.error


def _traced(graph: keras.Model):
    """A module that names its input, which Keras' `forward` does not, and an input to trace it."""
    import torch

    class Named(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = graph

        def forward(self, images):
            return self.model(images, training=False)

    (tensor,) = graph.inputs
    sample = torch.zeros((2, *tensor.shape[1:]), dtype=getattr(torch, tensor.dtype))
    return Named().eval(), (sample,)


class _KeepsErrors(io.FileIO):
    """A file that takes all bytes, and keeps the error where they could not be written."""

    error: OSError | None = None

    def write(self, content) -> int:
        view = memoryview(content).cast("B")
        left = view
        while left and self.error is None:
            try:
                left = left[super().write(left) :]
            except OSError as error:
                self.error = error
        return len(view)
