"""How likely everything is that is drawn, and that one draw says nothing of another one."""

import itertools

import numpy as np
import pytest
from chance import even, half, independent, numbered, same_mean
from PIL import Image

from keras_mixer.data import Split, TrainingBatches, hold_out, mixing, randaugment, transforms

IMAGES, SIZE = 16, (21, 35)  # As large again by 8/7: 24x40, so 4 and 6 places for a window.
NOISE = np.random.default_rng(3).integers(0, 256, (24, 40, 3), dtype="uint8")
OFF = {"crop": "resize", "flip": False}
DRAWN = {
    "random crop": {**OFF, "crop": "random_crop"},
    "inception crop": {**OFF, "crop": "inception_crop"},
    "affine": {**OFF, "crop": "affine"},
    "flip": {**OFF, "flip": True},
    "one change": {**OFF, "randaugment": (1, 9.0)},
    "two changes": {**OFF, "randaugment": (2, 9.0)},
}
AXES = {"seed": 0, "epoch": 1, "image": 2}


def batches(options, seed, *, epochs=8, size=IMAGES, batch_size=IMAGES):
    split = Split([NOISE] * size, np.arange(size), [str(i) for i in range(size)])
    steps = epochs * size // batch_size
    return TrainingBatches(split, size, SIZE, batch_size, steps=steps, seed=seed, **options)


def images_of(options, seeds=8, epochs=8):
    """`(seed, epoch, image, ...)`: of the same image every time, so they tell what was drawn."""
    found = np.empty((seeds, epochs, IMAGES, *SIZE, 3), "float32")
    for seed, number in itertools.product(range(seeds), range(epochs)):
        if number == 0:
            made = batches(options, seed, epochs=epochs)
        x, y = made[number]
        found[seed, number, y.argmax(1)] = x
    return found


@pytest.mark.parametrize("kind", DRAWN)
def test_every_seed_epoch_and_image_has_draws_of_its_own(kind):
    numbers = numbered(images_of(DRAWN[kind]), 3)
    for axis, place in AXES.items():
        assert independent(numbers, place), axis


def test_windows_and_flips_are_even_and_independent_of_each_other():
    """Every place of the window, the last ones too, flipped or not."""
    rows, columns = np.mgrid[:24, :40].astype("uint8")
    ramp = np.dstack([5 * rows, 5 * columns, rows])
    split = Split([ramp] * IMAGES, np.arange(IMAGES), [str(i) for i in range(IMAGES)])
    made = TrainingBatches(split, IMAGES, SIZE, IMAGES, steps=150, crop="random_crop", seed=1)
    counts = np.zeros((4, 6, 2), int)
    for number in range(len(made)):
        pixels = np.rint((made[number][0] + 1) * 127.5).astype(int)
        corners = pixels[:, 0, [0, -1], :2] // 5
        lefts = corners[:, :, 1].min(axis=1)
        flips = (corners[:, 0, 1] > corners[:, 1, 1]).astype(int)
        np.add.at(counts, (corners[:, 0, 0], lefts, flips), 1)
    assert even(counts)
    for axes in ((0, 1), (0, 2), (1, 2)):
        assert even(counts.sum(axis=axes))


@pytest.mark.parametrize("size", [(7, 7), (21, 7), (7, 28), (20, 33)])
def test_a_window_takes_every_place(size):
    rng = np.random.default_rng(5)
    tall, wide = ((16 * side + 7) // 14 for side in size)
    rows, columns = np.mgrid[:tall, :wide].astype("uint8")
    picture = Image.fromarray(np.dstack([rows, columns, rows]))
    places = (tall - size[0] + 1) * (wide - size[1] + 1)
    counts = np.zeros((tall - size[0] + 1, wide - size[1] + 1), int)
    for _ in range(30 * places):
        crop = np.asarray(transforms.random_crop(picture, size, rng))
        top, left = crop[0, 0, :2]
        np.testing.assert_array_equal(crop[..., 0], rows[top : top + size[0], : size[1]])
        np.testing.assert_array_equal(crop[..., 1], columns[: size[0], left : left + size[1]])
        counts[top, left] += 1
    assert even(counts)


def boxes_of(monkeypatch, width, height, draws, seed):
    """What Inception crop takes of an image: `(left, top, right, bottom)`, `(draws, 4)`."""
    boxes = []
    monkeypatch.setattr(
        transforms, "resize", lambda image, size, how, box=None: boxes.append(box) or image
    )
    rng, picture = np.random.default_rng(seed), Image.new("RGB", (width, height))
    for _ in range(draws):
        transforms.inception_crop(picture, (8, 8), rng)
    return np.array([box or (0, 0, width, height) for box in boxes])


def boxes_by_definition(width, height, draws, seed):
    """Width and height of boxes of 5 to 100 % of the area and 3:4 to 4:3 wide, those that fit."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(0.05, 1, 4 * draws) * width * height
    wide_for_tall = rng.uniform(0.75, 4 / 3, 4 * draws)
    tall = np.sqrt(area / wide_for_tall)
    wide = area / tall
    fits = (np.rint(wide) <= width) & (np.rint(tall) <= height)
    return wide[fits], tall[fits]


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (333, 333), (500, 400)])
def test_inception_boxes_are_as_wide_and_tall_as_defined(width, height, monkeypatch):
    left, top, right, bottom = boxes_of(monkeypatch, width, height, 4000, 0).T
    wide, tall = boxes_by_definition(width, height, 50_000, 1)
    found = right - left, bottom - top
    for one, other in zip(found, (wide, tall), strict=True):
        assert same_mean(one, other)
        assert same_mean(one**2, other**2)
    assert same_mean(found[0] / found[1], wide / tall)
    assert same_mean(found[0] * found[1], wide * tall)


@pytest.mark.parametrize(("width", "height"), [(9, 7), (7, 9)])
def test_inception_boxes_lie_anywhere_up_to_the_last_place(width, height, monkeypatch):
    left, top, right, bottom = boxes_of(monkeypatch, width, height, 6000, 2).T
    for begin, length, whole in ((left, right - left, width), (top, bottom - top, height)):
        for one in range(2, 5):
            counts = np.bincount(begin[length == one], minlength=whole - one + 1)
            assert len(counts) == whole - one + 1
            assert even(counts)
    unbound = (right - left == 3) & (bottom - top == 3)
    assert even(np.bincount(left[unbound], minlength=width - 2))
    assert independent(left[unbound] % 2 + top[unbound] % 2 * 2, 0)


def weights_of(options, seed, count=64, size=8):
    """Each image's share of its own label, batch by batch: `(batch, image)`."""
    mixed = batches({**OFF, **options}, seed, epochs=count, size=size, batch_size=size)
    plain = batches(OFF, seed, epochs=count, size=size, batch_size=size)
    return np.array([(mixed[i][1] * plain[i][1]).sum(axis=1) for i in range(count)])


@pytest.mark.parametrize(
    "options", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}]
)
def test_each_batch_of_each_seed_has_a_blend_of_its_own(options):
    shares = np.stack([weights_of(options, seed) for seed in range(2)])
    assert (shares == shares[..., :1]).all()  # One blend for a batch.
    both = shares[..., 0].round(4)
    assert len(np.unique(both)) > both.size / 2
    assert independent(both > np.median(both), 1)
    assert independent(both > np.median(both), 0)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 3.0])
def test_blends_have_the_stated_distribution(alpha):
    """CutMix's box has an area of 1 - w, so sides of its root, before the border cuts it off.

    A side of s (as a share of the image's) about a uniform center keeps s - s^2 / 4 on average.
    """
    rng, other = np.random.default_rng(0), np.random.default_rng(1)
    weights = other.beta(alpha, alpha, 100_000)
    found = [mixing.mixup(alpha, rng).weight for _ in range(3000)]
    assert same_mean(found, np.maximum(weights, 1 - weights))
    assert same_mean(np.square(found), np.maximum(weights, 1 - weights) ** 2)
    for size in ((200, 300), (300, 200)):
        given_up = np.array([1 - mixing.cutmix(alpha, size, rng).weight for _ in range(3000)])
        side = np.sqrt(1 - weights)
        kept = side - side**2 / 4
        assert abs(given_up.mean() - (kept**2).mean()) < 5 * given_up.std() / np.sqrt(3000)


def test_cutmix_is_centred_anywhere_in_rows_and_columns():
    """By the boxes that no border cuts off, whose middle is the centre."""
    rng, size = np.random.default_rng(0), (60, 90)
    boxes = np.array([mixing.cutmix(1.0, size, rng).box for _ in range(4000)])
    top, left, bottom, right = boxes.T
    for begin, end, whole in ((top, bottom, size[0]), (left, right, size[1])):
        small = (end - begin < whole / 5) & (begin > 0) & (end < whole)
        middle = (begin + end)[small] / 2 / whole
        inner = middle[(middle > 0.1) & (middle < 0.9)]
        assert even(np.histogram(inner, 4, (0.1, 0.9))[0])


def test_changes_are_drawn_one_by_one(monkeypatch):
    """The second says nothing of the first, and none is more likely than another."""
    drawn, names = [], list(randaugment.OPERATIONS)
    spies = {
        name: lambda image, strength, rng, name=name: drawn.append(name) or image for name in names
    }
    monkeypatch.setattr(randaugment, "OPERATIONS", spies)
    rng, picture = np.random.default_rng(0), Image.fromarray(NOISE)
    for _ in range(2500):
        randaugment.randaugment(picture, 2, 10, rng)
    pairs = np.reshape([names.index(name) for name in drawn], (-1, 2))
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, tuple(pairs.T), 1)
    assert even(counts)
    assert even(counts.sum(axis=0))
    assert even(counts.sum(axis=1))
    assert independent(pairs, 0)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
def test_moves_go_either_way_as_often(name):
    rng, picture = np.random.default_rng(0), Image.fromarray(NOISE)
    move = randaugment.OPERATIONS[name]
    ways = numbered(np.stack([np.asarray(move(picture, 1.0, rng)) for _ in range(400)]), 1)
    assert ways.max() == 1
    assert half(ways.sum(), 400)
    assert independent(ways, 0)


def test_cutout_is_centred_on_every_pixel():
    """At strength 0.4 of 24x40 pixels its box reaches from (y - 1, x - 2) to (y, x + 1)."""
    rng, picture = np.random.default_rng(0), Image.new("RGB", (40, 24))
    counts = np.zeros((24, 40), int)
    for _ in range(10_000):
        cut = np.asarray(randaugment.OPERATIONS["cutout"](picture, 0.4, rng))[..., 0]
        rows, columns = cut.nonzero()
        last = columns.max()
        counts[rows.max(), last - 1 if last < 39 else columns.min() + 2] += 1
    assert even(counts)


def test_each_epoch_is_an_order_of_its_own():
    """Each image comes at each place as often, whatever the seed and the epoch before."""
    size = 12
    orders = np.array(
        [
            [batch.argmax(1) for batch in (made[i][1] for i in range(20))]
            for made in (
                batches(OFF, seed, epochs=20, size=size, batch_size=size) for seed in range(12)
            )
        ]
    )
    counts = np.zeros((size, size), int)
    for order in orders.reshape(-1, size):
        assert sorted(order) == list(range(size))
        counts[np.arange(size), order] += 1
    assert even(counts)
    for axis in (0, 1):
        assert independent(orders, axis)


def test_any_image_of_a_class_may_be_held_out():
    labels = np.array([0] * 6 + [1] * 10)
    names = [str(i) for i in range(16)]
    split = Split([NOISE] * 16, labels, names)
    held = np.zeros((200, 16), int)
    for seed in range(200):
        for name in hold_out(split, 0.3, seed)[1].names:
            held[seed, int(name)] = 1
    assert even(held[:, :6].sum(axis=0))
    assert even(held[:, 6:].sum(axis=0))
    assert independent(held, 0)
