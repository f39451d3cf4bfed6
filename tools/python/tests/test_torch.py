"""The rules by which PyTorch's operations become steps, without PyTorch: where they must agree with it."""

from __future__ import annotations

import numpy as np
import pytest
import symbolon as sb
from symbolon import torch

IMAGES = np.array([[[[-3.0, -2.5, -7.0], [-1.5, -4.0, -2.0], [-6.0, -5.0, -8.0]]]])


def test_a_padded_max_pool_gives_no_element_of_the_padding(world: sb.Session) -> None:
    images = world.secret(IMAGES, owner=0, bound=16.0)
    pooled = torch.max_pool(images, [3, 3], [2, 2], [1, 1])[0]
    beside = np.pad(IMAGES, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    expected = [[beside[0, 0, i : i + 3, j : j + 3].max() for j in (0, 2)] for i in (0, 2)]
    np.testing.assert_allclose(pooled.reveal(to=0)[0, 0], expected, atol=1e-3)


def convolved(x: np.ndarray, w: np.ndarray, stride: int, padding: tuple[int, int], groups: int) -> np.ndarray:
    """A convolution of images by its definition; padding is that of rows and of columns."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    (count, _, height, width), (out, depth, high, wide) = x.shape, w.shape
    places = [range(0, extent - size + 1, stride) for extent, size in ((height, high), (width, wide))]
    result = np.zeros((count, out, len(places[0]), len(places[1])))
    for kernel, own in enumerate(w):
        first = kernel // (out // groups) * depth
        for row, y in enumerate(places[0]):
            for col, z in enumerate(places[1]):
                window = x[:, first : first + depth, y : y + high, z : z + wide]
                result[:, kernel, row, col] = (window * own).sum(axis=(1, 2, 3))
    return result


def test_convolutions_are_those_of_pytorch(world: sb.Session) -> None:
    rng = np.random.default_rng(3)
    x, w, b = rng.normal(size=(2, 4, 6, 5)), rng.normal(size=(6, 2, 3, 2)), rng.normal(size=6)
    secrets = [world.secret(array, owner=0, bound=8.0) for array in (x, w, b)]
    found = torch.convolution(*secrets, [2, 2], [1, 0], [1, 1], False, [0, 0], 2)
    expected = convolved(x, w, 2, (1, 0), 2) + b.reshape(1, -1, 1, 1)
    np.testing.assert_allclose(found.reveal(to=0), expected, atol=1e-3)
    line = torch.convolution(secrets[0][:, :, 0], secrets[1][:, :, 0], None, [1], [0], [2], False, [0], 2)
    holes = np.stack([w[:, :, 0, 0], 0 * w[:, :, 0, 0], w[:, :, 0, 1]], axis=-1)[:, :, None]
    np.testing.assert_allclose(line.reveal(to=0), convolved(x[:, :, :1], holes, 1, (0, 0), 2)[:, :, 0], atol=1e-3)
    # Transposed: the sum of its products with anything is that of the convolution.
    up = torch.convolution(found, secrets[1], None, [2, 2], [1, 0], [1, 1], True, [1, 1], 2)
    assert up.shape == x.shape
    product = (up.reveal(to=0) * x).sum()
    np.testing.assert_allclose(product, (expected * convolved(x, w, 2, (1, 0), 2)).sum(), rtol=1e-3)


def test_pools_count_as_those_of_pytorch(world: sb.Session) -> None:
    images = world.secret(np.arange(1.0, 10.0).reshape(1, 1, 3, 3), owner=0, bound=16.0)
    cases = [
        (torch.average_pool(images, [2, 2], [2, 2], [1, 1]), [0.25, 1.25, 2.75, 7.0]),
        (torch.average_pool(images, [2, 2], [2, 2], [1, 1], False, False), [1.0, 2.5, 5.5, 7.0]),
        (torch.average_pool(images, [2], (), [0], True), [3.0, 4.5, 7.5, 9.0]),
        (torch.max_pool(images, [2, 2], [2, 2], [0], [1], True)[0], [5.0, 6.0, 8.0, 9.0]),
        (torch.max_pool(images, [2, 2], [1, 1], [0, 0], [2, 2])[0], [9.0]),
    ]
    for pooled, expected in cases:
        np.testing.assert_allclose(pooled.reveal(to=0).ravel(), expected, atol=1e-3)
    with pytest.raises(sb.ProgramError, match="divisor_override"):
        torch.average_pool(images, [2, 2], [2, 2], [0, 0], False, True, 3)


def test_both_forms_of_gelu_are_those_of_pytorch(world: sb.Session) -> None:
    x = np.array([-4.0, -1.0, -0.3, 0.0, 0.7, 2.0, 6.0])
    secret = world.secret(x, owner=0, bound=8.0)
    by_tanh = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    np.testing.assert_allclose(torch.gelu(secret, "tanh").reveal(to=0), by_tanh, atol=5e-3)
    np.testing.assert_allclose(torch.gelu(secret).reveal(to=0), by_tanh, atol=5e-3)


def test_a_layer_norm_with_a_smaller_eps_says_what_it_takes(world: sb.Session) -> None:
    x = world.secret(np.array([[1.0, 2.0, 4.0]]), owner=0, bound=8.0)
    with pytest.warns(UserWarning, match="1e-05"):
        torch.layer_norm(x, [3], None, None, 1e-12)
