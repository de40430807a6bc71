"""Files in the formats of Google and of timm: what they mean, and what is refused."""

import argparse
import collections
import datetime
import importlib
import io
import os
import pathlib
import pickle
import sys
import tracemalloc
import types
import warnings
import zipfile

import keras
import ml_dtypes
import numpy as np
import pytest
from reference import mixer_logits
from safetensors.numpy import save_file

from keras_mixer import Mixer, MixerSpec, weights

SQUARE = MixerSpec("square", 4, 2, 8, 6, 16, 8)
OBLONG = MixerSpec("oblong", (2, 4), 3, 12, 5, 20, (6, 16))
CLASSES = 5


def official_arrays(spec, rng, dtype="float32"):
    """Random arrays under the names of Google's files, and the same under canonical names."""
    (p, q), s, c = spec.patch_size, spec.tokens(), spec.hidden_size
    theirs, ours = {}, {}

    def add(name, canonical, shape):
        theirs[name] = rng.normal(0, 0.5, shape).astype(dtype)
        array = theirs[name].astype("float32")
        ours[canonical] = array.reshape(p * q * 3, c) if canonical == "stem/kernel" else array

    def dense(name, canonical, rows, columns):
        add(f"{name}/kernel", f"{canonical}/kernel", (rows, columns))
        add(f"{name}/bias", f"{canonical}/bias", (columns,))

    def norm(name, canonical):
        add(f"{name}/scale", f"{canonical}/gamma", (c,))
        add(f"{name}/bias", f"{canonical}/beta", (c,))

    add("stem/kernel", "stem/kernel", (p, q, 3, c))
    add("stem/bias", "stem/bias", (c,))
    for i in range(spec.num_layers):
        block, ours_block = f"MixerBlock_{i}", f"mixer_block_{i}"
        for j, (mixing, size, width) in enumerate(
            (("token_mixing", s, spec.tokens_mlp_dim), ("channel_mixing", c, spec.channels_mlp_dim))
        ):
            norm(f"{block}/LayerNorm_{j}", f"{ours_block}/layer_norm_{j}")
            dense(f"{block}/{mixing}/Dense_0", f"{ours_block}/{mixing}/dense_0", size, width)
            dense(f"{block}/{mixing}/Dense_1", f"{ours_block}/{mixing}/dense_1", width, size)
    norm("pre_head_layer_norm", "pre_head_layer_norm")
    dense("head", "head", c, CLASSES)
    return theirs, ours


def older_layout(theirs):
    """The same arrays as the older files name and shape them."""
    result = {}
    for name, array in theirs.items():
        for j in (0, 1):
            for leaf in ("kernel", "bias"):
                for mixing in ("token_mixing", "channel_mixing"):
                    if name.endswith(f"{mixing}/Dense_{j}/{leaf}"):
                        name = name.replace(
                            f"{mixing}/Dense_{j}/{leaf}", f"{mixing}_phase_0/{leaf}{j + 1}"
                        )
                        array = array[None, :, None] if leaf == "bias" else array[:, None]
        if name.startswith("MixerBlock_"):
            name = name.replace("MixerBlock_", "Mixer/encoderblock_")
        name = name.replace("pre_head_layer_norm", "Mixer/encoder_norm").replace(
            "stem", "embedding"
        )
        result[name] = array
    return result


def timm_arrays(ours, spec):
    """timm's names and shapes, written out by hand for comparison with the package's."""
    (p, q), c = spec.patch_size, spec.hidden_size
    result = {}
    for name, array in ours.items():
        if name == "stem/kernel":
            units = [array[:, d].reshape(p, q, 3).transpose(2, 0, 1) for d in range(c)]
            result["stem.proj.weight"] = np.ascontiguousarray(np.stack(units))
            continue
        parts = name.replace("mixer_block_", "blocks/").split("/")
        word = {
            "layer_norm_0": "norm1",
            "layer_norm_1": "norm2",
            "token_mixing": "mlp_tokens",
            "channel_mixing": "mlp_channels",
            "dense_0": "fc1",
            "dense_1": "fc2",
            "pre_head_layer_norm": "norm",
            "stem": "stem.proj",
            "kernel": "weight",
            "gamma": "weight",
            "beta": "bias",
        }
        array = array.T if parts[-1] == "kernel" else array
        result[".".join(word.get(part, part) for part in parts)] = np.ascontiguousarray(array)
    return result


def write(kind, folder, spec, rng, dtype="float32"):
    """A file of random weights of `kind`; its path and the canonical arrays."""
    theirs, ours = official_arrays(spec, rng, dtype)
    if kind in ("npz", "older npz", "compressed npz"):
        path = folder / "w.npz"
        save = np.savez_compressed if kind == "compressed npz" else np.savez
        save(path, **(older_layout(theirs) if kind == "older npz" else theirs))
    elif kind == "safetensors":
        path = folder / "w.safetensors"
        arrays = {name: array.astype(dtype) for name, array in timm_arrays(ours, spec).items()}
        save_file(arrays, path)
    else:
        torch = pytest.importorskip("torch")
        path = folder / "w.pth"
        kept = getattr(torch, np.dtype(dtype).name)
        state = {n: torch.from_numpy(a).to(kept) for n, a in timm_arrays(ours, spec).items()}
        torch.save({"state_dict": state} if kind == "wrapped pth" else state, path)
    return path, ours


KINDS = ["npz", "older npz", "compressed npz", "safetensors"]
if keras.backend.backend() == "torch":
    KINDS += ["pth", "wrapped pth"]


@pytest.mark.parametrize("spec", [SQUARE, OBLONG], ids=lambda spec: spec.name)
@pytest.mark.parametrize("approximate", [True, False], ids=["tanh", "exact"])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_a_foreign_file(kind, approximate, spec, tmp_path, rng):
    path, arrays = write(kind, tmp_path, spec, rng)
    model = Mixer(spec, weights=path, classifier_activation=None, gelu_approximate=approximate)
    x = rng.uniform(-1, 1, (3, *spec.image_size, 3)).astype("float32")
    expected = mixer_logits(x, arrays, spec.patch_size, approximate)
    other = mixer_logits(x, arrays, spec.patch_size, not approximate)
    got = model.predict(x, verbose=0)
    scale = np.abs(expected).max()
    assert got.shape == (3, CLASSES)
    assert np.abs(got - expected).max() < 1e-4 * scale
    # The forms of GELU are told apart: the file's own is the one that agrees.
    assert np.abs(got - other).max() > 3 * np.abs(got - expected).max()
    assert len(model.load_report.loaded) == len(arrays)
    assert model.load_report.fresh == model.load_report.unused == ()


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_keras_file_says_how_its_image_is_cut(data_format, tmp_path):
    keras.config.set_image_data_format(data_format)
    model = Mixer(OBLONG, weights=None, classes=CLASSES)
    model.save(tmp_path / "w.keras")
    with weights.open_file(tmp_path / "w.keras") as opened:
        assert (opened.grid, opened.patch_shape) == (OBLONG.grid(), (2, 4, 3))


def test_the_form_of_gelu_follows_the_file(tmp_path, rng):
    path, _ = write("npz", tmp_path, SQUARE, rng)
    model = Mixer(SQUARE, weights=path)
    assert model.get_layer("mixer_block_0").gelu_approximate is True
    exact = Mixer(SQUARE, weights=path, gelu_approximate=False)
    exact.save(tmp_path / "exact.keras")
    again = Mixer(SQUARE, weights=tmp_path / "exact.keras")
    assert again.get_layer("mixer_block_1").gelu_approximate is False
    weights.convert(tmp_path / "exact.keras", tmp_path / "exact.safetensors")
    again = Mixer(SQUARE, weights=tmp_path / "exact.safetensors")
    assert again.get_layer("mixer_block_1").gelu_approximate is False
    for source in ("exact.keras", "exact.safetensors"):  # An .npz would be taken for tanh.
        with pytest.raises(ValueError, match=r"has the exact form of GELU.* \.safetensors\."):
            weights.convert(tmp_path / source, tmp_path / "exact.npz")
    assert not (tmp_path / "exact.npz").exists()
    foreign, _ = write("safetensors", tmp_path, SQUARE, rng)
    with pytest.raises(
        ValueError, match=r"does not say which form of GELU.*`gelu_approximate=True`"
    ):
        Mixer(SQUARE, weights=foreign)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("spec", [SQUARE, OBLONG], ids=lambda spec: spec.name)
def test_round_trip_is_bit_exact(suffix, spec, tmp_path, rng, randomize):
    model = randomize(Mixer(spec, weights=None, classes=CLASSES))
    model.save(tmp_path / "m.keras")
    count = weights.convert(tmp_path / "m.keras", tmp_path / f"m{suffix}")
    assert count == len(model.trainable_variables)
    again = Mixer(spec, weights=tmp_path / f"m{suffix}")
    for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    other = ".npz" if suffix == ".safetensors" else ".safetensors"
    weights.convert(tmp_path / f"m{suffix}", tmp_path / f"n{other}")
    weights.convert(tmp_path / f"n{other}", tmp_path / f"n{suffix}")
    assert (tmp_path / f"n{suffix}").stat().st_size > 0
    with weights.open_file(tmp_path / f"n{suffix}") as last:
        for variable in model.trainable_variables:
            np.testing.assert_array_equal(last.arrays[variable.path].read(), variable.numpy())


def test_what_is_written_is_what_they_read(tmp_path, rng):
    """The names and shapes of the writers, against arrays named by hand."""
    path, ours = write("npz", tmp_path, OBLONG, rng)
    theirs, _ = official_arrays(OBLONG, np.random.default_rng(0))
    weights.convert(path, tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as file:
        assert {n: file[n].shape for n in file} == {n: a.shape for n, a in theirs.items()}
    weights.convert(path, tmp_path / "timm.safetensors")
    from safetensors.numpy import load_file

    written, expected = load_file(tmp_path / "timm.safetensors"), timm_arrays(ours, OBLONG)
    assert set(written) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(written[name], array)


def test_convert_overwrites_nothing_and_leaves_nothing(tmp_path, rng):
    path, _ = write("npz", tmp_path, SQUARE, rng)
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        weights.convert(path, path)
    with pytest.raises(ValueError, match=r"must end in \.npz or \.safetensors"):
        weights.convert(path, tmp_path / "w.pth")
    Mixer(MixerSpec("odd", (2, 3), 1, 4, 3, 5, 6), weights=None).save_weights(
        tmp_path / "odd.weights.h5"
    )
    with pytest.raises(ValueError, match="how its patches are shaped, and 18 values are no square"):
        weights.convert(tmp_path / "odd.weights.h5", tmp_path / "odd.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["odd.weights.h5", "w.npz"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["npz", "safetensors", "pth"])
def test_half_types_become_float32_exactly(kind, dtype, tmp_path, rng):
    dtype = getattr(ml_dtypes, dtype, dtype)
    path, ours = write(kind, tmp_path, SQUARE, rng, dtype)
    model = Mixer(SQUARE, weights=path, gelu_approximate=True)
    for variable in model.trainable_variables:
        assert keras.backend.standardize_dtype(variable.dtype) == "float32"
        np.testing.assert_array_equal(variable.numpy(), ours[variable.path])


def refused(path, match, spec=SQUARE):
    """One clear line, and nothing of the file in the model."""
    model = Mixer(spec, weights=None, classes=CLASSES)
    before = model.get_weights()
    with (
        pytest.raises((ValueError, FileNotFoundError), match=match) as error,
        weights.open_file(path) as opened,
    ):
        weights.assign(model, opened)
    assert "\n" not in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Touch:
    """Pickles to code that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickled_object_in_the_npz_is_not_executed(tmp_path, rng):
    path, _ = write("npz", tmp_path, SQUARE, rng)
    theirs, _ = official_arrays(SQUARE, rng)
    theirs["stem/bias"] = np.array([Touch(tmp_path / "executed")], dtype=object)
    np.savez(path, **theirs)
    refused(path, r"stem/bias\.npy holds pickled Python objects, which are never loaded")
    assert not (tmp_path / "executed").exists()


def test_code_in_a_pth_is_not_executed(tmp_path):
    torch = pytest.importorskip("torch") if keras.backend.backend() == "torch" else None
    path = tmp_path / "w.pth"
    if torch is None:
        path.write_bytes(pickle.dumps({"head.bias": Touch(tmp_path / "executed")}))
        with pytest.raises(ModuleNotFoundError, match=r'pip install "keras-mixer\[torch\]"'):
            weights.open_file(path).__enter__()
        return
    for content in (Touch(tmp_path / "executed"), {"head.bias": Touch(tmp_path / "executed")}):
        torch.save(content, path)
        refused(path, "code in it is never run")
    path.write_bytes(pickle.dumps(Touch(tmp_path / "executed"), protocol=2))
    refused(path, "code in it is never run")
    torch.save({"head.bias": 3}, path)
    refused(path, "does not hold a state dict of tensors")
    torch.save({"head.bias": torch.eye(3).to_sparse()}, path)
    refused(path, r"holds sparse tensors, which are not read: head\.bias")
    torch.save({"head.bias": torch.zeros(100)}, path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:40], b"\x80\x02}q\x00(X\x01", b""):
        path.write_bytes(damaged)
        refused(path, "damaged or holds more than PyTorch weights; code in it is never run")
    path.write_bytes(b"PK\x03\x04 nothing")
    refused(path, "damaged or holds more than PyTorch weights")
    assert not (tmp_path / "executed").exists()


def rewrite(path, change):
    """The npz with its members changed: `change(name, bytes)` gives new bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))


def test_zip_bombs(tmp_path, rng):
    path, _ = write("npz", tmp_path, SQUARE, rng)

    def trailing(name, content):
        return content + bytes(2**26) if name == "head/bias.npy" else content

    rewrite(path, trailing)
    refused(path, r"head/bias\.npy says it is of shape \(5,\) and float32, 20 bytes, and holds")

    def huge(name, content):
        if name != "head/bias.npy":
            return content
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f4", "fortran_order": False, "shape": (2**24,)}
        )
        return header.getvalue() + bytes(2**26)

    path, _ = write("npz", tmp_path, SQUARE, rng)
    rewrite(path, huge)
    # A consistent lie is refused by its shape alone, before it is unpacked; the head may differ
    # in its number of classes, but then it is not read either.
    with weights.open_file(path) as opened:
        assert opened.classes() == 2**24

    def huge_stem(name, content):
        return huge("head/bias.npy" if name == "stem/bias.npy" else "", content)

    path, _ = write("npz", tmp_path, SQUARE, rng)
    rewrite(path, huge_stem)
    refused(path, r"stem/bias has shape \(16777216,\) where the model has \(8,\)")


def test_a_keras_file_that_would_fill_the_disk(tmp_path, rng):
    model = Mixer(SQUARE, weights=None, classes=CLASSES)
    path = tmp_path / "m.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", bytes(2**25))
    refused(path, r"model\.weights\.h5 would unpack to 33,554,432 bytes")


@pytest.mark.parametrize("dtype", ["int32", "float64", "complex64", "uint8", "bool", "S4"])
def test_wrong_types(dtype, tmp_path, rng):
    theirs, _ = official_arrays(SQUARE, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # complex to real, numbers to text
        theirs["stem/bias"] = theirs["stem/bias"].astype(dtype)
    np.savez(tmp_path / "w.npz", **theirs)
    refused(tmp_path / "w.npz", "stem/bias is .*, which is none of float32, float16, bfloat16")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value, tmp_path, rng):
    theirs, _ = official_arrays(SQUARE, rng)
    theirs["MixerBlock_1/LayerNorm_1/scale"][3] = value
    np.savez(tmp_path / "w.npz", **theirs)
    refused(tmp_path / "w.npz", "mixer_block_1/layer_norm_1/gamma holds values that are not finite")


def test_missing_extra_and_double_names_are_in_one_error(tmp_path, rng):
    theirs, _ = official_arrays(SQUARE, rng)
    del theirs["MixerBlock_0/token_mixing/Dense_0/bias"]
    theirs["MixerBlock_7/token_mixing/Dense_0/bias"] = np.ones(3, "float32")
    theirs["step"] = np.ones(1, "float32")
    theirs["stem/bias"] = np.ones(9, "float32")
    np.savez(tmp_path / "w.npz", **theirs)
    refused(
        tmp_path / "w.npz",
        "missing: mixer_block_0/token_mixing/dense_0/bias; not in the model: "
        "mixer_block_7/token_mixing/dense_0/bias, step; stem/bias has shape",
    )
    theirs, _ = official_arrays(SQUARE, rng)
    np.savez(tmp_path / "w.npz", **theirs, **{"Mixer/stem/bias": theirs["stem/bias"]})
    refused(tmp_path / "w.npz", "Two arrays mean stem/bias; one of them is called Mixer/stem/bias")


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_files_that_were_cut_or_flipped(kind, tmp_path, rng):
    path, _ = write(kind, tmp_path, SQUARE, rng)
    content = path.read_bytes()
    for share in (0.0, 0.4, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        refused(path, rf"is not a readable \.{kind} file")
    path.write_bytes(b"<html>404</html>" * 100)
    refused(path, rf"is not a readable \.{kind} file")
    if kind == "npz":  # Its members carry a checksum; safetensors does not.
        middle = content.index(b"\x93NUMPY") + 200
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        refused(path, r"stem/kernel\.npy .*CRC-32")


def test_a_folder_and_nothing(tmp_path):
    (tmp_path / "w.npz").mkdir()
    refused(tmp_path / "w.npz", r"names a file that is a folder: .*w\.npz")
    refused(tmp_path / "x.npz", r"names a file that does not exist: .*x\.npz")
    np.savez(tmp_path / "y.npz", a=np.ones(3))
    refused(tmp_path / "y.npz", "does not hold the weights of a Mixer; its layers are")


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_a_file_is_never_in_memory_as_a_whole(kind, tmp_path, rng):
    """What Python and NumPy hold at once, while each array is read, checked and assigned."""
    spec = MixerSpec("wide", 4, 8, 128, 64, 512, 32)
    path, _ = write(kind, tmp_path, spec, rng)
    model = Mixer(spec, weights=None, classes=CLASSES)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        with weights.open_file(path) as opened:
            for array in opened.arrays.values():
                array.read()
            reading = tracemalloc.get_traced_memory()[1]
            weights.assign(model, opened)
        loading = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reading < 0.4 * size
    # JAX may take an array over as it is, so that it then is the model's own memory. TensorFlow may
    # hold one until it has the next: two of the largest, each 0.22 of the file.
    limit = {"jax": 1.4, "tensorflow": 0.5, "torch": 0.4}[keras.backend.backend()]
    assert loading < limit * size


def wrapped_names(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def containers(torch, a, b):
    """Files of training scripts by kind: content, part, whether a is what is read, what is said."""
    from types import SimpleNamespace

    options = argparse.Namespace(lr=0.1, when=datetime.timedelta(1), at=pathlib.Path("x"))
    yield "plain", a, None, True, None
    for prefix in ("module.", "_orig_mod.", "model.", "backbone.", "encoder.", "net.", "student."):
        yield prefix, wrapped_names(prefix, a), None, True, f"names without '{prefix}'"
        inner = {"state_dict": wrapped_names(f"{prefix}x.", a), "epoch": 3}
        left_off = "x." if prefix == "_orig_mod." else f"{prefix}x."  # Others may stand anywhere.
        yield f"{prefix}x", inner, None, True, f"names without '{left_off}'"
    yield "two", wrapped_names("module._orig_mod.", a), None, True, "without 'module.'; names w"
    middle = {name.replace("blocks.0.", "blocks.0._orig_mod."): t for name, t in a.items()}
    yield "middle", middle, None, True, "names without '_orig_mod.'"
    average = {"n_averaged": torch.tensor(4), **wrapped_names("module.", a)}
    yield "averaged", average, None, True, "'module.'; n_averaged not read"
    for key in ("state_dict", "model"):
        both = {"args": options, "epoch": 3, f"{key}_ema": b, key: a, "best": np.float64(0.5)}
        yield key, both, None, True, f"{key} was taken, not PATH#{key}_ema; objects of"
        yield f"{key}#", both, f"{key}_ema", False, f"{key}_ema was taken, not PATH#{key}; obj"
    yield "ema alone", {"ema": a}, None, True, "ema was taken"
    yield "order", {"model": b, "state_dict": a}, None, True, "state_dict was taken, not PATH#model"
    pair = {"teacher": wrapped_names("module.", a), "student": wrapped_names("module.", b)}
    yield "teacher", pair, "teacher", True, "teacher was taken, not PATH#student; names without"
    yield "student", pair, "student", False, "student was taken, not PATH#teacher; names without"
    joined = {"state_dict": {**wrapped_names("model.", a), **wrapped_names("ema_model.", b)}}
    yield "joined", joined, None, True, "state_dict/model was taken, not PATH#state_dict/ema_model"
    yield "joined#", joined, "state_dict/ema_model", False, "not PATH#state_dict/model"
    extra = {**wrapped_names("net.", a), "loss.weight": torch.zeros(2)}
    yield "extra", extra, None, True, "net was taken; names without 'net.'; loss.weight not read"
    timm = {"state_dict": a, "args": options, "arch": "mixer", "metric": 76.4, "version": 2}
    yield "args", timm, None, True, "objects of argparse.Namespace"
    optimizer = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]}
    yield "optimizer", {"model": a, "optimizer": optimizer}, None, True, None
    # Whose module nobody here has: it is not imported.
    module = types.ModuleType("config_of_a_script")
    for base in (object, dict, list):
        module.Config = type("Config", (base,), {"__module__": module.__name__})
        config = module.Config()
        config.rate = 0.1
        if base is dict:
            config["rate"] = 0.1
        sys.modules[module.__name__] = module
        told = "objects of config_of_a_script.Config were not read"
        yield f"unknown {base}", {"model": a, "config": config}, None, True, told
    most = {"counts": collections.defaultdict(list, {"a": [1]})}
    yield "defaultdict", {"model": a, **most}, None, True, "builtins.list, collections.def"
    yield "plain too", {"model": a, "args": SimpleNamespace(a=1)}, None, True, "SimpleNamespace"


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="reads no .pth")
def test_checkpoints_of_training_scripts(tmp_path, rng):
    import torch

    path, first = write("pth", tmp_path, SQUARE, rng)
    a = torch.load(path)
    _, second = write("pth", tmp_path, SQUARE, rng)
    b = torch.load(path)
    assert not np.array_equal(first["head/bias"], second["head/bias"])
    before = set(torch.serialization.get_safe_globals())
    for kind, content, part, is_a, said in containers(torch, a, b):
        torch.save(content, path)
        sys.modules.pop("config_of_a_script", None)
        named = path if part is None else f"{path}#{part}"
        model = Mixer(SQUARE, weights=named, gelu_approximate=True)
        arrays = {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}
        for name, array in (first if is_a else second).items():
            np.testing.assert_array_equal(arrays[name], array, err_msg=f"{kind} {name}")
        report = str(model.load_report)
        assert report.startswith(f"loaded {len(first)} arrays from {path}"), kind
        if said is None:
            assert model.load_report.taken == "", kind
        else:
            assert said.replace("PATH", str(path)) in report, (kind, report)
        assert "config_of_a_script" not in sys.modules
    assert set(torch.serialization.get_safe_globals()) == before  # For everybody else.


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="reads no .pth")
def test_of_several_networks_one_is_named(tmp_path, rng):
    import torch

    path, _ = write("pth", tmp_path, SQUARE, rng)
    a = torch.load(path)
    torch.save({"teacher": a, "student": a}, path)
    refused(path, rf"holds several Mixers\. Name one of them: {path}#teacher, {path}#student\.")
    refused(f"{path}#ema", rf"holds no Mixer called 'ema'\. It holds {path}#teacher, {path}#stu")
    torch.save(torch.nn.Linear(2, 2), path)
    refused(path, "does not hold a state dict of tensors; it holds objects of .*Linear")
    for code in (eval, os.system, importlib.import_module):
        torch.save({"model": a, "args": code}, path)
        refused(path, "code in it is never run")


def test_a_safetensors_file_of_a_wrapper(tmp_path, rng):
    path, arrays = write("safetensors", tmp_path, SQUARE, rng)
    theirs = timm_arrays(arrays, SQUARE)
    save_file({f"timm_model.{name}": array for name, array in theirs.items()}, path)
    model = Mixer(SQUARE, weights=path, gelu_approximate=True)
    assert "names without 'timm_model.'" in str(model.load_report)
    for v in model.weights:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(v), arrays[v.path])


def test_what_weights_may_name(tmp_path, tiny, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = Mixer(tiny, weights=None, classes=2)
    for folder in ("run", "empty", "imagenet"):
        pathlib.Path(folder).mkdir()
    for name in ("l.ckpt", "weights", "model.onnx"):
        pathlib.Path(name).write_bytes(b"x")
    model.save("run/model.keras")
    model.save("imagenet/model.keras")
    again = Mixer(tiny, weights="run")
    assert str(again.load_report).endswith(f"from {os.path.join('run', 'model.keras')}")
    for name, what in (
        ("l.ckpt", "a file of another format: l.ckpt"),
        ("weights", "a file of another format: weights"),
        ("model.onnx", "a file of another format: model.onnx"),
        ("empty", "a folder without model.keras: empty"),
    ):
        with pytest.raises(ValueError, match=f"`weights` names {what}. It takes .keras, .weights"):
            Mixer(tiny, weights=name)
    for name in ("", "nowhere.ckpt", "imagenett"):
        with pytest.raises(ValueError, match=f"Unknown weights='{name}'") as failed:
            Mixer(tiny, weights=name)
        assert len(str(failed.value)) < 400
    with pytest.raises(ValueError, match="were never published for tiny"):  # A name stays a name.
        Mixer(tiny, weights="imagenet")
