"""Puts one of the larger networks' jobs into a folder, with random images and labels, so that its steps can be run.

    python3 tools/examples/training/random_images.py vgg16 FOLDER 16
    symbolon run FOLDER/vgg16.toml --local

The number is that of the images; without, there are as many as the job says.
"""

import re
import sys
from pathlib import Path

import numpy as np


def main():
    network, folder = sys.argv[1], Path(sys.argv[2])
    text = (Path(__file__).parent / f"{network}.toml").read_text()
    count, *extents = map(int, re.search(r"images = .*shape = \[(.*?)\]", text).group(1).split(","))
    images = int(sys.argv[3]) if len(sys.argv) > 3 else count
    # The first extent of both inputs, and of what the dense layers take.
    text = re.sub(rf"((?:shape = \[|reshape\(\w+, )){count},", rf"\g<1>{images},", text)
    random = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{network}.toml").write_text(text)
    np.save(folder / "images.npy", random.random((images, *extents), dtype=np.float32))
    np.save(folder / "labels.npy", np.eye(10, dtype=np.float32)[random.integers(0, 10, images)])


if __name__ == "__main__":
    main()
