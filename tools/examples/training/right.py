"""Prints for how many of the test images the network is right that a run of `digits.toml` has learnt, which lies in the
folder of this script or in that which is given."""

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
DIGITS = FOLDER.parent.parent / "digits"


def main():
    learnt = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    layers = [[np.load(learnt / f"{name}{layer}.npy") for name in "wb"] for layer in (1, 2, 3)]
    values = np.load(DIGITS / "test_x.npy").astype(np.float64)
    for weights, bias in layers[:-1]:
        values = np.maximum(values @ weights + bias, 0)
    weights, bias = layers[-1]
    is_right = (values @ weights + bias).argmax(axis=1) == np.load(DIGITS / "test_y.npy").ravel()
    print(f"right for {is_right.sum()} of {len(is_right)} test images, {100 * is_right.mean():.2f} %")


if __name__ == "__main__":
    main()
