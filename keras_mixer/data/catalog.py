"""The data sets known by name: one row each."""

from keras_mixer.data.dataset import Dataset, Splits
from keras_mixer.data.vtab import VTAB


def _percent(share: int, *parts: str, test: str = "test") -> Splits:
    """The last `share` per cent of the training images to choose by, the rest to train on."""
    return Splits(
        train="+".join(parts),
        test=test,
        dev_train="+".join(f"{part}[:{100 - share}%]" for part in parts),
        dev="+".join(f"{part}[{100 - share}%:]" for part in parts),
    )


# Splits, steps and class counts: section 3 of the paper (https://arxiv.org/abs/2105.01601) and the
# ViT paper it follows (https://arxiv.org/abs/2010.11929, Table 4 and appendix B.1.1). Pets have 37
# classes; the Mixer paper prints 36. Versions and homepages: TensorFlow Datasets 4.9.10.
_PAPER = (
    Dataset(
        "imagenet",
        "ImageNet (ILSVRC2012)",
        1000,
        "imagenet2012:5.*.*",
        _percent(1, "train", test="validation"),
        images="1,281,167 / 50,000",
        steps=20_000,
        by_hand=True,
        homepage="https://image-net.org/",
        hub="ILSVRC/imagenet-1k",
    ),
    Dataset(
        "imagenet_real",
        "ImageNet, judged on what ReaL relabelled",
        1000,
        "imagenet2012_real:1.*.*",
        Splits(train="validation", test="validation"),
        images="- / 50,000",
        label="original_label",
        by_hand=True,
        homepage="https://github.com/google-research/reassessed-imagenet",
        unavailable="imagenet_real has images to judge on only, with several labels each, which "
        "training cannot use. Fine-tune on imagenet.",
    ),
    Dataset(
        "imagenet21k",
        "ImageNet-21k (ImageNet, fall 2011)",
        21_843,
        images="14 million",
        homepage="https://image-net.org/",
        unavailable="imagenet21k is not in TensorFlow Datasets. Give the path of a folder with one "
        "folder of pictures for each class.",
    ),
    Dataset(
        "jft300m",
        "JFT-300M",
        0,
        images="300 million",
        unavailable="jft300m was never published: Google keeps it. Pre-train on imagenet21k.",
    ),
    Dataset(
        "cifar10",
        "CIFAR-10",
        10,
        "cifar10:3.*.*",
        _percent(2, "train"),
        images="50,000 / 10,000",
        steps=10_000,
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        hub="uoft-cs/cifar10",
    ),
    Dataset(
        "cifar100",
        "CIFAR-100",
        100,
        "cifar100:3.*.*",
        _percent(2, "train"),
        images="50,000 / 10,000",
        steps=10_000,
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        hub="uoft-cs/cifar100",
    ),
    Dataset(
        "pets",
        "Oxford-IIIT Pets",
        37,
        "oxford_iiit_pet:4.*.*",
        _percent(10, "train"),
        images="3,680 / 3,669",
        steps=500,
        homepage="http://www.robots.ox.ac.uk/~vgg/data/pets/",
    ),
    Dataset(
        "flowers102",
        "Oxford Flowers-102",
        102,
        "oxford_flowers102:2.*.*",
        _percent(10, "train", "validation"),
        images="2,040 / 6,149",
        steps=500,
        homepage="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    ),
)
_DIGITS = Dataset(
    "digits",
    "scikit-learn's handwritten digits",
    10,
    images="1,438 / 359",
    evaluation_crop="resize",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
)

DATASETS: dict[str, Dataset] = {row.name: row for row in (_DIGITS, *_PAPER, *VTAB)}
