"""Statistics of two owners: what a clinic measured against what a pharmacy sold, and neither sees the other's table.

Run it as it is: every party is a process on this machine, and the data is made up.
"""

import math
from typing import Any

import numpy as np
import symbolon as sb

PATIENTS = 400
generator = np.random.default_rng(7)
dose = generator.normal(5.0, 1.5, PATIENTS).clip(0, 12)
pressure = (150 - 4.0 * dose + generator.normal(0, 8, PATIENTS)).clip(60, 220)
treated = (dose > 5).astype(float)

with sb.local("replicated") as world:
    x = world.secret(dose, owner=0, bound=12, name="dose")
    y = world.secret(pressure / 100, owner=1, bound=2.2, name="pressure")
    group = world.secret(treated, owner=0, bound=1, name="treated")

    # The two groups' sizes, means and variances, for Welch's t-test; the quotients are of public figures.
    count = group.sum()
    sums: Any = np.stack([(y * group).sum(), (y * (1 - group)).sum()])
    squares: Any = np.stack([(y * y * group).sum(), (y * y * (1 - group)).sum()])
    shown = world.reveal(
        {
            "mean": np.stack([x.mean(), y.mean()]),
            "variance": np.stack([x.var(), y.var()]),
            "correlation": np.corrcoef(np.stack([x, y])),
            "histogram": np.histogram(y, [0.6, 1.1, 1.2, 1.3, 1.4, 1.5, 2.2])[0],
            "count": count,
            "sums": sums,
            "squares": squares,
        },
        to=[0, 1],
    )
    print(world.report)

sizes = np.array([shown["count"], PATIENTS - shown["count"]])
means = shown["sums"] / sizes
spreads = (shown["squares"] / sizes - means**2) / (sizes - 1)
t = (means[0] - means[1]) / math.sqrt(spreads.sum())
print("means", shown["mean"].round(3), "variances", shown["variance"].round(4))
print("correlation", round(float(shown["correlation"][0, 1]), 3), "histogram", shown["histogram"])
print(f"t = {t:.2f} of {sizes.round().astype(int)} patients")

plain = np.corrcoef(dose, pressure)[0, 1]
assert abs(shown["correlation"][0, 1] - plain) < 0.01, (shown["correlation"], plain)
assert np.allclose(shown["mean"], [dose.mean(), pressure.mean() / 100], atol=1e-3)
assert shown["histogram"].sum() == PATIENTS
assert t < -10
