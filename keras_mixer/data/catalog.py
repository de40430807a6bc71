"""The data sets known by name: one row each."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Where a data set comes from and how it is divided.

    Args:
        name: what a user types.
        classes: number of classes.
        tfds: name of the data set in TensorFlow Datasets, or `None` where it ships elsewhere.
        train: split to train on, as TensorFlow Datasets writes it.
        test: split to judge on.
        source: where the figures come from.
    """

    name: str
    classes: int
    tfds: str | None
    train: str
    test: str
    source: str
    label_names=None
    unavailable=None


# Splits and class counts: section 3 of the paper (https://arxiv.org/abs/2105.01601) and the ViT
# paper it follows (https://arxiv.org/abs/2010.11929, appendix B.1.1). Pets: 37 classes; the
# Mixer paper prints 36.
DATASETS: dict[str, Dataset] = {
    row.name: row
    for row in (
        Dataset(
            "digits",
            10,
            None,
            "four fifths of each class",
            "one fifth of each class",
            "scikit-learn's handwritten digits, 1,797 pictures of 8x8 pixels (UCI, CC BY 4.0)",
        ),
        Dataset("pets", 37, "oxford_iiit_pet", "train", "test", "Oxford-IIIT Pets, 3,680 / 3,669"),
        Dataset(
            "flowers102",
            102,
            "oxford_flowers102",
            "train+validation",
            "test",
            "Oxford Flowers-102, 2,040 / 6,149",
        ),
        Dataset("cifar10", 10, "cifar10", "train", "test", "CIFAR-10, 50,000 / 10,000"),
        Dataset("cifar100", 100, "cifar100", "train", "test", "CIFAR-100, 50,000 / 10,000"),
    )
}
