"""Assembles a Mixer from its spec, with initial weights."""

import contextlib
import dataclasses
from collections.abc import Mapping

import keras

from keras_mixer.arguments import plain
from keras_mixer.layers import MixerLayer, Patches
from keras_mixer.models.inputs import check_images, guarded
from keras_mixer.specs import MixerSpec
from keras_mixer.weights import WeightsRecord

# The layers that may read an image first, in their order; the last two as a convolutional network.
_READERS = ("patches", "channels_last", "stem")


@keras.saving.register_keras_serializable(package="keras_mixer")
class MixerModel(keras.Model):
    """A functional Keras model that refuses raw pixels where it expects preprocessed floats.

    Integer images fed straight to the patches would be taken for values in [-1, 1] and give a
    wrong answer without a word. Integers are refused in any container, images of another size on
    any backend, and floats that look like raw pixels are warned of where they come as NumPy's
    arrays. What Keras has made floats of, as a model around this one does, cannot be told from
    what was prepared: build what goes into another model with `include_preprocessing=True`.

    Attributes:
        load_report: what was loaded into the model when it was constructed, a
            `keras_mixer.weights.LoadReport`, or `None`.
        mixer_weights: the row of the published weights that it began from, a
            `keras_mixer.weights.WeightsRecord`, or `None`; saved with the model, for it says how
            pixels are prepared.
    """

    load_report = None
    _record: WeightsRecord | None = None

    @property
    def mixer_weights(self) -> WeightsRecord | None:
        if self._record is None:  # A clone has that of its layers.
            fields = [layer.record for layer in self.layers if isinstance(layer, Patches)]
            with contextlib.suppress(TypeError):  # One that is damaged; see `preprocess_input`.
                return next((WeightsRecord(**own) for own in fields if own), None)
        return self._record

    @mixer_weights.setter
    def mixer_weights(self, record: WeightsRecord | None) -> None:
        self._record = record
        for layer in self.layers:
            if isinstance(layer, Patches):
                layer.record = None if record is None else dataclasses.asdict(record)

    def get_config(self):
        config = super().get_config()
        if self.mixer_weights is not None:
            config["mixer_weights"] = dataclasses.asdict(self.mixer_weights)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        record = config.pop("mixer_weights", None)
        model = super().from_config(config, custom_objects)
        if record is not None:
            model.mixer_weights = WeightsRecord(**record)
        return model

    def save(self, filepath, overwrite=True, zipped=None, **options):
        if any(getattr(layer, "quantization_mode", None) for layer in self._flatten_layers()):
            raise ValueError(
                f"{self.name} was quantized, and Keras could not load what it would save. Save it "
                "before, and quantize it once it is loaded; or write a file for another runtime "
                "by `keras_mixer.export`."
            )
        adapters = any(getattr(layer, "lora_enabled", False) for layer in self._flatten_layers())
        operations = not all(isinstance(o, keras.layers.Layer) for o in self.operations)
        if str(filepath).endswith((".h5", ".hdf5")) and (adapters or operations):
            what = "adapters" if adapters else "operations that are no layers"
            raise ValueError(
                f"{self.name} has {what}, and Keras could not load them from an .h5 file. Save it "
                "as .keras."
            )
        super().save(filepath, overwrite=overwrite, zipped=zipped, **options)

    @property
    def floats_in(self):
        """The Keras tensor of `inputs` that must be prepared pixels; `None` where any will do."""
        reader = next((layer for layer in self.layers if layer.name in _READERS), None)
        return next((x for x in self.inputs if reader is not None and x is reader.input), None)

    fit = guarded(keras.Model.fit)
    evaluate = guarded(keras.Model.evaluate)
    predict = guarded(keras.Model.predict)
    train_on_batch = guarded(keras.Model.train_on_batch)
    test_on_batch = guarded(keras.Model.test_on_batch)
    predict_on_batch = guarded(keras.Model.predict_on_batch)

    def __call__(self, *args, **kwargs):
        # Before Keras, which would make several lines of the message.
        check_images(self, args[0] if args else kwargs.get("inputs"))
        return super().__call__(*args, **kwargs)

    def call(self, inputs, training=None, mask=None):
        check_images(self, inputs)  # Within a compiled step of JAX nothing else is called.
        if mask is None and self._is_as_declared(inputs) and (chain := self._chain()):
            mode = {} if training is None else {"training": training}
            x = inputs
            for layer in chain:
                x = layer(x, **mode)
            return x
        return super().call(inputs, training=training, mask=mask)

    def _is_as_declared(self, inputs) -> bool:
        """Whether Keras would hand `inputs` to the first layer as they are."""
        if len(self.inputs) != 1 or not keras.ops.is_tensor(inputs):
            return False
        (declared,) = self.inputs
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        return dtype == declared.dtype and len(inputs.shape) == len(declared.shape)

    def _chain(self) -> list | None:
        """On PyTorch the layers, where each reads what the one before it wrote and no more.

        Called in turn, they free what has been read. Keras' functional models hold every layer's
        output to the end, which without a compiler is memory, and time to fetch it.
        """
        if keras.backend.backend() != "torch":
            return None
        layers = [o for o in self.operations if not isinstance(o, keras.layers.InputLayer)]
        x = self.inputs[0]
        for layer in layers:
            called = layer._inbound_nodes[0].arguments  # As the model's graph calls it.
            plain = isinstance(layer, keras.layers.Layer) and not called.kwargs
            if not plain or len(called.args) != 1 or called.args[0] is not x:
                return None
            x = layer.output
        return layers if self.output is x else None


# Keras looks the class of a model in an `.h5` file up by its bare name.
keras.saving.get_custom_objects()["MixerModel"] = MixerModel


def image_input(spec, input_tensor, input_shape):
    """The tensor a Mixer reads its images from and its `(height, width, channels)`.

    Raises:
        ValueError: shape and tensor disagree, the shape is not three known numbers, or the image
            is not a whole number of patches.
    """
    channels_last = keras.config.image_data_format() == "channels_last"
    if input_tensor is not None:
        if not keras.backend.is_keras_tensor(input_tensor):
            raise ValueError(
                "`input_tensor` must be a Keras tensor, such as `keras.Input(shape=...)` or the "
                f"output of a layer. Received: {input_tensor!r}"
            )
        given = tuple(input_tensor.shape[1:])
        if input_shape is not None and tuple(map(plain, input_shape)) != given:
            raise ValueError(
                f"`input_tensor` has shape {given} and `input_shape` is {tuple(input_shape)}. "
                "Pass one of them, or the same shape in both."
            )
        input_shape = given
    elif input_shape is None:
        input_shape = (*spec.image_size, 3) if channels_last else (3, *spec.image_size)
    try:
        shape = tuple(map(plain, input_shape))
    except TypeError:
        shape = (input_shape,)
    if len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape):
        order = "(height, width, channels)" if channels_last else "(channels, height, width)"
        raise ValueError(
            f"`input_shape` must be {order}, three positive integers: the token-mixing weights of "
            f"a Mixer fix the size of the image. Received: input_shape={shape}"
        )
    height, width, channels = shape if channels_last else (*shape[1:], shape[0])
    spec.grid((height, width))
    if input_tensor is None:
        # Of the precision of the weights; Keras would take `floatx`, whatever the policy is.
        input_tensor = keras.Input(shape, dtype=keras.config.dtype_policy().variable_dtype)
    return input_tensor, (height, width, channels)


def build_mixer(
    spec: MixerSpec,
    *,
    images,
    include_top: bool = True,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    gelu_approximate: bool = True,
    epsilon: float = 1e-6,
    preprocessing: tuple[float, float] | None = None,
    seed: int | None = None,
    remat: bool = False,
    token_mixing: str = "shared",
    groups: int | None = None,
    pyramid: Mapping[int, int] | None = None,
    name: str | None = None,
) -> keras.Model:
    """A `spec` as a functional Keras model on the Keras tensor `images`, with initial weights.

    Arguments are those of `keras_mixer.Mixer`, and `preprocessing`: scale and offset that the model
    itself applies to pixels. Layers, in order, by name: `preprocessing` (on demand), `patches`,
    `stem`, `mixer_block_0`, `mixer_block_1`, ..., `pre_head_layer_norm`, `avg_pool` or `max_pool`,
    `head`.

    Raises:
        ValueError: as `keras_mixer.Mixer`.
    """
    reduced = _reductions(pyramid, spec.num_layers)
    layers = keras.layers
    x = images
    if preprocessing is not None:
        scale, offset = preprocessing
        x = layers.Rescaling(scale, offset=offset, dtype="float32", name="preprocessing")(x)
    x = Patches(spec.patch_size, name="patches")(x)
    x = layers.Dense(spec.hidden_size, kernel_initializer="lecun_normal", name="stem")(x)
    last_mlp = 2 * spec.num_layers - 1
    for i in range(spec.num_layers):
        # The rate grows linearly over the MLPs, from 0 at the first (appendix B of the paper).
        # The last one is the rate itself, to the last bit.
        rates = tuple(stochastic_depth * (mlp / last_mlp) for mlp in (2 * i, 2 * i + 1))
        if i in reduced:  # No residual connection around the token mixing, so no way past it.
            rates = (0.0, rates[1])
        x = MixerLayer(
            spec.tokens_mlp_dim,
            spec.channels_mlp_dim,
            dropout=dropout,
            stochastic_depth=rates,
            gelu_approximate=gelu_approximate,
            epsilon=epsilon,
            seed=None if seed is None else seed + i,
            remat=remat,
            token_mixing=token_mixing,
            groups=groups,
            tokens=reduced.get(i),
            name=f"mixer_block_{i}",
        )(x)
    x = layers.LayerNormalization(epsilon=epsilon, name="pre_head_layer_norm")(x)
    if include_top or pooling == "avg":
        x = layers.GlobalAveragePooling1D(data_format="channels_last", name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling1D(data_format="channels_last", name="max_pool")(x)
    if include_top:
        x = layers.Dense(
            classes,
            activation=classifier_activation,
            kernel_initializer="zeros",
            # Class scores in full precision under a mixed policy.
            dtype=keras.config.dtype_policy().variable_dtype,
            name="head",
        )(x)
    inputs = keras.utils.get_source_inputs(images)
    inputs = inputs[0] if len(inputs) == 1 else inputs
    return MixerModel(inputs, x, name=name or spec.name)


def _reductions(pyramid, num_layers) -> dict[int, int]:
    """`pyramid` as a dictionary; whether the tokens become fewer is for the layers to check."""
    if pyramid is None:
        return {}
    items = pyramid.items() if isinstance(pyramid, Mapping) else ()
    reduced = {plain(layer): plain(tokens) for layer, tokens in items}
    if not isinstance(pyramid, Mapping) or not all(
        type(layer) is int and layer in range(num_layers) and type(tokens) is int and tokens > 0
        for layer, tokens in reduced.items()
    ):
        raise ValueError(
            f"`pyramid` must map numbers of layers, 0 to {num_layers - 1}, to the number of tokens "
            f"that come out of them. Received: pyramid={pyramid!r}"
        )
    return reduced
