"""k-means over points of two owners: all learn the centres, and nobody whose points are where."""

from typing import Any

import numpy as np
import symbolon as sb

GROUPS = 3
generator = np.random.default_rng(11)
true = np.array([[-4.0, 0.0], [3.0, 3.0], [2.0, -4.0]])
points = [np.concatenate([true[at] + generator.normal(0, 0.7, (20, 2)) for at in range(GROUPS)]) for _ in range(2)]


@sb.program
def step(x: sb.Tensor, centres: sb.Tensor) -> sb.Tensor:
    """The means of the points that are nearest to each centre."""
    # Squared distances but for the points' own lengths, which no comparison needs.
    distances = (centres * centres).sum(axis=1) - 2 * (x @ centres.T)
    nearest = sb.one_hot(distances.argmin(axis=1), GROUPS)
    sums, counts = nearest.T @ x, nearest.sum(axis=0)
    return sums / sb.assume(np.maximum(counts, 1), 1, len(x))[:, None]


with sb.local("replicated") as world:
    x: Any = np.concatenate([world.secret(points[0], owner=0, bound=8), world.secret(points[1], owner=1, bound=8)])
    centres = world.secret(np.array([[-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]), owner=2, bound=8)
    for _ in range(4):
        # What every party may know brings the next plan to its ranges.
        centres = sb.assume(step(x, centres), -8, 8)
    shown = centres.reveal()
    print(world.report)

print("centres\n", shown.round(2))
everything = np.concatenate(points)
labels = ((everything[:, None] - true) ** 2).sum(axis=2).argmin(axis=1)
plain = np.stack([everything[labels == at].mean(axis=0) for at in range(GROUPS)])
np.testing.assert_allclose(shown[np.lexsort(shown.T)], plain[np.lexsort(plain.T)], atol=0.1)
