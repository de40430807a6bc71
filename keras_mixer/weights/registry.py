"""Every published Mixer weight file, one row each, and what it takes to use it rightly."""

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any

STORAGE = "https://storage.googleapis.com"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# What each field may be, and how a message says it.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("model", "name", "url", "licence", "origin"), (_is_text, "a text")),
    "classes": (_is_count, "a positive integer"),
    "size": (lambda v: v is None or (_is_number(v) and v > 0), "a positive number or None"),
    "gelu_approximate": (lambda v: type(v) is bool, "True or False"),
    "mean": (_is_number, "a number"),
    "std": (lambda v: _is_number(v) and v > 0, "a positive number"),
    "image_size": (
        lambda v: isinstance(v, tuple) and len(v) == 2 and all(map(_is_count, v)),
        "two positive integers",
    ),
    "crop_fraction": (lambda v: _is_number(v) and 0 < v <= 1, "a number in (0, 1]"),
    "interpolation": (lambda v: v in ("bilinear", "bicubic"), '"bilinear" or "bicubic"'),
    "top_1": (lambda v: v is None or _is_number(v), "a number or None"),
    "top_1_source": (lambda v: v is None or _is_text(v), "a text or None"),
    "antialias": (lambda v: type(v) is bool, "True or False"),
}


@dataclasses.dataclass(frozen=True)
class WeightsRecord:
    """One published weight file.

    How pixels are prepared belongs to the weights, not to the architecture, so it stands here.

    Args:
        model: the architecture, a key of `keras_mixer.SPECS`.
        name: what `weights=` takes.
        url: where the file is; `hf://OWNER/REPOSITORY/FILE` for the Hugging Face hub.
        classes: number of classes of its head.
        size: of the file in MiB, as its publisher lists it; `None` where nobody does.
        gelu_approximate: whether it was trained with the tanh form of GELU.
        mean: subtracted from pixels / 255, the same for each channel.
        std: what the difference is then divided by.
        image_size: height and width in pixels it was trained for.
        crop_fraction: share of the resized picture that the evaluation crop keeps, a side.
        interpolation: of the resizing before that crop, bilinear or bicubic.
        antialias: whether that resizing averages what it shrinks. Nobody publishes what the
            official weights were trained with; on is this package's decision, for all.
        licence: of the file.
        origin: who trained it on what; not always what a file's name says.
        top_1: published ImageNet top-1 accuracy in per cent, or `None`.
        top_1_source: who published that figure.

    Raises:
        ValueError: a field is of another kind, or no pixels could be prepared by it.
    """

    model: str
    name: str
    url: str
    classes: int
    size: float | None
    gelu_approximate: bool
    mean: float
    std: float
    image_size: tuple[int, int]
    crop_fraction: float
    interpolation: str
    licence: str
    origin: str
    top_1: float | None = None
    top_1_source: str | None = None
    antialias: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.image_size, list):  # Out of JSON.
            object.__setattr__(self, "image_size", tuple(self.image_size))
        for name, (holds, wanted) in _FIELDS.items():
            if not holds(value := getattr(self, name)):
                raise ValueError(
                    f"`{name}` of a record of weights must be {wanted}. Received: {value!r:.80}"
                )

    @classmethod
    def from_fields(cls, fields: object) -> "WeightsRecord":
        """The record out of a file.

        Args:
            fields: what stood there, which should be a `dict` of the fields.

        Raises:
            ValueError: it is none; the message names a field.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict) or not set(fields) <= known:
            strange = sorted(map(str, set(fields) - known)) if isinstance(fields, dict) else fields
            raise ValueError(
                f"A record of weights has fields of its own. Received: {strange!r:.80}"
            )
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"A record of weights lacks fields: {error}") from error

    @property
    def file_name(self) -> str:
        """Name in the cache; it holds the folder, for the folders share the names of files."""
        folder, file = self.url.rsplit("/", 2)[-2:]
        return f"{folder}.{file.rsplit('.', 1)[1]}" if file == HUB_FILE else f"{folder}-{file}"


HUB_FILE = "model.safetensors"


# The official files: README of https://github.com/google-research/vision_transformer, with the
# sizes of its notebook. They take pixels / 127.5 - 1, that is mean and std 0.5, and resize
# bilinearly (`input_pipeline.py` there); the crop is that of the paper's appendix C, 224 of 256.
def _google(model, name, folder, classes, size, origin, top_1=None, source=None) -> WeightsRecord:
    letter, patch = model.removeprefix("mixer_")[0].upper(), model.removeprefix("mixer_")[1:]
    return WeightsRecord(
        model,
        name,
        f"{STORAGE}/mixer_models/{folder}/Mixer-{letter}_{patch}.npz",
        classes,
        size,
        gelu_approximate=True,
        mean=0.5,
        std=0.5,
        image_size=(224, 224),
        crop_fraction=0.875,
        interpolation="bilinear",
        licence="Apache-2.0",
        origin=origin,
        top_1=top_1,
        top_1_source=source,
    )


# Files of https://huggingface.co/timm, whose cards state licence, crop and interpolation.
def _timm(repository, model, name, classes, origin, *, google, top_1=None) -> WeightsRecord:
    return WeightsRecord(
        model,
        name,
        f"hf://timm/{repository}/{HUB_FILE}",
        classes,
        size=None,
        gelu_approximate=google,
        mean=0.5 if google else 0.0,
        std=0.5 if google else 1.0,
        image_size=(224, 224),
        crop_fraction=0.875,
        interpolation="bicubic" if google else "bilinear",
        licence="Apache-2.0",
        origin=origin,
        top_1=top_1,
        top_1_source=None if top_1 is None else "timm",
    )


_SCRATCH = "Google, ImageNet-1k from scratch"
_21K = "Google, ImageNet-21k"
_SAM = "Google, ImageNet-1k with SAM"
_GSAM = "Google, ImageNet-1k with GSAM"
# timm's copies keep a name that says they were fine-tuned from ImageNet-21k. They were not: their
# accuracies, 76.6 and 72.1, are those of the paper's from-scratch rows.
_COPY = " (timm's copy)"
# https://arxiv.org/abs/2104.10972
_MIIL = "Alibaba MIIL, ImageNet-21k-P"

_RECORDS = (
    # top-1 of the first two rows: the paper's Table 2; of SAM: as keras_cv_attention_models (kecam)
    # measured it. The GSAM paper's figures could not be checked and are left out.
    _google("mixer_b16", "imagenet", "imagenet1k", 1000, 228.47, _SCRATCH, 76.44, "paper"),
    _google("mixer_l16", "imagenet", "imagenet1k", 1000, 794.29, _SCRATCH, 71.76, "paper"),
    _google("mixer_b16", "imagenet21k", "imagenet21k", 21843, 289.61, _21K),
    _google("mixer_l16", "imagenet21k", "imagenet21k", 21843, 875.78, _21K),
    _google("mixer_b16", "imagenet_sam", "sam", 1000, 228.47, _SAM, 77.36, "kecam"),
    _google("mixer_b32", "imagenet_sam", "sam", 1000, 230.04, _SAM, 72.47, "kecam"),
    _google("mixer_b16", "imagenet_gsam", "gsam", 1000, 228.47, _GSAM),
    _google("mixer_b32", "imagenet_gsam", "gsam", 1000, 230.04, _GSAM),
    _google("mixer_s16", "imagenet_gsam", "gsam", 1000, 70.71, _GSAM),
    _google("mixer_s32", "imagenet_gsam", "gsam", 1000, 72.91, _GSAM),
    _google("mixer_s8", "imagenet_gsam", "gsam", 1000, 78.79, _GSAM),
    _timm("mixer_b16_224.miil_in21k", "mixer_b16", "imagenet21k_miil", 11221, _MIIL, google=False),
    _timm(
        "mixer_b16_224.miil_in21k_ft_in1k",
        "mixer_b16",
        "imagenet_miil",
        1000,
        _MIIL + ", then ImageNet-1k",
        google=False,
        top_1=82.31,
    ),
    *(
        _timm(
            f"mixer_{model}_224.{tag}",
            f"mixer_{model}",
            f"timm/mixer_{model}_224.{tag}",
            classes,
            origin + _COPY,
            google=True,
            top_1=top_1,
        )
        for model, tag, classes, origin, top_1 in (
            ("b16", "goog_in21k_ft_in1k", 1000, _SCRATCH, 76.62),
            ("b16", "goog_in21k", 21843, _21K, None),
            ("l16", "goog_in21k_ft_in1k", 1000, _SCRATCH, 72.08),
            ("l16", "goog_in21k", 21843, _21K, None),
        )
    ),
)


def _by_model() -> dict[str, dict[str, WeightsRecord]]:
    table: dict[str, dict[str, WeightsRecord]] = {}
    for record in _RECORDS:
        table.setdefault(record.model, {})[record.name] = record
    return table


# WEIGHTS["mixer_b16"]["imagenet21k"]. H/14, L/32 and every model trained on JFT-300M were never
# published.
WEIGHTS: dict[str, dict[str, WeightsRecord]] = _by_model()


def find(name: str, model: str) -> WeightsRecord:
    """The record of weights `name` for the architecture `model`.

    Raises:
        ValueError: there is none; the message names what was published for it.
    """
    records = WEIGHTS.get(model, {})
    if name in records:
        return records[name]
    own = f"{'only ' + ', '.join(records) if records else 'no weights'} for it."
    ways = (
        "Pass `weights=None` for random initial weights, the path of a weight file (.keras, "
        ".weights.h5, .npz, .safetensors or .pth), or the directory of a run."
    )
    if models := [key for key, row in WEIGHTS.items() if name in row]:
        raise ValueError(
            f"weights={name!r} were never published for {model}, but for {', '.join(models)}; "
            f"there are {own} {ways}"
        )
    raise ValueError(f"{_unknown(name, records)} For {model} there are {own} {ways}")


def _unknown(name: str, near: Iterable[str] = ()) -> str:
    """That there are no weights of a name, the closest one first."""
    names = [*near, *(record.name for record in _RECORDS)]
    close = difflib.get_close_matches(name, names, 1, 0.7)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"Unknown weights={name!r}.{meant} `keras-mixer weights list` shows all names."


def records_named(name: str) -> tuple[WeightsRecord, ...]:
    """The records that share a name, one for each architecture.

    Raises:
        ValueError: there is none; the message has the closest name.
    """
    found = tuple(record for record in _RECORDS if record.name == name)
    if not found:
        raise ValueError(_unknown(name))
    return found
