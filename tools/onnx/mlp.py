"""Private inference of a scikit-learn MLP: one party has the model, another one the data.

    python tools/onnx/mlp.py             needs scikit-learn, skl2onnx and the command `symbolon` in PATH
"""

import pathlib
import subprocess
import tempfile

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

x, y = load_digits(return_X_y=True)
train, test, train_labels, _ = train_test_split((x / 16).astype(np.float32), y, test_size=50, random_state=0)

# The model's owner trains, and makes a job of the model: its weights stay in job/model.safetensors.
model = MLPClassifier((32, 16), max_iter=200, random_state=0).fit(train, train_labels)
folder = pathlib.Path(tempfile.mkdtemp())
onnx = to_onnx(model, train[:1], options={id(model): {"zipmap": False}})
(folder / "mlp.onnx").write_bytes(onnx.SerializeToString())
symbolon = ["symbolon", "import", folder / "mlp.onnx", "--out", folder / "job"]
subprocess.run([*symbolon, "--batch", str(len(test)), "--bound", "1"], check=True)

# The data's owner brings its rows. All parties are processes of this machine here.
np.save(folder / "job" / "X.npy", test)
subprocess.run(["symbolon", "run", folder / "job" / "JOB.toml", "--local"], check=True)

labels = np.load(folder / "job" / "label.npy")
probabilities = np.load(folder / "job" / "probabilities.npy")
error = np.abs(probabilities - model.predict_proba(test)).max()
print(f"labels as in the clear: {(labels == model.predict(test)).sum()} of {len(test)}, largest error {error:.1e}")
