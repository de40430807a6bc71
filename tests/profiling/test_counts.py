"""Multiply-accumulates against closed forms, cases worked by hand and published figures."""

import math

import keras
import pytest
from keras import layers

import keras_mixer
from keras_mixer.models import build_by_name
from keras_mixer.profiling import macs

BACKEND = keras.backend.backend()


def without_values(build):
    """A model whose variables have shapes and no memory."""
    with keras.StatelessScope(initialize_variables=False):
        model = build()
    keras.utils.clear_session()
    assert all(v._value is None for v in model.trainable_variables)
    return model


def counted(shape, *stack):
    return macs(without_values(lambda: keras.Sequential([keras.Input(shape), *stack])))


@pytest.mark.parametrize("name", ["mixer_ti4", "mixer_s32", "mixer_b16", "mixer_h14"])
def test_mixers_have_their_closed_form(name):
    model = without_values(lambda: build_by_name(name))
    assert macs(model) == keras_mixer.SPECS[name].macs()


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_precision_size_and_head_of_a_mixer(tiny, policy):
    keras.config.set_dtype_policy(policy)
    model = keras_mixer.Mixer(tiny, weights=None, classes=7, remat=True)
    assert macs(model) == tiny.macs(classes=7)
    larger = keras_mixer.Mixer(tiny, weights=None, input_shape=(16, 12, 1), include_top=False)
    assert macs(larger) == tiny.macs(None, (16, 12), 1)


def test_resnet_50():
    # He et al. 2015 (https://arxiv.org/abs/1512.03385), Table 1: 3.8 * 10^9 multiply-adds, with the
    # stride in the first 1x1 convolution as here; 25.6 million parameters are those of its files.
    model = without_values(lambda: keras.applications.ResNet50(weights=None))
    assert macs(model) == pytest.approx(3.8e9, rel=0.02)
    assert model.count_params() == pytest.approx(25.6e6, rel=0.002)


def test_vit_b16():
    # https://pytorch.org/vision/stable/models/generated/torchvision.models.vit_b_16.html: 17.56
    # GFLOPS, of which it counts one for a multiply-accumulate, and the parameters.
    pytest.importorskip("keras_hub")
    model = without_values(lambda: build_by_name("vit_b16"))
    assert macs(model) == pytest.approx(17.56e9, rel=0.001)
    assert model.count_params() == 86_567_656
    tokens, width = 197, 768
    layer = 12 * tokens * width**2 + 2 * tokens**2 * width
    assert macs(model) == 12 * layer + 196 * width**2 + width * 1000


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_convolutions(data_format):
    keras.config.set_image_data_format(data_format)
    shape = (9, 8, 6) if data_format == "channels_last" else (6, 9, 8)
    # 9x8 pixels, stride 2 without padding: 4x3 of 4 channels, each from 3 of 6.
    assert counted(shape, layers.Conv2D(4, 3, strides=2, groups=2)) == 4 * 3 * 4 * 3 * 3 * 3
    # With padding 9x8 of 6 channels, the whole window at the border too.
    assert counted(shape, layers.DepthwiseConv2D(3, padding="same")) == 9 * 8 * 6 * 9
    assert counted(shape, layers.DepthwiseConv2D(3, depth_multiplier=2)) == 7 * 6 * 12 * 9
    assert counted(shape, layers.SeparableConv2D(5, 3)) == 7 * 6 * (6 * 9 + 6 * 5)
    # A transposed one: 9x8 positions of 6 channels, each into 3x3 of 5.
    assert counted(shape, layers.Conv2DTranspose(5, 3, strides=2)) == 9 * 8 * 6 * 3 * 3 * 5


def test_dense():
    assert counted((6,), layers.Dense(5)) == 30
    assert counted((4, 3, 6), layers.Dense(5)) == 12 * 30
    assert counted((10, 6), layers.Conv1D(5, 3, dilation_rate=2)) == 6 * 5 * 18
    assert counted((6,), layers.Activation("gelu"), layers.LayerNormalization()) == 0


@pytest.mark.parametrize("dropout", [0.0, 0.1])  # With it, Keras leaves its fused attention.
def test_attention(dropout):
    queries, keys = keras.Input((5, 16)), keras.Input((7, 12))
    attention = layers.MultiHeadAttention(2, 4, output_shape=10, dropout=dropout)
    projections = 5 * 16 * 8 + 2 * 7 * 12 * 8 + 5 * 8 * 10
    model = keras.Model([queries, keys], attention(queries, keys))
    assert macs(model) == projections + 2 * 5 * 7 * (4 + 4)


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("bij,bkj->bik", 4 * 4 * 6),
        ("bij,bij->bj", 4 * 6),
        ("...ij,...kj->...ik", 4 * 4 * 6),
        ("bij,bij->b", 4 * 6),
    ],
)
def test_einsum(equation, expected):
    x = keras.Input((4, 6))
    assert macs(keras.Model(x, keras.ops.einsum(equation, x, x))) == expected


def test_einsum_dense():
    assert counted((4, 6), layers.EinsumDense("abc,cde->abde", (4, 3, 5))) == 4 * 6 * 15


def test_products_of_vectors():
    x, vector = keras.Input((4, 6)), keras.ops.ones((6,))
    assert macs(keras.Model(x, keras.ops.matmul(x, vector))) == 24


def test_loops():
    if BACKEND == "tensorflow":  # Its loop does not say how often it runs.
        with pytest.raises(ValueError, match=r"inside of \w*While, so their number depends"):
            counted((4, 6), layers.SimpleRNN(3))
    else:
        # Keras on PyTorch computes the first of the four steps twice, to learn its shape.
        steps = 4 + (BACKEND == "torch")
        assert counted((4, 6), layers.SimpleRNN(3)) == steps * (6 * 3 + 3 * 3)


def test_inputs_of_unknown_size():
    with pytest.raises(ValueError, match=r"known shape. Received: \[\(None, None, 3\)\]"):
        counted((None, None, 3), layers.Conv2D(4, 3))


@pytest.mark.skipif(BACKEND != "jax", reason="JAX only")
def test_kernels_of_jax():
    import jax

    from keras_mixer.profiling import count_jax

    def kernel(reference, out):
        out[...] = reference[...] @ reference[...]

    def call(x):
        from jax.experimental import pallas

        return pallas.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((8, 8), "float32"))(x[0])

    with pytest.raises(ValueError, match="inside pallas_call cannot be counted"):
        count_jax.count(call, [((8, 8), "float32")])

    def branch(x):
        return jax.lax.cond(x[0].sum() > 0, lambda a: a @ a, lambda a: a, x[0])

    with pytest.raises(ValueError, match="inside of cond, so their number depends on data"):
        count_jax.count(branch, [((8, 8), "float32")])


@pytest.mark.skipif(BACKEND != "jax", reason="JAX only")
def test_fused_attention_of_cudnn(monkeypatch):
    """Its primitive, traced as where there is a GPU."""
    fused = pytest.importorskip("jax._src.cudnn.fused_attention_stablehlo")
    from jax.nn import dot_product_attention

    from keras_mixer.profiling import count_jax

    monkeypatch.setattr(fused, "check_cudnn_version", lambda: 91000)
    monkeypatch.setattr(fused, "check_compute_capability", lambda *_: True)

    def call(x):
        return dot_product_attention(x[0], x[1], x[1], implementation="cudnn")

    shapes = [((1, 64, 4, 32), "bfloat16"), ((1, 128, 4, 32), "bfloat16")]
    assert count_jax.count(call, shapes) == 2 * math.prod((64, 128, 4, 32))
