"""What is computed: the same data, weights and batches for all systems."""

from pathlib import Path

import numpy as np

DIGITS = Path(__file__).parent.parent / "digits"
BATCH, STEPS, RATE, MOMENTUM = 128, 11, 0.125, 0.875
# The sides of the layers, and the magnitudes of their first weights.
LAYERS = [(64, 64, 0.30), (64, 32, 0.30), (32, 10, 0.43)]


def read(name):
    return np.load(DIGITS / f"{name}.npy").astype(np.float32)


class Digits:
    """Images of handwritten digits, and what they show."""

    def __init__(self):
        self.train_x, self.test_x = read("train_x"), read("test_x")
        self.train_y, self.test_y = (read(name).ravel().astype(int) for name in ("train_y", "test_y"))

    def batches(self):
        """The batches of an epoch, with one row of probabilities a label."""
        order = np.random.default_rng(7).permutation(len(self.train_x))[: BATCH * STEPS].reshape(STEPS, BATCH)
        for rows in order:
            yield self.train_x[rows], np.eye(10, dtype=np.float32)[self.train_y[rows]]

    def right(self, weights):
        """The share of test images for which a network is right."""
        h = self.test_x
        for index, (w, b) in enumerate(weights):
            h = h @ np.asarray(w) + np.asarray(b)
            h = np.maximum(h, 0) if index < 2 else h
        return float((h.argmax(axis=1) == self.test_y).mean())


def weights():
    """The network's first weights."""
    random = np.random.default_rng(1)

    def draw(m, n, magnitude):
        return random.uniform(-magnitude, magnitude, (m, n)).astype(np.float32)

    return [(draw(*layer), np.zeros(layer[1], np.float32)) for layer in LAYERS]


def trained():
    """The weights of a network that has learnt."""
    return [(read(f"mlp_w{layer}"), read(f"mlp_b{layer}").reshape(-1)) for layer in (1, 2, 3)]


def factors(side=256):
    random = np.random.default_rng(2)
    return tuple(random.uniform(-1, 1, (side, side)).astype(np.float32) for _ in range(2))


def values(count=100_000):
    return np.random.default_rng(3).uniform(-4, 4, count).astype(np.float32)
