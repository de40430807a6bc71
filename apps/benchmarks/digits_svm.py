"""scikit-learn's support vector machine on the split of the digits that the recipe is judged on.

Prints how many of the held-out digits it gets right, on the 8x8 pictures as they come: with the
defaults, and with the `gamma` of scikit-learn's own example of recognising digits.

    KERAS_BACKEND=jax python apps/benchmarks/digits_svm.py
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import keras_mixer


def main() -> None:
    data, digits = keras_mixer.data.load("digits"), load_digits()
    # A picture is named digits/NUMBER, after its place in scikit-learn's list.
    train, test = (
        np.array([int(name.split("/")[1]) for name in split.names])
        for split in (data.train, data.test)
    )
    for name, machine in (("SVC()", SVC()), ("SVC(gamma=0.001)", SVC(gamma=0.001))):
        machine.fit(digits.data[train], digits.target[train])
        right = int((machine.predict(digits.data[test]) == digits.target[test]).sum())
        print(f"{name}: {100 * right / len(test):.2f} %, {right} of {len(test)}")


if __name__ == "__main__":
    main()
