"""How many multiply-accumulates an image takes, whatever the model."""

import keras

from keras_mixer.profiling import count_jax, count_tensorflow, count_torch

_COUNTS = {
    "jax": count_jax.count,
    "tensorflow": count_tensorflow.count,
    "torch": count_torch.count,
}


def macs(model: keras.Model) -> int:
    """Multiply-accumulates of the matrix products and convolutions for one image.

    They are counted in what the backend would compute for a batch of one outside training: the
    jaxpr of JAX, the graph of TensorFlow, the dispatched operations of PyTorch. Nothing is
    computed. Sums, normalisation, softmax, pooling and activations are not counted. A convolution
    counts its whole kernel at the border too, a transposed one its kernel once for each position
    of its input. Attention counts both of its products, fused or not.

    Args:
        model: a built model with inputs of known shape, batch apart.

    Raises:
        ValueError: an input has no known shape, or products stand where they cannot be counted:
            in a loop or a branch that depends on data, or in a kernel of somebody's own.
    """

    def call(trainable, others, inputs):
        inputs = inputs[0] if len(inputs) == 1 else inputs
        return model.stateless_call(trainable, others, inputs, training=False)[0]

    def signature(variables):
        return [(tuple(v.shape), v.dtype) for v in variables]

    return _COUNTS[keras.backend.backend()](
        call,
        signature(model.trainable_variables),
        signature(model.non_trainable_variables),
        list(zip(input_shapes(model), (x.dtype for x in model.inputs), strict=True)),
    )


def input_shapes(model: keras.Model, batch_size: int = 1) -> list[tuple[int, ...]]:
    """Shape of each input of a model for a batch.

    Raises:
        ValueError: the model has no inputs, or one of unknown shape.
    """
    shapes = [tuple(tensor.shape[1:]) for tensor in getattr(model, "inputs", None) or ()]
    if not shapes or any(None in shape for shape in shapes):
        raise ValueError(
            f"{model.name} must have inputs of known shape. Received: {shapes or 'no inputs'}. "
            "Build it from keras.Input for one image size."
        )
    return [(batch_size, *shape) for shape in shapes]
