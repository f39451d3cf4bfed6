"""The first principal component of columns that two owners have of the same people, by power iteration."""

from typing import Any

import numpy as np
import symbolon as sb

generator = np.random.default_rng(3)
common = generator.normal(size=(200, 1))
first = common @ [[1.0, -0.5, 0.8]] + 0.3 * generator.normal(size=(200, 3))
second = common @ [[0.6, 1.2]] + 0.3 * generator.normal(size=(200, 2))


@sb.program
def step(covariance: sb.Tensor, direction: sb.Tensor) -> sb.Tensor:
    """Turns a direction of length one towards the component."""
    turned = covariance @ direction
    return sb.assume(turned / np.linalg.norm(turned), -1, 1)


with sb.local("beaver") as world:
    owned = [world.secret(first, owner=0, bound=8), world.secret(second, owner=1, bound=8)]
    columns: Any = np.concatenate(owned, axis=1)
    covariance: Any = np.cov(columns, rowvar=False)
    direction = world.secret(np.full(5, 5**-0.5), owner=0, bound=1)
    for _ in range(6):
        direction = step(covariance, direction)
    print(direction.plan(to=[0, 1]))
    component = direction.reveal(to=[0, 1])
    print(world.report)

plain = np.linalg.eigh(np.cov(np.concatenate([first, second], axis=1), rowvar=False))[1][:, -1]
cosine = abs(float(component @ plain)) / float(np.linalg.norm(component))
print("component", component.round(3), "against the plain one: cosine", round(cosine, 5))
assert cosine > 0.999
