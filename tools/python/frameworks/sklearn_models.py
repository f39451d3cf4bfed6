"""Private inference of scikit-learn's models, trained here: an MLP and a random forest on handwritten digits."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import symbolon as sb
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

x, y = load_digits(return_X_y=True)
train, test, labels, _ = train_test_split((x / 16).astype(np.float32), y, test_size=20, random_state=0)
MODELS: dict[str, Any] = {
    "mlp": MLPClassifier((32, 16), max_iter=200, random_state=0),
    "forest": RandomForestClassifier(10, max_depth=6, random_state=0),
}

with tempfile.TemporaryDirectory() as folder, sb.local("beaver") as world:
    for name, model in MODELS.items():
        # The model's owner trains, and exports what it has.
        model.fit(train, labels)
        path = Path(folder) / f"{name}.onnx"
        path.write_bytes(to_onnx(model, train[:1], options={id(model): {"zipmap": False}}).SerializeToString())

        # The data's owner brings its rows, and learns the labels.
        rows = world.secret(test.astype(np.float64), owner=0, bound=1)
        shown = world.reveal(sb.onnx.load(path, batch=len(test))(rows, owner=1), to=0)
        error = np.abs(shown["probabilities"] - model.predict_proba(test)).max()
        same = int((shown["label"] == model.predict(test)).sum())
        print(f"{name}: labels as in the clear {same} of {len(test)}, largest error {error:.1e}")
        assert same >= len(test) - 1
        assert error < 1e-2
