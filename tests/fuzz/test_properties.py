"""What holds for any sizes, numbers and orders, where other tests have cases."""

import json

import keras
import numpy as np
import pytest
from fuzz.damage import LEAVES
from hypothesis import given
from hypothesis import strategies as st

from keras_mixer import MixerSpec
from keras_mixer.data import EvaluationBatches, ImageData, Split, TrainingBatches
from keras_mixer.data.splits import hold_out
from keras_mixer.evaluation.calibration import Calibration
from keras_mixer.evaluation.fewshot import _choose
from keras_mixer.export import metadata
from keras_mixer.layers import Patches
from keras_mixer.training.schedules import WarmUp
from keras_mixer.weights.resolution import expand

SMALL = st.integers(1, 4)


@given(batch=SMALL, rows=SMALL, columns=SMALL, p=SMALL, q=SMALL, channels=SMALL, last=st.booleans())
def test_patches_can_be_put_together_again(batch, rows, columns, p, q, channels, last):
    images = np.random.default_rng(0).normal(size=(batch, rows * p, columns * q, channels))
    given_ = images if last else images.transpose(0, 3, 1, 2)
    layer = Patches((p, q), "channels_last" if last else "channels_first")
    tokens = keras.ops.convert_to_numpy(layer(given_.astype("float32")))
    assert tokens.shape == layer.compute_output_shape(given_.shape)
    again = np.empty(images.shape, "float32")
    for token in range(rows * columns):
        row, column = divmod(token, columns)
        patch = tokens[:, token].reshape(batch, p, q, channels)
        again[:, row * p : (row + 1) * p, column * q : (column + 1) * q] = patch
    np.testing.assert_array_equal(again, images.astype("float32"))


@given(rows=SMALL, columns=SMALL, tall=SMALL, wide=SMALL, hidden=SMALL, seed=st.integers(0, 99))
def test_each_tile_of_an_expanded_mlp_is_the_old_one(rows, columns, tall, wide, hidden, seed):
    """The paper's rule, for K = (tall, wide) tiles: in float64, with a nonlinearity between."""
    rng, tokens = np.random.default_rng(seed), rows * columns
    old = {
        "dense_0/kernel": rng.normal(size=(tokens, hidden)),
        "dense_0/bias": rng.normal(size=hidden),
        "dense_1/kernel": rng.normal(size=(hidden, tokens)),
        "dense_1/bias": rng.normal(size=tokens),
    }
    grids = (rows, columns), (rows * tall, columns * wide)
    new = {part: expand(part, array, *grids) for part, array in old.items()}

    def mlp(weights, x):
        x = np.tanh(x @ weights["dense_0/kernel"] + weights["dense_0/bias"])
        return x @ weights["dense_1/kernel"] + weights["dense_1/bias"]

    picture = rng.normal(size=(rows * tall, columns * wide))
    found = mlp(new, picture.reshape(-1)).reshape(picture.shape)
    for i in range(tall):
        for j in range(wide):
            tile = np.s_[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]
            expected = mlp(old, picture[tile].reshape(-1)).reshape(rows, columns)
            np.testing.assert_allclose(found[tile], expected, rtol=1e-9, atol=1e-9)


@given(
    steps=st.integers(1, 10**6),
    share=st.floats(0, 0.99),
    decay=st.sampled_from(["cosine", "linear"]),
    peak=st.floats(1e-6, 10),
    accumulation=SMALL,
)
def test_schedules(steps, share, decay, peak, accumulation):
    """Never negative nor above the peak; linear up; zero at the end and after it."""
    warmup = int(steps * share)
    rate = WarmUp(peak, steps, warmup, decay, accumulation)

    def at(step):
        return float(keras.ops.convert_to_numpy(rate(step * accumulation)))

    for step in {0, 1, warmup // 2, warmup, (warmup + steps) // 2, steps - 1, steps, 2 * steps}:
        assert -1e-7 * peak <= at(step) <= peak * (1 + 1e-6)
        if step < warmup:
            assert at(step) == pytest.approx(peak * step / warmup, rel=1e-5)
    assert at(steps) == pytest.approx(0, abs=1e-6 * peak)
    assert at(warmup) == pytest.approx(peak, rel=1e-5)
    again = WarmUp.from_config(json.loads(json.dumps(rate.get_config())))
    assert again.get_config() == rate.get_config()


def split_of(labels) -> Split:
    names = [f"{i}" for i in range(len(labels))]
    pictures = [np.full((4, 4, 3), i % 256, "uint8") for i in range(len(labels))]
    return Split(pictures, np.array(labels, int), names)


@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=30).map(lambda ls: [*ls, *set(ls)]),
    fraction=st.floats(0.01, 0.9),
    seed=st.integers(0, 2**31),
)
def test_held_out_pictures(labels, fraction, seed):
    """Disjoint, exhaustive, the same each time, and of each class its share, at least one."""
    split = split_of(labels)
    train, test = hold_out(split, fraction, seed)
    assert sorted([*train.names, *test.names], key=int) == list(split.names)
    assert hold_out(split, fraction, seed)[1].names == test.names
    for label in set(labels):
        count = labels.count(label)
        assert (test.labels == label).sum() == max(1, round(fraction * count))
        assert all(
            labels[int(name)] == label for name in np.array(test.names)[test.labels == label]
        )


@given(n=st.integers(1, 23), parts=SMALL, of_part=SMALL)
def test_each_picture_is_in_one_shard_once(n, parts, of_part):
    split = split_of([0] * n)
    seen = []
    for number in range(parts):
        batches = EvaluationBatches(
            *(split, 2, (4, 4), parts * of_part), crop="resize", parts=parts, shard=(number, parts)
        )
        for batch in range(len(batches)):
            seen += [row for row in batches._rows(batch) if row < n]
    assert sorted(seen) == list(range(n))


@given(n=st.integers(1, 12), count=st.integers(1, 3), of_part=SMALL, seed=st.integers(0, 9))
def test_shards_of_training_batches_make_up_the_whole(n, count, of_part, seed):
    """And within a round each picture comes once."""
    split, size = split_of([0] * n), count * of_part
    whole = TrainingBatches(split, 2, (4, 4), batch_size=size, steps=3 * n, seed=seed)
    shards = [
        TrainingBatches(
            split, 2, (4, 4), batch_size=size, steps=3 * n, seed=seed, shard=(number, count)
        )
        for number in range(count)
    ]
    order = []
    for batch in range(-(-2 * n // size)):
        members = whole._members(batch)
        assert members == [m for shard in shards for m in shard._members(batch)]
        order += members
    assert sorted(index for _, index in order[:n]) == list(range(n))
    assert sorted(index for _, index in order[n : 2 * n]) == list(range(n))


@given(counts=st.lists(st.integers(3, 9), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_the_few_pictures_of_each_class(counts, seed):
    """Of their class, none twice; fewer shots are the first of more, whatever else there is."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    data = ImageData("x", split_of(labels), split_of(labels), tuple(map(str, range(len(counts)))))
    three, two = _choose(data, 3, seed), _choose(data, 2, seed)
    for label, (more, fewer) in enumerate(zip(three, two, strict=True)):
        assert len(set(more.tolist())) == 3
        assert all(labels[place] == label for place in more)
        assert more[:2].tolist() == fewer.tolist()


@given(
    confidence=st.lists(st.floats(0, 1), min_size=1, max_size=50),
    bins=st.integers(1, 40),
    data=st.data(),
)
def test_calibration_error(confidence, bins, data):
    right = data.draw(st.lists(st.booleans(), min_size=len(confidence), max_size=len(confidence)))
    found = Calibration.of(np.array(confidence), np.array(right), bins)
    assert 0 <= found.error <= 1
    assert found.images.sum() == len(confidence)
    assert abs(np.mean(right) - np.mean(confidence)) <= found.error + 1e-9  # One bin is the least.


@given(about=st.dictionaries(st.text(), LEAVES.filter(lambda leaf: leaf == leaf)))
def test_what_an_exported_file_says_of_itself_can_be_read(about):
    assert json.loads(metadata.as_text(about)) == about


@given(sizes=st.lists(st.integers(1, 64), min_size=6, max_size=6), rows=SMALL, columns=SMALL)
def test_a_spec_there_and_back(sizes, rows, columns):
    p, q, *numbers = sizes
    spec = MixerSpec("any", (p, q), *numbers, image_size=(p * rows, q * columns))
    assert MixerSpec(**json.loads(json.dumps(spec.__dict__))) == spec
    assert spec.tokens() == rows * columns
