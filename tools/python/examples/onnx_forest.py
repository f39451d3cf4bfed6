"""Private inference of a scikit-learn random forest through ONNX: all nodes of all trees are compared at once.

The forest is one of `tools/onnx/make.py`, which has scikit-learn train it and skl2onnx write it. The thresholds and the
leaves stay with the model's owner; the shape of the trees is known to all.
"""

from pathlib import Path

import numpy as np
import symbolon as sb

folder = Path(__file__).parents[2] / "onnx"
rows = np.load(folder / "forest.X.npy").astype(np.float64)

forest = sb.onnx.load(folder / "forest.onnx", batch=len(rows))
print(forest)
# What the data's owner has, where it has a script of its own.
structure = sb.onnx.read(forest.structure)
assert not structure.is_whole

with sb.local("replicated") as world:
    x = world.secret(rows, owner=0, bound=8.0)
    outputs = forest(x, owner=1)
    print(world.plan(*outputs.values(), to=0))
    shown = world.reveal(outputs, to=0)

print("labels", shown["label"])
np.testing.assert_array_equal(shown["label"], np.load(folder / "forest.label.npy"))
np.testing.assert_allclose(shown["probabilities"], np.load(folder / "forest.probabilities.npy"), atol=1e-3)
