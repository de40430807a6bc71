"""The commands around published weights, against a loopback server with a file of true size."""

import json

import keras
import numpy as np
import pytest
from bucket import Bucket, File
from reference import mixer_logits

import keras_mixer
import keras_mixer_cli
from keras_mixer import SPECS, weights
from keras_mixer.weights import classes, official

pytestmark = pytest.mark.once

FILE = "/mixer_models/gsam/Mixer-S_32.npz"
CLASSES = {str(i): [f"n{i:08}", f"class_{i}"] for i in range(1000)}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file of S/32 with random values, under the official names; the bytes and the arrays."""
    rng = np.random.default_rng(0)
    with keras.StatelessScope(initialize_variables=False):
        model = keras_mixer.MixerS32(weights=None)
    arrays = {}
    for v in model.trainable_variables:
        scale = 1 / np.sqrt(v.shape[0]) if len(v.shape) == 2 else 0.1
        values = rng.normal(v.name == "gamma", scale, v.shape).astype("float32")
        arrays[v.path] = values
    path = tmp_path_factory.mktemp("published") / "w.npz"
    stored = {name: weights.stored(array) for name, array in arrays.items()}
    official.write_npz(path, official.to_official(stored, (32, 32, 3)))
    return path.read_bytes(), arrays


@pytest.fixture
def bucket(published, monkeypatch):
    monkeypatch.delenv("KERAS_MIXER_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    classes._imagenet.cache_clear()
    with Bucket() as bucket:
        monkeypatch.setenv("KERAS_MIXER_MIRROR", bucket.url)
        bucket.files[FILE] = File(published[0], md5_of=published[0])
        index = json.dumps(CLASSES).encode()
        bucket.files["/download.tensorflow.org/data/imagenet_class_index.json"] = File(index)
        yield bucket
    classes._imagenet.cache_clear()


@pytest.fixture
def run_command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        code = keras_mixer_cli.main(["weights", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_published_size_is_that_of_the_arrays(published):
    """The README of the official code lists 72.91 MiB for this file."""
    assert round(len(published[0]) / 2**20, 2) == weights.find("imagenet_gsam", "mixer_s32").size


def test_a_name_gives_the_logits_of_the_published_file(bucket, published, rng):
    model = keras_mixer.MixerS32(weights="imagenet_gsam", classifier_activation=None)
    pixels = rng.integers(0, 256, (2, 224, 224, 3)).astype("uint8")
    expected = mixer_logits(pixels / 127.5 - 1, published[1], (32, 32))
    got = model.predict(keras_mixer.preprocess_input(pixels, model), verbose=0)
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()
    assert model.mixer_weights is weights.find("imagenet_gsam", "mixer_s32")
    best = int(expected[0].argmax())
    decoded = keras_mixer.decode_predictions(got, top=3, weights="imagenet_gsam")
    assert decoded[0][0][:2] == tuple(CLASSES[str(best)])
    # The second time nothing is asked for.
    asked = len(bucket.requests)
    keras_mixer.MixerS32(weights="imagenet_gsam", classes=7)
    assert len(bucket.requests) == asked


def test_list_download_path_verify(bucket, run_command):
    code, out, _ = run_command("list")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert sum("mixer_" in " ".join(row) for row in rows) >= 17
    row = next(row for row in rows if row[:2] == ["imagenet_gsam", "mixer_s32"])
    assert row[2:5] == ["1000", "72.91", "no"]
    assert next(row[:7] for row in rows if row[:2] == ["imagenet", "mixer_b16"]) == [
        "imagenet",
        "mixer_b16",
        "1000",
        "228.47",
        "76.44",
        "(paper)",
        "no",
    ]

    code, out, _ = run_command("path", "imagenet_gsam", "--model", "mixer_s32")
    assert code == 0
    path = weights.cache_dir() / "gsam-Mixer-S_32.npz"
    assert out.strip() == str(path)
    assert not path.exists()

    code, out, err = run_command("download", "imagenet_gsam", "--model", "mixer_s32")
    assert code == 0, err
    assert out.strip() == str(path)
    assert path.exists()
    code, out, _ = run_command("list")
    assert "72.91" in out
    assert next(line for line in out.splitlines() if "mixer_s32" in line).split()[4] == "yes"

    code, out, err = run_command("verify", "imagenet_gsam", "--model", "mixer_s32")
    assert code == 0, err
    assert "mixer_s32 imagenet_gsam: ok" in out
    assert f"{SPECS['mixer_s32'].parameters():,}" in out
    assert "md5" in out
    assert weights.read_record(path.name)["sha256"] in out
    assert out.count("class_") == 5


def test_verify_says_what_is_wrong(bucket, run_command, published):
    content, _ = published
    bucket.files[FILE] = File(b"<html>" + content[6:], md5_of=None)
    code, out, err = run_command("verify", "imagenet_gsam", "--model", "mixer_s32")
    assert code == 1
    assert "ok" not in out
    line = next(line for line in err.splitlines() if "failed" in line)
    assert line.startswith("mixer_s32 imagenet_gsam: failed: ")
    assert not (weights.cache_dir() / "gsam-Mixer-S_32.npz").exists()
    # All of a name: each is tried, each failure is said.
    code, _, err = run_command("verify", "imagenet_sam")
    assert code == 1
    assert err.count("failed: Cannot fetch") == 2


def test_a_file_for_another_architecture(bucket, published, run_command):
    """Right bytes under the wrong name: nothing of it is loaded."""
    bucket.files["/mixer_models/gsam/Mixer-S_16.npz"] = File(published[0])
    with pytest.raises(ValueError, match=r"do not fit mixer_s16\. stem/kernel has shape"):
        keras_mixer.MixerS16(weights="imagenet_gsam")


def test_wrong_names(run_command):
    for command in ("download", "verify", "path"):
        code, _, err = run_command(command, "imagenet22k")
        assert code == 2
        assert "Unknown weights='imagenet22k'" in " ".join(err.split())
    code, _, err = run_command("path", "imagenet", "--model", "mixer_h14")
    assert code == 2
    assert "were never published for mixer_h14" in " ".join(err.split())


def test_convert_a_run(run_command, tmp_path, randomize, tiny):
    run = tmp_path / "run"
    run.mkdir()
    model = randomize(keras_mixer.Mixer(tiny, weights=None, classes=3))
    model.save(run / "model.keras")
    for target in ("out.npz", "out.safetensors"):
        code, out, err = run_command("convert", run, target)
        assert code == 0, err
        assert f"wrote {len(model.trainable_variables)} arrays to {target}" in out
        again = keras_mixer.Mixer(tiny, weights=tmp_path / target)
        for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    code, _, err = run_command("convert", run, "out.npz")
    assert code == 1
    assert "nothing is overwritten" in err


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="reads no .pth")
def test_what_was_taken_is_said(run_command, capsys, tmp_path, tiny, randomize):
    import torch
    from safetensors.torch import load_file

    for name in ("a", "b"):
        randomize(keras_mixer.Mixer(tiny, weights=None, classes=3)).save(tmp_path / f"{name}.keras")
        weights.convert(tmp_path / f"{name}.keras", tmp_path / f"{name}.safetensors")
    state, average = (load_file(tmp_path / f"{name}.safetensors") for name in ("a", "b"))
    torch.save({"state_dict": state, "state_dict_ema": average}, tmp_path / "w.pth")
    for source, same, told in (
        ("w.pth", "a", "state_dict was taken, not w.pth#state_dict_ema"),
        ("w.pth#state_dict_ema", "b", "state_dict_ema was taken, not w.pth#state_dict"),
    ):
        code, _, err = run_command("convert", source, f"{same}2.safetensors")
        assert code == 0, err
        assert err.splitlines()[-1] == f"weights: {source}: {told}"
        expected, got = (load_file(tmp_path / f"{same}{n}.safetensors") for n in ("", "2"))
        assert all(torch.equal(expected[name], got[name]) for name in {**expected, **got})
    code, _, err = run_command("convert", "no.pth#state_dict", "c.npz")
    assert code == 2
    assert "'no.pth#state_dict' does not exist" in err


def test_class_lists(bucket, monkeypatch):
    ids = [f"n{i:08}" for i in range(21843)]
    base = "/bit_models/imagenet21k_wordnet_"
    bucket.files[f"{base}ids.txt"] = File("\n".join(ids).encode())
    bucket.files[f"{base}lemmas.txt"] = File("\n".join(f"lemma_{i}" for i in ids[:-2]).encode())
    scores = np.zeros((1, 21843))
    scores[0, 21842] = 1
    classes._imagenet21k.cache_clear()
    with pytest.raises(ValueError, match="21841 lines; the head of these weights has 21843"):
        keras_mixer.decode_predictions(scores, weights="imagenet21k")
    bucket.files[f"{base}lemmas.txt"] = File("\n".join(f"lemma_{i}" for i in ids).encode())
    decoded = keras_mixer.decode_predictions(scores, top=1, weights="imagenet21k")
    assert decoded == [[("n00021842", "lemma_n00021842", 1.0)]]
    # MIIL's: ids of their own order among these; the list comes from elsewhere than the storage.
    monkeypatch.setattr(classes, "_MIIL", f"{bucket.url}/info/miil.txt")
    scores = np.zeros((1, 11221))
    scores[0, 1] = 1
    own = ids[::-1][:11221]
    for content, message in (
        (own[:-1], "11220 lines; the head of these weights has 11221 classes"),
        ([*own[:-1], "n99999999"], "no class of ImageNet-21k, or a class twice"),
        ([*own[:-1], own[0]], "no class of ImageNet-21k, or a class twice"),
    ):
        bucket.files["/info/miil.txt"] = File("\n".join(content).encode())
        with pytest.raises(ValueError, match=message):
            keras_mixer.decode_predictions(scores, weights="imagenet21k_miil")
        assert not weights.is_cached("miil.txt")
    bucket.files["/info/miil.txt"] = File("\n".join(own).encode())
    decoded = keras_mixer.decode_predictions(scores, top=1, weights="imagenet21k_miil")
    assert decoded == [[("n00021841", "lemma_n00021841", 1.0)]]
    assert len(bucket.gets("/info/miil.txt")) == 4
    keras_mixer.decode_predictions(scores, top=1, weights="imagenet21k_miil")
    assert len(bucket.gets("/info/miil.txt")) == 4
    classes._imagenet21k.cache_clear()
    classes._imagenet21k_miil.cache_clear()
    index = json.dumps({k: v for k, v in CLASSES.items() if k != "0"}).encode()
    bucket.files["/download.tensorflow.org/data/imagenet_class_index.json"] = File(index)
    with pytest.raises(ValueError, match="does not list the classes 0 to 999"):
        keras_mixer.decode_predictions(np.zeros((1, 1000)))


def test_all_of_one_architecture(run_command):
    code, out, err = run_command("path", "all", "--model", "mixer_s32")
    assert code == 0, err
    assert [line.rsplit("/")[-1] for line in out.splitlines()] == [
        record.file_name for record in weights.WEIGHTS["mixer_s32"].values()
    ]
    code, _, err = run_command("download", "all", "--model", "mixer_h14")
    assert code == 2
    assert "Invalid value for --model: 'mixer_h14' has no published weights. Choose one" in err
