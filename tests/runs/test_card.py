import re

import keras
import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from PIL import Image
from runs.judged import HOSTILE
from runs.pushable import pushable

from keras_mixer import Mixer
from keras_mixer.runs import push
from keras_mixer.runs.card import model_card
from keras_mixer.runs.directory import read_config

pytestmark = pytest.mark.once

BACKEND = keras.backend.backend()


@pytest.fixture
def config(tiny, tmp_path):
    return read_config(pushable(tmp_path / "run", Mixer(tiny, weights=None, classes=2)))


def card_of(config, names=("red", "blue"), **options):
    return model_card(config, names, (32, 48), place="hf://user/name", **options)


def test_front_matter_is_the_hub_s(config):
    text = card_of(config, license="apache-2.0")
    card = ModelCard(text)
    assert card.data.to_dict() | {"model-index": None} == {
        "license": "apache-2.0",
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["mlp-mixer", "arxiv:2105.01601", "keras-mixer", BACKEND],
        "metrics": ["accuracy"],
        "model-index": None,
    }
    figures = {(r.metric_type, r.metric_name): r.metric_value for r in card.data.eval_results}
    assert figures == {
        ("accuracy", "top-1"): 0.9889,
        ("accuracy", "top-5"): 1.0,
        ("loss", "loss (cross-entropy, nats)"): 0.1272,
    }
    assert {r.dataset_name for r in card.data.eval_results} == {"scikit-learn's handwritten digits"}
    assert "`apache-2.0`, as stated by who pushed it." in card.content


def test_names_of_the_hub_where_they_are_known(config):
    recipe = {**config["recipe"], "weights": "timm/mixer_b16_224.goog_in21k"}
    data = ModelCard(card_of({**config, "data": "cifar100", "recipe": recipe})).data
    assert data.datasets == ["uoft-cs/cifar100"]
    assert {result.dataset_type for result in data.eval_results} == {"uoft-cs/cifar100"}
    assert data.base_model == "timm/mixer_b16_224.goog_in21k"
    for name in ("digits", "pictures", "pets"):
        assert ModelCard(card_of({**config, "data": name})).data.datasets is None


def test_no_licence_is_invented(config):
    text = card_of(config)
    assert "license" not in yaml.safe_load(text.split("---")[1])
    assert "None was stated: ask who pushed it" in text


def test_facts_are_those_of_the_run(config):
    text = card_of(config)
    for fact in (
        "| top-1 | 98.89% |",
        "| loss (cross-entropy, nats) | 0.1272 |",
        "| held-out images | 359 |",
        "| images to train on | 1,438 |",
        "| learning rate | 0.03 |",
        f"| backend | {BACKEND} |",
        "| keras | 3.15.1 |",
        "The classes, in order: red, blue.",
        "Seed 3.",
        "32x48 pixels",
        "keras-mixer predict hf://user/name picture.jpg",
        "@inproceedings{tolstikhin2021mixer",
    ):
        assert fact in text, fact
    seeds = {"top_1": {"3": 0.9, "4": 1.0}, "mean": 0.95, "deviation": 0.0707}
    assert "over 2 seeds, of which this is one: mean 95.00%" in card_of({**config, "seeds": seeds})


def test_what_has_no_figure(config):
    metrics = {**config["metrics"], "top_5": None, "loss": float("nan")}
    text = card_of({**config, "metrics": metrics})
    assert "| top-5 | - |" in text
    assert [r.metric_name for r in ModelCard(text).data.eval_results] == ["top-1"]


def test_other_models_are_no_mixers(config):
    request = {**config["request"], "model": "vit_s16"}
    text = card_of({**config, "model": "vit_s16", "request": request})
    assert "A model that classifies" in text
    assert not re.search("mlp-mixer|tolstikhin|2105", text.partition("## Recipe")[0])
    assert "## Citation" not in text


def test_hostile_names(config):
    """They stay text: no other front matter, no markup, no other cell of a table."""
    for name in HOSTILE[:-2]:
        other = {**config, "data": f"{name}\n---\nlicense: mit", "model": name}
        text = card_of(other, tuple(HOSTILE) * 30)
        data = ModelCard(text).data
        assert data.license is None
        assert data.library_name == "keras"
        body = text.partition("\n---\n\n# ")[2].partition("## Citation")[0]
        assert "Results" in body
        assert not re.search(r"(?<!\\)<", body)
        assert all(line.count("|") - line.count("\\|") in (0, 3) for line in body.splitlines())
    assert "and 230 more, in `labels.json`." in text


def test_the_lines_in_it_run(tiny, tmp_path, rng, randomize, capsys, monkeypatch):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    run = pushable(tmp_path / "run", model)
    monkeypatch.chdir(tmp_path)
    push(run, "out")
    pixels = rng.integers(0, 256, (8, 12, 3), dtype="uint8")
    Image.fromarray(pixels).save("picture.jpg", quality=100)
    code = re.search("```python\n(.*?)```", (tmp_path / "out/README.md").read_text(), re.S)[1]
    exec(code, {})
    said = capsys.readouterr().out.strip().splitlines()[-1]
    with Image.open("picture.jpg") as picture:
        x = np.asarray(picture, "float32")[None] / 127.5 - 1
    scores = model.predict(x, verbose=0)[0]
    assert said.split()[0] == ("blue", "red")[scores.argmax()]
