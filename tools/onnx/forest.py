"""Private inference of a scikit-learn forest: one party has the model, another one the data.

    python tools/onnx/forest.py          needs scikit-learn, skl2onnx and the command `symbolon` in PATH
"""

import pathlib
import subprocess
import tempfile

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

x, y = load_iris(return_X_y=True)
train, test, train_labels, _ = train_test_split(x.astype(np.float32), y, test_size=20, random_state=0)

# The model's owner trains, and makes a job of the model: its thresholds and leaves stay in job/model.safetensors.
model = RandomForestClassifier(n_estimators=20, max_depth=4, random_state=0).fit(train, train_labels)
folder = pathlib.Path(tempfile.mkdtemp())
onnx = to_onnx(model, train[:1], options={id(model): {"zipmap": False}})
(folder / "forest.onnx").write_bytes(onnx.SerializeToString())
symbolon = ["symbolon", "import", folder / "forest.onnx", "--out", folder / "job"]
subprocess.run([*symbolon, "--batch", str(len(test)), "--bound", "10"], check=True)

# The data's owner brings its rows. All parties are processes of this machine here.
np.save(folder / "job" / "X.npy", test)
subprocess.run(["symbolon", "run", folder / "job" / "JOB.toml", "--local"], check=True)

labels = np.load(folder / "job" / "label.npy")
probabilities = np.load(folder / "job" / "probabilities.npy")
error = np.abs(probabilities - model.predict_proba(test)).max()
print(f"labels as in the clear: {(labels == model.predict(test)).sum()} of {len(test)}, largest error {error:.1e}")
