"""Draws the data of these examples, and computes by NumPy and pandas what they give, in 64-bit floats. With a number and a
folder it draws a join of as many orders and customers there."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
RANDOM = np.random.default_rng(11)


def draw(name, array):
    """Writes an input, with the digits that are written, and returns it as it is read."""
    array = np.round(array, 3)
    np.savetxt(FOLDER / name, array, delimiter=",", fmt="%.3f")
    return array


def expected(folder, name, array):
    np.save(folder / name, np.asarray(array, dtype=np.float64))


def regression():
    features = RANDOM.normal(0, 1, (60, 3)).clip(-4, 4)
    explained = 1.5 + features @ [2.0, -1.0, 0.5] + RANDOM.normal(0, 0.3, 60)
    a = draw("features.csv", features[:, :2])
    b = draw("explained.csv", np.column_stack([features[:, 2], explained]))
    x = np.column_stack([np.ones(60), a, b[:, 0]])
    expected(FOLDER / "expected", "coefficients.npy", np.linalg.lstsq(x, b[:, 1], rcond=None)[0])


def samples():
    a, b = RANDOM.normal(10, 2, (30, 1)), RANDOM.normal(11.5, 3, (35, 1))
    a, b = draw("sample_a.csv", a), draw("sample_b.csv", b)
    of_a, of_b = a.var(ddof=1) / 30, b.var(ddof=1) / 35
    folder = FOLDER / "expected"
    expected(folder, "t.npy", (a.mean() - b.mean()) / np.sqrt(of_a + of_b))
    expected(folder, "freedom.npy", (of_a + of_b) ** 2 / (of_a**2 / 29 + of_b**2 / 34))
    together = np.concatenate([a, b])
    low, middle, high = np.quantile(together, [0.25, 0.5, 0.75])
    reach = 1.5 * (high - low)
    expected(folder, "quartiles.npy", [low, middle, high])
    expected(folder, "outliers.npy", ((together < low - reach) | (together > high + reach)).sum())


def join(folder, results, orders, customers, regions):
    """Numbers of customers are below 2^16, of which the registry knows some."""
    known = RANDOM.choice(np.arange(1, 4 * customers), customers, replace=False)
    wanted = np.where(RANDOM.random(orders) < 0.8, RANDOM.choice(known, orders), RANDOM.integers(1, 4 * customers, orders))
    left = pd.DataFrame({"customer": wanted, "amount": RANDOM.integers(100, 100000, orders) / 100})
    right = pd.DataFrame({"customer": known, "region": RANDOM.integers(1, regions + 1, customers)})
    left.to_csv(folder / "orders.csv", index=False)
    right.to_csv(folder / "customers.csv", index=False)
    rows = left.merge(right, on="customer", how="left").fillna({"region": 0})
    groups = rows.groupby("region").amount.agg(["count", "sum"]).reset_index()
    for name, column in [("region", "region"), ("count", "count"), ("amount", "sum")]:
        expected(results, f"{name}.npy", np.pad(groups[column].to_numpy(float), (0, orders - len(groups))))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        count, folder = int(sys.argv[1]), Path(sys.argv[2])
        (folder / "expected").mkdir(parents=True, exist_ok=True)
        join(folder, folder / "expected", count, count, 12)
    else:
        (FOLDER / "expected").mkdir(exist_ok=True)
        regression()
        samples()
        join(FOLDER, FOLDER / "expected", 30, 20, 4)
