"""The model card of a pushed run: what it is, written from `run.json` alone."""

import json
import math
import re
import shlex

from keras_mixer.data import DATASETS
from keras_mixer.printable import printable
from keras_mixer.runs.report import METRICS
from keras_mixer.training import Recipe

SHOWN_CLASSES, SHOWN = 100, 1000  # Of the classes; characters of a text.
CITATION = """@inproceedings{tolstikhin2021mixer,
  title = {{MLP-Mixer}: An all-{MLP} Architecture for Vision},
  author = {Tolstikhin, Ilya and Houlsby, Neil and Kolesnikov, Alexander and Beyer, Lucas and Zhai,
    Xiaohua and Unterthiner, Thomas and Yung, Jessica and Steiner, Andreas and Keysers, Daniel and
    Uszkoreit, Jakob and Lucic, Mario and Dosovitskiy, Alexey},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {34},
  year = {2021},
  url = {https://arxiv.org/abs/2105.01601}
}"""


def model_card(
    config: dict,
    label_names: tuple[str, ...],
    image_size: tuple[int, int],
    *,
    place: str,
    license: str | None = None,
) -> str:
    """The text of `README.md`: front matter for the hub, then the facts for a reader.

    Args:
        config: the contents of `run.json`, without what is private.
        label_names: names of the classes, in order.
        image_size: height and width in pixels that the model takes.
        place: where it will be loaded from, `hf://user/name` or a directory.
        license: the hub's short name of a licence; `None` where none was stated.
    """
    is_mixer = isinstance(config.get("request", {}).get("model"), dict)
    backend = printable(config.get("request", {}).get("backend", ""), SHOWN)
    name, data = config["model"], DATASETS.get(config["data"])
    height, width = image_size
    sections = {
        "Use": _use(place, height, width),
        "Results": _left_out(config)
        + f"On {config['metrics']['test_images']:,} held-out images:\n\n"
        + _table([(METRICS.get(k, k), _number(v, k)) for k, v in config["metrics"].items()])
        + _seeds(config.get("seeds")),
        "Data": _data(config, data, label_names),
        "Recipe": _recipe(config),
        "Made with": _table(
            [
                ("backend", backend),
                *config.get("versions", {}).items(),
                ("device", config.get("device", "")),
                ("started", config.get("started", "")),
            ]
        ),
        "Intended use and limits": (
            f"It sorts pictures like those that it was trained on into {len(label_names)} classes. "
            "It gives one of them for any picture, also for one that shows none of them. The "
            "figures above are for the held-out images of that data; how it does on other "
            "pictures, on corrupted ones, or across groups of people was not measured. Its "
            "probabilities were not calibrated. Do not let it decide alone where a mistake harms "
            "someone."
        ),
        "Licence": f"`{license}`, as stated by who pushed it."
        if license
        else "None was stated: ask who pushed it before you use it. The licences of the data and "
        "of the weights that it began from may bind it, too.",
    }
    if is_mixer:
        sections["Citation"] = f"```bibtex\n{CITATION}\n```"
    what = "An MLP-Mixer" if is_mixer else "A model"
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return (
        f"---\n{_front_matter(config, data, is_mixer, backend, license)}\n---\n\n"
        f"# {_plain(name)} on {_plain(_title(config, data))}\n\n{what} that classifies images of "
        f"{height}x{width} pixels, trained with keras_mixer on Keras 3 and {_plain(backend)}.\n\n"
        f"{body}\n"
    )


def _left_out(config) -> str:
    number = config.get("skipped_images", 0)
    return f"Without {number:,} images of the data that could not be read.\n\n" if number else ""


def _front_matter(config, data, is_mixer: bool, backend: str, license: str | None) -> str:
    """YAML as the hub reads it."""
    from huggingface_hub import EvalResult, ModelCardData

    metrics = config["metrics"]
    figures = (("top_1", "accuracy"), ("top_5", "accuracy"), ("loss", "loss"))
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=(data.hub or data.name) if data else "imagefolder",
            dataset_name=_title(config, data),
            dataset_split="held out",
            metric_type=kind,
            metric_name=METRICS[key],
            metric_value=metrics[key],
        )
        for key, kind in figures
        if isinstance(metrics.get(key), float) and math.isfinite(metrics[key])
    ]
    begun = printable(config["recipe"].get("weights") or "", SHOWN)
    card = ModelCardData(
        license=license,
        library_name="keras",
        pipeline_tag="image-classification",
        tags=[*(["mlp-mixer", "arxiv:2105.01601"] if is_mixer else []), "keras-mixer", backend],
        datasets=[data.hub] if data and data.hub else None,
        base_model=begun if begun.startswith("timm/") else None,
        metrics=["accuracy"],
        model_name=f"{printable(config['model'], SHOWN)} on {_title(config, data)}",
        eval_results=results or None,
    )
    return card.to_yaml()


def _use(place: str, height: int, width: int) -> str:
    return f"""```sh
keras-mixer predict {shlex.quote(printable(place))} picture.jpg
```

```python
import keras
import numpy as np
from PIL import Image
from keras_mixer import preprocess_input
from keras_mixer.runs import load_run

run = load_run({json.dumps(printable(place), ensure_ascii=False)})
model = run.load_model()
picture = Image.open("picture.jpg").convert("RGB").resize(({width}, {height}))
scores = model.predict(preprocess_input(np.asarray(picture)[None], model))
probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(scores))[0]
print(run.label_names[probabilities.argmax()], probabilities.max())
```

The command crops and resizes as its evaluation did; the lines above only resize. The model gives
logits."""


def _data(config: dict, data, label_names) -> str:
    names = ", ".join(_plain(name) for name in label_names[:SHOWN_CLASSES])
    more = len(label_names) - SHOWN_CLASSES
    rows = [
        ("name", config["data"]),
        ("title", data.title if data else "pictures of who trained it"),
        ("described at", data.homepage if data else ""),
        ("images to train on", f"{config['train_images']:,}"),
        ("held-out images", f"{config['metrics']['test_images']:,}"),
        ("classes", len(label_names)),
    ]
    return (
        _table(rows)
        + f"\n\nThe classes, in order: {names}"
        + (f" and {more:,} more, in `labels.json`." if more > 0 else ".")
    )


def _recipe(config: dict) -> str:
    recipe, begun = config["recipe"], config.get("weights")
    default = {name: field.default for name, field in Recipe.__dataclass_fields__.items()}
    told = ("learning_rate", "batch_size", "steps", "optimizer", "warmup_steps", "decay")
    fields = [
        (name, value)
        for name, value in recipe.items()
        if name in told or (value != default.get(name) and name not in ("learning_rates", "cost"))
    ]
    rows = [(name.replace("_", " "), value) for name, value in fields if value not in (None, "")]
    began = f"Began from: {_plain(begun)}." if begun else "Began from random weights."
    return f"{began} Seed {_plain(config['seed'])}. `run.json` has every field.\n\n{_table(rows)}"


def _seeds(seeds: dict | None) -> str:
    if not seeds:
        return ""
    return (
        f"\n\nTop-1 over {len(seeds['top_1'])} seeds, of which this is one: mean "
        f"{seeds['mean']:.2%}, standard deviation {seeds['deviation']:.2%}."
    )


def _title(config: dict, data) -> str:
    return data.title if data else printable(config["data"], SHOWN)


def _number(value, key: str) -> str:
    """A metric as in the report of the run."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2%}" if key in ("top_1", "top_5") else f"{value:.6g}"
    return f"{value:,}"


def _table(rows) -> str:
    lines = [f"| {_plain(name)} | {_plain(value)} |" for name, value in rows if value != ""]
    return "\n".join(["| | |", "|---|---|", *lines])


def _plain(value) -> str:
    """A value as text that Markdown does not take for a link, code, a heading or a cell."""
    text = printable(" ".join(str(value).split()), SHOWN)
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)
