"""The table of published weights: complete, true to its sources, and usable."""

import dataclasses
import json
import zipfile

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer import SPECS, Mixer, decode_predictions, preprocess_input, runs, weights

pytestmark = pytest.mark.once

RECORDS = [record for row in weights.WEIGHTS.values() for record in row.values()]
# README of google-research/vision_transformer: folder, file, MiB, classes.
OFFICIAL = {
    ("imagenet1k", "Mixer-B_16.npz", 228.47, 1000),
    ("imagenet1k", "Mixer-L_16.npz", 794.29, 1000),
    ("imagenet21k", "Mixer-B_16.npz", 289.61, 21843),
    ("imagenet21k", "Mixer-L_16.npz", 875.78, 21843),
    ("sam", "Mixer-B_16.npz", 228.47, 1000),
    ("sam", "Mixer-B_32.npz", 230.04, 1000),
    ("gsam", "Mixer-B_16.npz", 228.47, 1000),
    ("gsam", "Mixer-B_32.npz", 230.04, 1000),
    ("gsam", "Mixer-S_16.npz", 70.71, 1000),
    ("gsam", "Mixer-S_32.npz", 72.91, 1000),
    ("gsam", "Mixer-S_8.npz", 78.79, 1000),
}


# The paper's Table 2; SAM: keras_cv_attention_models; the others: timm's results-imagenet.csv.
TOP_1 = {
    ("mixer_b16", "imagenet"): 76.44,
    ("mixer_l16", "imagenet"): 71.76,
    ("mixer_b16", "imagenet_sam"): 77.36,
    ("mixer_b32", "imagenet_sam"): 72.47,
    ("mixer_b16", "imagenet_miil"): 82.31,
    ("mixer_b16", "timm/mixer_b16_224.goog_in21k_ft_in1k"): 76.62,
    ("mixer_l16", "timm/mixer_l16_224.goog_in21k_ft_in1k"): 72.08,
}
# timm's names, and the classes of their heads.
OF_TIMM = {
    "mixer_b16_224.miil_in21k": 11221,
    "mixer_b16_224.miil_in21k_ft_in1k": 1000,
    "mixer_b16_224.goog_in21k_ft_in1k": 1000,
    "mixer_b16_224.goog_in21k": 21843,
    "mixer_l16_224.goog_in21k_ft_in1k": 1000,
    "mixer_l16_224.goog_in21k": 21843,
}


def test_rows_of_timm_and_published_accuracies():
    assert {(r.model, r.name): r.top_1 for r in RECORDS if r.top_1} == TOP_1
    names = {r.url.removeprefix("hf://timm/"): r.classes for r in RECORDS if r.size is None}
    assert names == {f"{name}/model.safetensors": n for name, n in OF_TIMM.items()}
    for record in RECORDS:
        assert record.model[6:].upper() in record.url.replace("_", "").upper()
        assert record.crop_fraction == 0.875
        bicubic = record.size is None and record.gelu_approximate
        assert record.interpolation == ("bicubic" if bicubic else "bilinear")


def test_every_official_file_has_a_row():
    ours = {(*r.url.rsplit("/", 2)[-2:], r.size, r.classes) for r in RECORDS if r.size}
    assert ours == OFFICIAL
    assert sum(r.size is None for r in RECORDS) == 6  # timm's


def test_file_names_in_the_cache_are_all_different():
    assert len({record.file_name for record in RECORDS}) == len(RECORDS)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.model}-{record.name}")
def test_a_row_is_true_to_itself(record):
    spec = SPECS[record.model]
    assert weights.find(record.name, record.model) is record
    assert record.image_size == spec.image_size
    if record.size:  # float32 without compression, and about 300 bytes of names for each array.
        arrays = 8 + 12 * spec.num_layers - 2
        bytes_ = 4 * spec.parameters(record.classes)
        assert 0 < record.size * 2**20 - bytes_ < 600 * arrays + 2**20 * 0.01
    # MIIL's weights were trained with the exact form of GELU and on pixels / 255, Google's not.
    miil = "miil" in record.name
    assert (record.gelu_approximate, record.mean, record.std) == (
        (False, 0.0, 1.0) if miil else (True, 0.5, 0.5)
    )
    assert (record.top_1 is None) == (record.top_1_source is None)


def test_a_row_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECORDS[0].mean = 0.0


def test_timm_names_that_mislead():
    """`goog_in21k_ft_in1k` was never pre-trained on ImageNet-21k."""
    record = weights.find("timm/mixer_b16_224.goog_in21k_ft_in1k", "mixer_b16")
    assert "from scratch" in record.origin
    assert record.classes == 1000


@pytest.mark.parametrize("model", ["mixer_h14", "mixer_l32"])
def test_weights_that_were_never_published(model):
    with pytest.raises(
        ValueError,
        match=rf"weights='imagenet' were never published for {model}, but .*; there are no weights",
    ):
        Mixer(SPECS[model], weights="imagenet")


def test_unknown_names():
    with pytest.raises(
        ValueError, match=r"Unknown weights='jft'\. `keras-mixer weights list` .* only imagenet, "
    ):
        keras_mixer.MixerB16(weights="jft")
    with pytest.raises(
        ValueError, match=r"published for mixer_s16, but for .*; there are only imagenet_gsam fo"
    ):
        keras_mixer.MixerS16()
    with pytest.raises(ValueError, match=r"Unknown weights='x'\. `keras-mixer weights list` shows"):
        weights.records_named("x")


def test_preprocess_input_follows_the_weights(rng):
    x = rng.integers(0, 256, (2, 4, 4, 3)).astype("uint8")
    for name in ("imagenet", "imagenet21k", "imagenet_gsam", None):
        got = preprocess_input(x, weights=name)
        np.testing.assert_allclose(got, x.astype("float64") / 127.5 - 1, atol=1e-6)
    for name in ("imagenet21k_miil", "imagenet_miil"):
        np.testing.assert_allclose(preprocess_input(x, name), x.astype("float64") / 255, atol=1e-6)
    record = weights.find("imagenet_miil", "mixer_b16")
    np.testing.assert_allclose(preprocess_input(x, record), x / 255, atol=1e-6)
    with pytest.raises(ValueError, match=r"'imagenet_mil'\. Did you mean 'imagenet_miil'\?"):
        preprocess_input(x, "imagenet_mil")
    with pytest.raises(ValueError, match="must be the name of published weights, a WeightsRecord"):
        preprocess_input(x, 3)


def test_a_model_keeps_what_its_weights_ask_for(tiny, rng, tmp_path):
    record = weights.find("imagenet_miil", "mixer_b16")
    model = Mixer(tiny, weights=None, classes=3)
    assert model.mixer_weights is None
    model.mixer_weights = record
    model.save(tmp_path / "m.keras")
    x = rng.integers(0, 256, (2, 8, 12, 3)).astype("uint8")
    for again in (
        keras.saving.load_model(tmp_path / "m.keras"),
        Mixer(tiny, weights=tmp_path / "m.keras", classes=7),
        keras_mixer.change_resolution(model, (8, 12)),
    ):
        assert again.mixer_weights == record
        np.testing.assert_allclose(preprocess_input(x, again), x / 255, atol=1e-6)
    own = Mixer(tiny, weights=tmp_path / "m.keras", include_preprocessing=True)
    np.testing.assert_array_equal(preprocess_input(x, own), x)
    np.testing.assert_allclose(
        own.predict(x, verbose=0), again.predict(x / np.float32(255), verbose=0), atol=1e-5
    )


BAD = {
    "std": (0, -1.0, "a", float("nan"), float("inf"), None, True),
    "mean": ("a", float("nan"), None, [0.5]),
    "interpolation": ("x", "", None, ["bilinear"], 3),
    "image_size": ([224], [0, 224], "ab", None, 224, [224.0, 224.0]),
    "crop_fraction": (0, 1.5, "a", None),
    "classes": (0, -1, 1.5, "a", None, True),
    "gelu_approximate": ("x", None, 1),
    "antialias": ("no", None),
    "url": (None, 3),
    "top_1": ("76", float("nan")),
    "size": ("a", -3),
}


@pytest.fixture
def with_record(tiny, tmp_path):
    """Called with fields, writes a `.keras` file that says so of its weights, in both places."""
    record = weights.find("imagenet_miil", "mixer_b16")
    model = Mixer(tiny, weights=None, classes=2)
    model.mixer_weights = record
    model.save(tmp_path / "good.keras")

    def write(whose, fields):
        with zipfile.ZipFile(tmp_path / "good.keras") as old:
            members = {name: old.read(name) for name in old.namelist()}
        config = json.loads(members["config.json"])
        if whose == "model":
            config["config"]["mixer_weights"] = fields
        else:
            patches = next(x for x in config["config"]["layers"] if x["class_name"] == "Patches")
            patches["config"]["record"] = fields
            del config["config"]["mixer_weights"]
        members["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(tmp_path / "bad.keras", "w") as new:
            for name, content in members.items():
                new.writestr(name, content)
        return tmp_path / "bad.keras"

    return write


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in BAD.items() for v in values])
def test_a_record_is_checked_where_it_is_made(field, value):
    record = weights.find("imagenet_miil", "mixer_b16")
    with pytest.raises(ValueError, match=rf"`{field}` of a record of weights must be .*Received"):
        dataclasses.replace(record, **{field: value})


@pytest.mark.parametrize("whose", ["model", "patches"])
@pytest.mark.parametrize("field", [*BAD, "colour", "a field less", "no fields"])
def test_a_file_with_a_bad_record_is_refused_by_name(with_record, whose, field, tiny):
    fields = dataclasses.asdict(weights.find("imagenet_miil", "mixer_b16"))
    if field == "a field less":
        del fields["std"]
    elif field == "no fields":
        fields = 3
    else:
        fields[field] = BAD.get(field, ("x",))[0]
    named = {"a field less": "std", "no fields": "3"}.get(field, field)
    path = with_record(whose, fields)
    with pytest.raises(ValueError, match=rf"bad\.keras.*{named}"):
        runs.load_known_model(path)
    if whose == "model":
        with pytest.raises(ValueError, match=rf"bad\.keras.*{named}"):
            Mixer(tiny, weights=path)


def test_decode_predictions_of_ones_own_classes():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]])
    assert decode_predictions(scores, top=2, weights=["cat", "dog", "eel"]) == [
        [("1", "dog", 0.7), ("2", "eel", 0.2)],
        [("0", "cat", 0.5), ("2", "eel", 0.4)],
    ]
    tensor = keras.ops.convert_to_tensor(scores.astype("float32"))
    assert decode_predictions(tensor, top=1, weights=("a", "b", "c"))[0][0][:2] == ("1", "b")


def test_decode_predictions_counts_the_classes():
    with pytest.raises(ValueError, match="has 3 scores an image and `weights` stands for 2"):
        decode_predictions(np.ones((1, 3)), weights=["cat", "dog"])
    with pytest.raises(ValueError, match="21841 scores an image and `weights` stands for 21843"):
        decode_predictions(np.ones((1, 21841)), weights="imagenet21k")
    with pytest.raises(
        ValueError, match="no public list of the names of 5 classes; there are lists"
    ):
        weights.class_names(5)
    with pytest.raises(ValueError, match=r"must be \(batch, classes\)"):
        decode_predictions(np.ones(1000))
