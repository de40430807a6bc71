"""What ONNX needs beyond `Model.export`."""

import json
import os

import numpy as np


def teach_tf2onnx_erfc() -> None:
    """Lets tf2onnx write TensorFlow's Erfc, of the exact GELU, as `1 - Erf`.

    tf2onnx 1.17 says that it cannot, and writes an invalid file nonetheless. With
    `gelu(x) = 0.5 x erfc(-x / sqrt 2)` this gives `0.5 x (1 + erf(x / sqrt 2))`.
    """
    from tf2onnx import utils
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **_):
            (x,), (y,) = node.input, node.output
            shapes, dtypes = node.output_shapes, node.output_dtypes
            ctx.remove_node(node.name)
            one = ctx.make_const(utils.make_name("one"), np.ones((), "float32"))
            erf = ctx.make_node("Erf", [x])
            ctx.make_node(
                "Sub", [one.output[0], erf.output[0]], outputs=[y], shapes=shapes, dtypes=dtypes
            )


def add_metadata(path: str | os.PathLike, about: dict) -> None:
    """Puts a description into the `metadata_props` of a file; what is no text, as JSON."""
    import onnx

    model = onnx.load(path)
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in about.items()}
    onnx.helper.set_model_props(model, texts)
    onnx.save(model, path)
