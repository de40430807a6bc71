"""Losses and metrics with every option of their parents; whether a model gives logits."""

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer.training import AdamW
from keras_mixer.training.losses import SigmoidCrossentropy, Top1, gives_logits

layers = keras.layers


def of(*tail):
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), *tail])


def ensemble(activation):
    inputs = keras.Input((4,))
    parts = [keras.Sequential([keras.Input((4,)), layers.Dense(3, activation)]) for _ in range(2)]
    return keras.Model(inputs, layers.Average()([part(inputs) for part in parts]))


@pytest.mark.parametrize(
    ("make", "logits"),
    [
        (lambda: of(), True),
        (lambda: of(layers.Dense(3, "linear")), True),
        (lambda: of(layers.Activation("linear", dtype="float32")), True),
        (lambda: of(layers.Dropout(0.5)), True),
        (lambda: keras.Sequential([keras.Input((4,)), of()]), True),
        (lambda: ensemble(None), True),
        (lambda: of(layers.Dense(3, "softmax")), False),
        (lambda: of(layers.Activation("softmax")), False),
        (lambda: of(layers.Softmax()), False),
        (lambda: of(layers.Softmax(), layers.Activation("linear", dtype="float32")), False),
        (lambda: of(layers.Softmax(), layers.Reshape((3,)), layers.Dropout(0.5)), False),
        (lambda: keras.Sequential([keras.Input((4,)), of(layers.Softmax())]), False),
        (lambda: ensemble("softmax"), False),
    ],
)
def test_logits_and_probabilities_are_told_apart(make, logits):
    model = make()
    assert gives_logits(model) is logits
    scores = model.predict(np.random.default_rng(0).normal(0, 5, (8, 4)), verbose=0)
    shares = np.allclose(scores.sum(axis=-1), 1, atol=1e-5) and scores.min() >= 0
    assert bool(shares) is not logits  # As the numbers are.


LABELS = np.array([[0.0, 1, 0], [1, 0, 0], [0.25, 0.75, 0], [0, 0, 0]])  # The last one fills up.
SCORES = np.array([[0.5, 2, -1], [0.1, 0.2, 0.3], [-1, 3, 0], [1, 0, 0]])
WEIGHTS = np.array([1.0, 2.0, 4.0, 8.0])


@pytest.mark.parametrize("weights", [None, WEIGHTS, WEIGHTS[:, None], 3.0, "twice"])
@pytest.mark.parametrize("dtype", [None, "float32", "float16"])
def test_top_1_counts_as_weighted(weights, dtype):
    top_1, given = Top1(name="mine", dtype=dtype), WEIGHTS if isinstance(weights, str) else weights
    updates = 2 if isinstance(weights, str) else 1
    for _ in range(updates):
        top_1.update_state(LABELS, SCORES, sample_weight=given)
    shares = np.ones(4) if given is None else np.broadcast_to(np.ravel(given), 4)
    expected = (shares[0] + shares[2]) / shares[:3].sum()  # The second one is wrong.
    assert float(top_1.result()) == pytest.approx(expected, rel=1e-3)
    assert top_1.name == "mine"
    assert top_1.dtype == (dtype or "float32")
    top_1.reset_state()
    assert float(top_1.result()) == 0


def test_weights_reach_top_1_through_a_model():
    model = keras.Sequential([keras.Input((3,)), layers.Identity()])
    model.compile(loss="mse", metrics=[Top1(name="top_1")], weighted_metrics=[Top1(name="weighed")])
    found = model.evaluate(
        SCORES, LABELS, sample_weight=WEIGHTS, batch_size=3, return_dict=True, verbose=0
    )
    assert found["top_1"] == pytest.approx(2 / 3)
    assert found["weighed"] == pytest.approx(5 / 7)


def sigmoid_by_hand(smoothing):
    y = LABELS * (1 - smoothing) + smoothing / 3
    p = 1 / (1 + np.exp(-SCORES))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none", None]
)
def test_sigmoid_crossentropy_with_every_option(from_logits, smoothing, weights, reduction):
    loss = SigmoidCrossentropy(from_logits, smoothing, name="mine", reduction=reduction)
    loss = SigmoidCrossentropy.from_config(loss.get_config())
    scores = SCORES if from_logits else 1 / (1 + np.exp(-SCORES))
    found = loss(LABELS.astype("float32"), scores.astype("float32"), sample_weight=weights)
    shares = np.ones(4) if weights is None else weights
    each = sigmoid_by_hand(smoothing) * shares
    divisor = {"sum": 1, "sum_over_batch_size": 4, "mean_with_sample_weight": shares.sum()}
    expected = each.sum() / divisor[reduction] if reduction in divisor else each
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-5)
    assert loss.name == "mine"


def test_the_type_of_a_loss():
    assert SigmoidCrossentropy(dtype="float16").dtype == "float16"
    assert SigmoidCrossentropy().dtype == keras.config.floatx()


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, True, "0.1", np.nan])
def test_label_smoothing_out_of_range(smoothing):
    with pytest.raises(ValueError, match="`label_smoothing` must be at least 0 and below 1"):
        SigmoidCrossentropy(label_smoothing=smoothing)


def test_what_was_compiled_is_loaded(tiny, tmp_path):
    """A model with our optimizer, loss and metric loads with them, and needs nothing told."""
    model = keras_mixer.Mixer(tiny, weights=None, classes=3, classifier_activation=None)
    model.compile(AdamW(1e-3), SigmoidCrossentropy(label_smoothing=0.1), metrics=[Top1()])
    x = np.random.default_rng(0).uniform(-1, 1, (3, *model.input_shape[1:])).astype("float32")
    model.fit(x, np.eye(3), verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    expected, found = (
        m.evaluate(x, np.eye(3), return_dict=True, verbose=0) for m in (model, again)
    )
    assert found == pytest.approx(expected)
    assert type(again.optimizer) is AdamW
    assert type(again.loss) is SigmoidCrossentropy
