"""A saved model that comes from anywhere runs nothing, and reads and writes nothing elsewhere."""

import os
import pathlib
import zipfile

import keras
import numpy as np
import pytest
from fuzz import hostile

from keras_mixer import Mixer, weights
from keras_mixer.runs import load_known_model

pytestmark = pytest.mark.once


@pytest.fixture
def source(tmp_path):
    return hostile.saved(tmp_path)


def refusal(path: pathlib.Path, load=load_known_model) -> str:
    """The one line that says why a file is not loaded."""
    with pytest.raises(ValueError, match=r".") as caught:
        load(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert line.isprintable()
    return line


def test_the_harmless_model_loads(source, tmp_path):
    """So that a refusal below is due to what was changed, not to how the file is written."""
    again = hostile.with_config(source, tmp_path / "again.keras", lambda config: None)
    again = hostile.with_weights(again, tmp_path / "again.keras", lambda file: None)
    assert load_known_model(again).count_params() == load_known_model(source).count_params()


@pytest.mark.parametrize("place", hostile.places())
def test_no_payload_passes_anywhere(place, source, tmp_path, monkeypatch):
    """Each of them is refused by name before Keras is given the file."""
    monkeypatch.setattr(keras.saving, "load_model", lambda *a, **k: pytest.fail("Keras was called"))
    marker, put = tmp_path / "marker", hostile.places()[place]
    for name, payload in hostile.payloads(marker).items():
        path = tmp_path / "bad.keras"
        hostile.with_config(source, path, lambda config, p=payload: put(config, p))
        line = refusal(path)
        assert " is refused: it has " in line, name
        assert str(payload["class_name"]) in line
        option = "compile=False" if place in ("an optimizer", "a loss") else "safe_mode=False"
        assert f"keras.saving.load_model(path, {option})" in line
    assert not marker.exists()


@pytest.mark.parametrize("name", hostile.payloads(pathlib.Path("x")))
def test_the_whole_model_is_a_payload(name, source, tmp_path):
    marker = tmp_path / "marker"
    payload = hostile.payloads(marker)[name]
    path = hostile.with_config(source, tmp_path / "bad.keras", lambda _: payload)
    assert " is refused: it has " in refusal(path)
    assert not marker.exists()


def test_a_true_lambda(source, tmp_path):
    """As Keras itself saves it; the same file without the check does run its code."""
    marker = tmp_path / "marker"
    code = f"lambda x: (__import__('os').makedirs({str(marker)!r}, exist_ok=True), x)[1]"
    layer = keras.layers.Lambda(eval(code), output_shape=(4,))
    keras.Sequential([keras.Input((4,)), layer]).save(tmp_path / "bad.keras")
    assert "it has __lambda__, keras.layers.Lambda" in refusal(tmp_path / "bad.keras")
    assert not marker.exists()
    keras.saving.load_model(tmp_path / "bad.keras", safe_mode=False)(np.zeros((1, 4)))
    assert marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "../../out.txt",
        "/tmp/keras_mixer_out.txt",
        "assets/x",
        "..\\out.txt",
        "sub/config.json",
        "a\n\x1b[2J",
    ],
)
def test_members_that_want_to_lie_elsewhere(name, source, tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    path = hostile.archive(folder / "bad.keras", [*hostile.members(source).items(), (name, b"x")])
    assert "it holds " in refusal(path)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])
    assert not os.path.exists("/tmp/keras_mixer_out.txt")


def test_a_link_as_a_member(source, tmp_path):
    link = zipfile.ZipInfo("assets")
    link.external_attr = 0o120777 << 16
    contents = [*hostile.members(source).items(), (link, b"/etc")]
    assert "it holds assets" in refusal(hostile.archive(tmp_path / "bad.keras", contents))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_configuration_that_stands_there_twice(source, tmp_path):
    contents = hostile.members(source)
    twice = [*contents.items(), ("config.json", contents["config.json"])]
    assert "or holds it twice" in refusal(hostile.archive(tmp_path / "bad.keras", twice))


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_archives_that_would_grow(name, source, tmp_path):
    contents = {**hostile.members(source), name: bytes(2**25)}
    packed = {"compression": zipfile.ZIP_DEFLATED}
    path = hostile.archive(tmp_path / "bad.keras", contents.items(), **packed)
    assert path.stat().st_size < 2**17
    assert f"{name} would unpack to 33,554,432 bytes" in refusal(path)


@pytest.mark.parametrize("trick", hostile.hdf5_tricks(pathlib.Path("x")))
@pytest.mark.parametrize("what", ["a pipe", "a secret"])
def test_weights_that_lead_elsewhere(trick, what, tmp_path, tiny):
    """A pipe that nobody writes to would be waited for without end."""
    outside = tmp_path / "outside"
    os.mkfifo(outside) if what == "a pipe" else outside.write_bytes(bytes(100))
    change = hostile.hdf5_tricks(outside)[trick]
    source = tmp_path / "mixer.keras"
    model = Mixer(tiny, weights=None, classes=2)
    model.save(source)
    # Keras calls the layer `stem` by its class.
    path = hostile.with_weights(source, tmp_path / "bad.keras", change)
    said = refusal(path)
    assert any(word in said for word in ("is a link", "lies in", "twice", "would take"))
    for file in (path, tmp_path / "bad.weights.h5"):
        refusal(file, lambda path: Mixer(tiny, weights=path))
        with pytest.raises(ValueError, match=r"not a readable Keras weights file"):
            weights.check_file(file)


def test_a_pickle_in_an_npz(tmp_path, tiny):
    path = hostile.npz_with_pickle(tmp_path / "bad.npz", tmp_path / "marker")
    assert "pickled Python objects" in refusal(path, lambda path: Mixer(tiny, weights=path))
    assert not (tmp_path / "marker").exists()
    with np.load(path, allow_pickle=True) as file:  # It would have.
        file["stem/kernel"]
    assert (tmp_path / "marker").exists()
