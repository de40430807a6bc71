"""Token mixing on another grid beside Pillow's resizing, rows and columns apart everywhere."""

import itertools

import numpy as np
import pytest
from PIL import Image

from keras_mixer import Mixer, MixerSpec, change_resolution
from keras_mixer.weights.resolution import interpolate

# Grids that grow, shrink, do both, or stay on one side.
GRIDS = [
    *(((2, 3), (5, 4)), ((5, 4), (2, 3)), ((3, 5), (3, 2)), ((6, 2), (2, 6)), ((1, 7), (7, 1))),
    *(((7, 3), (4, 3)), ((8, 2), (3, 5)), ((2, 9), (6, 4)), ((4, 4), (3, 3)), ((3, 3), (4, 4))),
]


def resized(values, old, new):
    """Of `(..., old rows * old columns)` to the new grid: Pillow averages where it shrinks."""
    flat = np.reshape(values, (-1, *old)).astype("float32")
    pictures = [
        np.asarray(Image.fromarray(one).resize(new[::-1], Image.Resampling.BILINEAR)).ravel()
        for one in flat
    ]
    return np.reshape(pictures, (*np.shape(values)[:-1], -1)).astype("float64")


def mlp(x, weights):
    """Along the last axis, with a nonlinearity between."""
    hidden = np.tanh(x @ weights["dense_0/kernel"] + weights["dense_0/bias"])
    return hidden @ weights["dense_1/kernel"] + weights["dense_1/bias"]


def drawn(rng, tokens, hidden=3):
    return {
        "dense_0/kernel": rng.normal(size=(tokens, hidden)),
        "dense_0/bias": rng.normal(size=hidden),
        "dense_1/kernel": rng.normal(size=(hidden, tokens)),
        "dense_1/bias": rng.normal(size=tokens),
    }


def assert_interpolated(new, weights, old_grid, new_grid, rng):
    """To the old grid, through the old MLP, to the new grid."""
    x = rng.normal(size=(4, new_grid[0] * new_grid[1]))
    through = mlp(resized(x, new_grid, old_grid), weights)
    expected = resized(through, old_grid, new_grid)
    np.testing.assert_allclose(mlp(x, new), expected, atol=1e-5, err_msg=f"{old_grid} {new_grid}")


def test_interpolation_is_resizing_there_and_back_on_every_small_grid(rng):
    small = itertools.product(range(1, 5), repeat=4)
    for old, new in [*GRIDS, *(((a, b), (c, d)) for a, b, c, d in small)]:
        weights = drawn(rng, old[0] * old[1])
        changed = {part: interpolate(part, array, old, new) for part, array in weights.items()}
        assert_interpolated(changed, weights, old, new, rng)


def mixing_of(model):
    """The arrays of the second block's token mixing."""
    block = model.get_layer("mixer_block_1").token_mixing
    return {
        f"{dense.name}/{part}": np.array(getattr(dense, part).numpy(), "float64")
        for dense in (block.dense_0, block.dense_1)
        for part in ("kernel", "bias")
    }


@pytest.mark.parametrize("way", ["memory", "file"])
@pytest.mark.parametrize(("old", "new"), GRIDS[:6], ids=str)
def test_a_model_of_oblong_patches_on_oblong_images(old, new, way, rng, randomize, tmp_path):
    """Sizes are height and width in pixels, patches too, and the grid is rows and columns."""
    patch = (2, 3)
    before, after = (tuple(n * p for n, p in zip(grid, patch, strict=True)) for grid in (old, new))
    spec = MixerSpec("oblong", patch, 2, 4, 3, 5, before)
    model = randomize(Mixer(spec, weights=None, classes=3))
    if way == "memory":
        changed = change_resolution(model, after, "interpolate")
    else:
        model.save(tmp_path / "m.keras")
        changed = Mixer(
            spec,
            weights=tmp_path / "m.keras",
            input_shape=(*after, 3),
            resolution="interpolate",
        )
    assert changed.input_shape == (None, *after, 3)
    assert_interpolated(mixing_of(changed), mixing_of(model), old, new, rng)


@pytest.mark.parametrize(("tall", "wide"), [(1, 3), (3, 1), (2, 3)])
def test_expansion_of_oblong_patches_has_a_tile_for_each_part_of_the_image(
    tall, wide, rng, randomize
):
    patch, grid = (3, 2), (2, 3)
    size = grid[0] * patch[0], grid[1] * patch[1]
    model = randomize(
        Mixer(
            MixerSpec("oblong", patch, 2, 4, 3, 5, size),
            weights=None,
            classes=3,
            classifier_activation=None,
        )
    )
    large = change_resolution(model, (size[0] * tall, size[1] * wide))
    images = rng.uniform(-1, 1, (2, size[0] * tall, size[1] * wide, 3)).astype("float32")
    tiles = [
        images[:, i * size[0] : (i + 1) * size[0], j * size[1] : (j + 1) * size[1]]
        for i in range(tall)
        for j in range(wide)
    ]
    expected = np.mean([model.predict(tile, verbose=0) for tile in tiles], axis=0)
    np.testing.assert_allclose(large.predict(images, verbose=0), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("of_spec", "of_file", "wanted", "taken_for"),
    [
        ((1, 4), (1, 4), (1, 4), (1, 4)),  # As wanted, though 4 tokens may be a square.
        ((1, 4), (1, 4), (4, 1), (4, 1)),  # As wanted, before the architecture's own.
        ((1, 4), (1, 4), (1, 8), (1, 4)),  # The architecture's own, before a square.
        ((2, 3), (2, 2), (4, 6), (2, 2)),  # A square, where it can be nothing else.
    ],
    ids=str,
)
def test_the_grid_of_a_file_that_does_not_tell_it(
    of_spec, of_file, wanted, taken_for, rng, randomize, tmp_path
):
    patch = (2, 3)

    def pixels(grid):
        return tuple(n * p for n, p in zip(grid, patch, strict=True))

    spec = MixerSpec("oblong", patch, 2, 4, 3, 5, pixels(of_spec))
    model = randomize(Mixer(spec, weights=None, classes=3, input_shape=(*pixels(of_file), 3)))
    model.save_weights(tmp_path / "m.weights.h5")
    loaded = Mixer(
        spec,
        weights=tmp_path / "m.weights.h5",
        classes=3,
        input_shape=(*pixels(wanted), 3),
        resolution="interpolate",
    )
    assert_interpolated(mixing_of(loaded), mixing_of(model), taken_for, wanted, rng)
