"""Writes the data of this example and what scikit-learn makes of it.

The data is "Breast Cancer Wisconsin (Diagnostic)" by W. Wolberg, O. Mangasarian, N. Street and W. Street (UCI Machine
Learning Repository, 1993, doi:10.24432/C5DW2B, CC BY 4.0), which scikit-learn brings; each column has been brought to
mean 0 and deviation 1 of the rows that the model is trained on, and rounded.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

FOLDER = Path(__file__).parent


def main():
    data = load_breast_cancer()
    order = np.random.default_rng(7).permutation(len(data.target))
    rows = {"train": order[:426], "test": order[426:]}
    known = data.data[rows["train"]]
    x = ((data.data - known.mean(axis=0)) / known.std(axis=0)).clip(-8, 8).round(2)
    for name, taken in rows.items():
        np.savetxt(FOLDER / f"{name}_a.csv", x[taken, :15], delimiter=",", fmt="%.2f")
        np.savetxt(FOLDER / f"{name}_b.csv", x[taken, 15:], delimiter=",", fmt="%.2f")
        np.savetxt(FOLDER / f"{name}_benign.csv", data.target[taken], fmt="%d")
    model = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000).fit(x[rows["train"]], data.target[rows["train"]])
    np.save(FOLDER / "expected" / "scores.npy", model.decision_function(x[rows["test"]])[:, None])
    print(f"scikit-learn is right for {100 * model.score(x[rows['test']], data.target[rows['test']]):.2f} %")


if __name__ == "__main__":
    main()
