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
