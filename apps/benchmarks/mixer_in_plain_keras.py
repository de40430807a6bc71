"""A Mixer of Keras' own layers, as one writes it in an afternoon: a peer of `throughput.py`."""

import keras
from keras import layers


def plain_keras(spec, image_size, *, approximate, classes=1000):
    """`Conv2D`, `Permute`, `Dense` and `LayerNormalization`; the architecture is the same."""

    def mlp(x, width):
        y = layers.Dense(width)(x)
        y = layers.Activation(lambda y: keras.ops.gelu(y, approximate=approximate))(y)
        return layers.Dense(x.shape[-1])(y)

    inputs = keras.Input((*image_size, 3))
    x = layers.Conv2D(spec.hidden_size, spec.patch_size, spec.patch_size)(inputs)
    x = layers.Reshape((-1, spec.hidden_size))(x)
    for _ in range(spec.num_layers):
        y = layers.Permute((2, 1))(layers.LayerNormalization(epsilon=1e-6)(x))
        x = x + layers.Permute((2, 1))(mlp(y, spec.tokens_mlp_dim))
        x = x + mlp(layers.LayerNormalization(epsilon=1e-6)(x), spec.channels_mlp_dim)
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(inputs, layers.Dense(classes, dtype="float32")(x))
