"""A weight file, whatever has happened to it, is loaded exactly or refused, all or nothing."""

import contextlib
import io
import json
import struct
import tracemalloc
import zipfile

import h5py
import hypothesis
import numpy as np
import pytest
from fuzz.damage import damaged
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from weights.test_formats import CLASSES, SQUARE, official_arrays, older_layout, timm_arrays

from keras_mixer import Mixer, weights

pytestmark = pytest.mark.once

KINDS = ("w.npz", "older.npz", "packed.npz", "w.safetensors", "w.weights.h5", "w.keras")


@pytest.fixture(scope="module")
def model():
    return Mixer(SQUARE, weights=None, classes=CLASSES)


class Files(dict):
    """Hypothesis prints it with each failure."""

    def __repr__(self) -> str:
        return "good files"


@pytest.fixture(scope="module")
def whole(folder, model):
    """The contents of one good file of each kind."""
    theirs, ours = official_arrays(SQUARE, np.random.default_rng(0))
    np.savez(folder / "w.npz", **theirs)
    np.savez(folder / "older.npz", **older_layout(theirs))
    np.savez_compressed(folder / "packed.npz", **theirs)
    save_file(timm_arrays(ours, SQUARE), folder / "w.safetensors")
    model.save(folder / "w.keras")
    model.save_weights(folder / "w.weights.h5")
    return Files({kind: (folder / kind).read_bytes() for kind in KINDS})


def outcome(path, model) -> str | None:
    """The refusal, after which the model is as before; `None` where it holds the file's arrays."""
    before = [np.full(v.shape, 7, "float32") for v in model.weights]
    model.set_weights(before)
    try:
        with weights.open_file(path) as opened:
            report = weights.assign(model, opened)
            found = {name: opened.arrays[name].read() for name in report.loaded}
    except (ValueError, OSError) as error:
        line = str(error)
        assert str(path) in line
        assert line.isprintable()
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
        return line
    for variable in model.weights:
        if variable.path in found:
            np.testing.assert_array_equal(variable.numpy(), found[variable.path])
            assert np.isfinite(found[variable.path]).all()
    assert {v.path for v in model.weights} == {*report.loaded, *report.fresh}
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_good_files(kind, whole, folder, model):
    """So that what is damaged below is refused for the damage."""
    assert outcome(folder / kind, model) is None
    weights.check_file(folder / kind)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_damaged_files(kind, whole, folder, model, data):
    path = folder / f"damaged-{kind}"
    path.write_bytes(data.draw(damaged(whole[kind])))
    outcome(path, model)
    with contextlib.suppress(ValueError):
        weights.check_file(path)


NAMES = st.sampled_from(["stem/kernel", "head/bias", "stem/bias", "../x", "a/b", "", "\n\x1b[2J"])
TYPES = st.sampled_from(
    ["<f4", ">f4", "<f2", "<f8", "<i4", "|O", "|V2", "<U9", "<c8", "|b1", "<M8"]
)
NUMBERS = st.sampled_from([0, 1, 5, 8, 48, 10**6, 10**12, 2**63 - 1, 2**64, -1])


@given(
    members=st.lists(
        st.tuples(NAMES, TYPES, st.lists(NUMBERS, max_size=3), st.binary(max_size=40)), max_size=4
    ),
    packed=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]),
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_headers_of_npz_that_lie(members, packed, folder, model, whole):
    """What they claim is never allocated; members may come twice."""
    path = folder / "lies.npz"
    with zipfile.ZipFile(io.BytesIO(whole["w.npz"])) as good, zipfile.ZipFile(path, "w") as bad:
        for info in good.infolist():
            bad.writestr(info, good.read(info))
        for name, kind, shape, content in members:
            header = io.BytesIO()
            described = {"descr": kind, "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(header, described)
            bad.writestr(f"{name}.npy", header.getvalue() + content, packed)
    tracemalloc.start()
    try:
        with contextlib.suppress(ValueError):
            weights.check_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert bool(members) == (outcome(path, model) is not None)
    assert peak < 2**26


@given(
    rows=st.dictionaries(
        st.sampled_from(["stem.proj.weight", "head.bias", "norm.weight", "a/b", "__metadata__"]),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "F64", "BF16", "F8_E4M3", "I64", "BOOL", "x", 3]),
                "shape": st.lists(NUMBERS, max_size=3),
                "data_offsets": st.lists(NUMBERS, min_size=2, max_size=2),
            }
        ),
        max_size=3,
    ),
    length=st.none() | NUMBERS.map(lambda n: n % 2**64),
    content=st.binary(max_size=64),
)
def test_headers_of_safetensors_that_lie(rows, length, content, folder, model):
    path, header = folder / "lies.safetensors", json.dumps(rows).encode()
    size = struct.pack("<Q", len(header) if length is None else length)
    path.write_bytes(size + header + content)
    assert outcome(path, model) is not None
    with pytest.raises(ValueError, match="lies"):
        weights.check_file(path)


@given(shape=st.lists(st.sampled_from([5, 8, 10**4, 10**6, 10**12]), min_size=1, max_size=3))
def test_shapes_in_hdf5_that_lie(shape, folder, model, whole):
    """An array that is nowhere written takes no place in the file."""
    path = folder / "lies.weights.h5"
    path.write_bytes(whole["w.weights.h5"])
    with h5py.File(path, "r+") as file:
        variables = file["layers/dense_1/vars"]  # The head.
        del variables["1"]
        try:
            variables.create_dataset("1", shape, "float32", chunks=(1,) * len(shape))
        except ValueError:  # More than HDF5 itself can count.
            hypothesis.reject()
    line = outcome(path, model)
    if np.prod(shape, dtype=object) > 2**26:
        assert "its arrays would take" in line


@given(value=st.sampled_from([np.nan, np.inf, -np.inf]), seed=st.integers(0, 99))
def test_one_number_that_is_none(value, seed, folder, model):
    theirs, _ = official_arrays(SQUARE, np.random.default_rng(0))
    rng = np.random.default_rng(seed)
    array = theirs[rng.choice(sorted(theirs))]
    array.flat[rng.integers(array.size)] = value
    np.savez(folder / "nan.npz", **theirs)
    assert "holds values that are not finite" in outcome(folder / "nan.npz", model)


@given(seed=st.integers(0, 2**32 - 1))
def test_there_and_back_is_identical(seed, folder):
    theirs, _ = official_arrays(SQUARE, np.random.default_rng(seed))
    for array in theirs.values():  # Any bits of a finite number.
        bits = np.random.default_rng(seed).integers(0, 2**32, array.shape, dtype="uint32")
        array[...] = np.where(np.isfinite(bits.view("float32")), bits.view("float32"), 0)
    for name in ("there.safetensors", "back.npz"):
        (folder / name).unlink(missing_ok=True)
    np.savez(folder / "from.npz", **theirs)
    weights.convert(folder / "from.npz", folder / "there.safetensors")
    weights.convert(folder / "there.safetensors", folder / "back.npz")
    with np.load(folder / "back.npz") as back:
        assert {*back} == {*theirs}
        for name, array in theirs.items():
            assert back[name].tobytes() == array.tobytes()
