"""Draws the data of these examples and computes by NumPy what they give, in 64-bit floats."""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
RANDOM = np.random.default_rng(7)


def draw(name, array):
    """Writes an input, with the digits that are written, and returns it as it is read."""
    array = np.atleast_2d(np.round(array, 3))
    np.savetxt(FOLDER / name, array, delimiter=",", fmt="%.3f")
    return array


def expected(name, array):
    np.save(FOLDER / "expected" / name, np.asarray(array, dtype=np.float64))


def kmeans(rounds=10):
    means = np.array([[-4.0, 3.0], [5.0, 2.0], [0.5, -4.5]])
    points = means[RANDOM.integers(0, 3, 90)] + RANDOM.normal(0, 1.2, (90, 2))
    a, b = draw("points_a.csv", points[:40]), draw("points_b.csv", points[40:])
    points, centres, inertia = np.concatenate([a, b]), np.concatenate([a[:2], b[:1]]), []
    for _ in range(rounds):
        distances = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
        nearest = distances.argmin(axis=1)
        inertia.append(distances.min(axis=1).sum())
        centres = np.stack([points[nearest == cluster].mean(axis=0) for cluster in range(3)])
    expected("centres.npy", centres)
    expected("inertia.npy", inertia)


def logistic(steps=300):
    features = RANDOM.normal(0, 1, (60, 4)).clip(-3, 3)
    chance = 1 / (1 + np.exp(-features @ np.array([1.5, -2.0, 0.5, 0.0])))
    x = draw("features.csv", features)
    y = draw("labels.csv", (RANDOM.random(60) < chance)[:, None].astype(float))
    w, squares = draw("zeros.csv", np.zeros((4, 1))), []
    for step in range(1, steps + 1):
        error = 1 / (1 + np.exp(-x @ w)) - y
        if step % 50 == 0:
            squares.append((error**2).mean())
        w = w - 0.5 * x.T @ error / 60
    expected("weights.npy", w)
    expected("squares.npy", squares)


def pca(rounds=30):
    x = RANDOM.normal(0, 1, (50, 2)) @ RANDOM.normal(0, 0.8, (2, 5)) + RANDOM.normal(0, 0.2, (50, 5))
    x = x.clip(-4, 4)
    x = np.concatenate([draw("columns_a.csv", x[:, :3]), draw("columns_b.csv", x[:, 3:])], axis=1)
    v = draw("direction.csv", np.full((5, 1), 0.447))
    centred = x - x.mean(axis=0)
    covariance = centred.T @ centred / 50
    for _ in range(rounds):
        moved = covariance @ v
        v = moved / np.linalg.norm(moved)
    expected("component.npy", v)
    expected("along.npy", np.linalg.norm(moved))


if __name__ == "__main__":
    (FOLDER / "expected").mkdir(exist_ok=True)
    kmeans()
    logistic()
    pca()
