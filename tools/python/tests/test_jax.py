"""The rules by which JAX's primitives become steps, without JAX: where they must agree with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import symbolon as sb
from symbolon import jax

CASES: list[dict[str, Any]] = [
    {},
    {"window_strides": (2, 1), "padding": ((1, 2), (0, 1)), "feature_group_count": 2},
    {"rhs_dilation": (2, 1), "padding": ((-1, 2), (1, -1)), "feature_group_count": 4},
    {"lhs_dilation": (2, 3), "padding": ((1, 1), (2, 0))},
    {"lhs_dilation": (1, 2), "rhs_dilation": (2, 1), "padding": ((6, 0), (0, 4)), "feature_group_count": 2},
    {"lhs_dilation": (3, 2), "window_strides": (2, 1), "padding": ((2, -1), (1, 1)), "feature_group_count": 2},
]


def spread(x: np.ndarray, gaps: tuple[int, ...]) -> np.ndarray:
    """The elements along the last axes so far apart, with zeros between them."""
    for axis, gap in enumerate(gaps, x.ndim - len(gaps)):
        extents = list(x.shape)
        extents[axis] = (extents[axis] - 1) * gap + 1
        wide = np.zeros(extents)
        wide[(*[slice(None)] * axis, slice(None, None, gap))] = x
        x = wide
    return x


def convolved(x: np.ndarray, w: np.ndarray, params: dict[str, Any]) -> np.ndarray:
    """By the definition, with every zero that it speaks of."""
    x, w = spread(x, params["lhs_dilation"]), spread(w, params["rhs_dilation"])
    for axis, (before, behind) in enumerate(params["padding"], 2):
        widths = [(0, 0)] * axis + [(max(before, 0), max(behind, 0))] + [(0, 0)] * (3 - axis)
        x = np.pad(x, widths)
        x = x[(*[slice(None)] * axis, slice(max(-before, 0), x.shape[axis] - max(-behind, 0)))]
    (count, _, height, width), (out, depth, high, wide) = x.shape, w.shape
    rows, cols = (
        range(0, extent - size + 1, stride)
        for extent, size, stride in zip((height, width), (high, wide), params["window_strides"], strict=True)
    )
    result = np.zeros((count, out, len(rows), len(cols)))
    for kernel, own in enumerate(w):
        first = kernel // (out // params["feature_group_count"]) * depth
        for place in np.ndindex(len(rows), len(cols)):
            y, z = rows[place[0]], cols[place[1]]
            window = x[:, first : first + depth, y : y + high, z : z + wide]
            result[(slice(None), kernel, *place)] = (window * own).sum(axis=(1, 2, 3))
    return result


@pytest.mark.parametrize("case", CASES)
def test_convolutions_are_those_of_jax(world: sb.Session, case: dict[str, Any]) -> None:
    params = {
        "window_strides": (1, 1),
        "padding": ((0, 0), (0, 0)),
        "lhs_dilation": (1, 1),
        "rhs_dilation": (1, 1),
        "feature_group_count": 1,
        "batch_group_count": 1,
        # Images (n, h, w, c), kernels (h, w, c, o), results (n, h, w, o), as JAX's layers have them.
        "dimension_numbers": SimpleNamespace(lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2)),
    } | case
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2, 5, 4, 4))
    w = rng.normal(size=(3, 2, 4 // params["feature_group_count"], 4))
    secrets = [world.secret(array, owner=0, bound=8.0) for array in (x, w)]
    found = jax.convolution(*secrets, **params).reveal(to=0)
    expected = convolved(x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1), params).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, expected, atol=1e-3)
