"""The product with a kernel that both kinds of mixing use."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_mixer")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense`, whose bias PyTorch adds while it computes the product.

    Keras writes the product to memory, reads it again and writes the sum; here it is one pass.
    TensorFlow and JAX fuse the two by themselves. `apps/benchmarks/throughput.py` times the model
    beside one of Keras' own layers. Arguments, variables, LoRA and quantisation are Keras'.
    """

    def call(self, inputs, training=None):
        plain = self.activation is keras.activations.linear
        if keras.backend.backend() != "torch" or self.bias is None or not plain:
            return super().call(inputs, training=training)
        import torch

        return torch.nn.functional.linear(
            ops.cast(inputs, self.compute_dtype),
            ops.transpose(self.kernel),
            ops.convert_to_tensor(self.bias),
        )

    def quantize(self, mode=None, type_check=True, config=None):
        # Keras refuses subclasses, for they may compute something else. This one does not.
        super().quantize(mode, type_check=False, config=config)
