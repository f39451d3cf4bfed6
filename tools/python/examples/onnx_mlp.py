"""Private inference of a scikit-learn MLP through ONNX: one party has the model, another one the data.

The model is one of `tools/onnx/make.py`, which has scikit-learn train it and skl2onnx write it; a file of your own does
as well: `python onnx_mlp.py MODEL.onnx DATA.npy`.
"""

import sys
from pathlib import Path

import numpy as np
import symbolon as sb

folder = Path(__file__).parents[2] / "onnx"
path, data = sys.argv[1:] if len(sys.argv) == 3 else (folder / "mlp.onnx", folder / "mlp.X.npy")
rows = np.load(data).astype(np.float64)

# The model's owner reads the file; the others have its structure: ops and shapes, and no parameter.
model = sb.onnx.load(path, batch=len(rows))
print(model)


@sb.program
def classify(x: sb.Tensor) -> dict[str, sb.Tensor]:
    """Planned once; the parameters stay in device memory."""
    return dict(model(x, owner=1))


with sb.local("beaver") as world:
    for _ in range(2):
        x = world.secret(rows, owner=0, bound=8.0)
        shown = world.reveal(classify(x), to=0)
    print(world.report)

print("labels", shown["label"])
print("probabilities\n", shown["probabilities"].round(3))
if data == folder / "mlp.X.npy":
    np.testing.assert_array_equal(shown["label"], np.load(folder / "mlp.label.npy"))
    np.testing.assert_allclose(shown["probabilities"], np.load(folder / "mlp.probabilities.npy"), atol=2e-3)
