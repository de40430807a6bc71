import keras
import numpy as np
import pytest

from keras_mixer import preprocess_input

PIXELS = np.array([[0, 51, 127, 128, 255]])
EXPECTED = np.array([[-1.0, -0.6, -0.00392157, 0.00392157, 1.0]])  # x / 127.5 - 1 by hand


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
def test_arrays(dtype):
    x = PIXELS.astype(dtype)
    y = preprocess_input(x)
    np.testing.assert_allclose(y, EXPECTED, atol=1e-7)
    assert y.dtype == (dtype if "float" in dtype else "float32")
    np.testing.assert_array_equal(x, PIXELS)  # the input is as it was


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_tensors_of_the_backend(dtype):
    y = preprocess_input(keras.ops.convert_to_tensor(PIXELS.astype(dtype)))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(y), EXPECTED, atol=1e-6)


def test_keras_tensor():
    x = keras.Input((5,), dtype="uint8")
    model = keras.Model(x, preprocess_input(x))
    np.testing.assert_allclose(model.predict(PIXELS, verbose=0), EXPECTED, atol=1e-6)


def test_lists():
    np.testing.assert_allclose(preprocess_input([0, 255]), [-1.0, 1.0])


def test_what_is_no_image():
    with pytest.raises(ValueError, match="must be an array or a tensor"):
        preprocess_input("cat.jpg")
