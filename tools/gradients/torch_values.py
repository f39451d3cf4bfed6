"""Computes gradients by PyTorch's autograd, for the test that holds the gradients of programs against them.

    python3 tools/gradients/torch_values.py > tools/gradients/torch.json

A case is a step of a job and the same in PyTorch, on x and y of some shape and v as long as their last axis. The loss is
the sum of the result's elements times those of c.
"""

import json
import math

import torch
import torch.nn.functional as F

GOLDEN = 0.6180339887498949


def numbers(shape, first, low, high):
    """Numbers with 16 fraction bits, of which the test makes the same."""
    count = math.prod(shape)
    drawn = [((index + first) * GOLDEN) % 1.0 for index in range(count)]
    rounded = [round((low + (high - low) * number) * 65536) / 65536 for number in drawn]
    return torch.tensor(rounded, dtype=torch.float64).reshape(shape)


WIDE, POSITIVE = (-2.5, 2.5), (0.4, 2.5)
MATRIX, IMAGES = (4, 3), (2, 2, 5, 4)

CASES = [
    ("x * y + v", MATRIX, WIDE, lambda x, y, v: x * y + v),
    ("x / y", MATRIX, POSITIVE, lambda x, y, v: x / y),
    ("3 / x", MATRIX, POSITIVE, lambda x, y, v: 3 / x),
    ("x @ y.T", MATRIX, WIDE, lambda x, y, v: x @ y.T),
    ("x @ v", MATRIX, WIDE, lambda x, y, v: x @ v),
    ("x[:, :, :4] @ y[:, 1:, 1:]", IMAGES, WIDE, lambda x, y, v: x[:, :, :4] @ y[:, 1:, 1:]),
    ("x[1:, ::2, 1:4:2] * y[:1, :1, :2]", IMAGES, WIDE, lambda x, y, v: x[1:, ::2, 1:4:2] * y[:1, :1, :2]),
    ("relu(x)", MATRIX, WIDE, lambda x, y, v: F.relu(x)),
    ("relu(x * 0)", MATRIX, WIDE, lambda x, y, v: F.relu(x * 0)),
    ("leaky_relu(x, 0.25)", MATRIX, WIDE, lambda x, y, v: F.leaky_relu(x, 0.25)),
    ("abs(x) + abs(y * 0)", MATRIX, WIDE, lambda x, y, v: abs(x) + abs(y * 0)),
    ("clip(x, -1, 1)", MATRIX, WIDE, lambda x, y, v: torch.clamp(x, -1, 1)),
    ("max(x, y) - min(x, v)", MATRIX, WIDE, lambda x, y, v: torch.maximum(x, y) - torch.minimum(x, v)),
    ("max(x, axis=1)", IMAGES, WIDE, lambda x, y, v: torch.amax(x, 1)),
    ("select(x < y, x * x, v)", MATRIX, WIDE, lambda x, y, v: torch.where(x < y, x * x, v)),
    ("mean(x, axis=0) * var(y, axis=0)", MATRIX, WIDE, lambda x, y, v: x.mean(0) * y.var(0, unbiased=False)),
    ("exp(x)", MATRIX, WIDE, lambda x, y, v: torch.exp(x)),
    ("log(x)", MATRIX, POSITIVE, lambda x, y, v: torch.log(x)),
    ("sqrt(x)", MATRIX, POSITIVE, lambda x, y, v: torch.sqrt(x)),
    ("rsqrt(x)", MATRIX, POSITIVE, lambda x, y, v: torch.rsqrt(x)),
    ("sigmoid(x)", MATRIX, WIDE, lambda x, y, v: torch.sigmoid(x)),
    ("tanh(x)", MATRIX, WIDE, lambda x, y, v: torch.tanh(x)),
    ("gelu(x)", MATRIX, WIDE, lambda x, y, v: F.gelu(x)),
    ("silu(x)", MATRIX, WIDE, lambda x, y, v: F.silu(x)),
    ("softmax(x, axis=1)", IMAGES, WIDE, lambda x, y, v: F.softmax(x, 1)),
    ("layernorm(x, v, v)", MATRIX, WIDE, lambda x, y, v: F.layer_norm(x, (3,), v, v, 1e-5)),
    (
        "batchnorm(x, y[0], abs(y[1]) + 1, v, y[2])",
        MATRIX,
        WIDE,
        lambda x, y, v: (x - y[0]) / torch.sqrt(abs(y[1]) + 1 + 1e-5) * v + y[2],
    ),
    (
        "conv2d(x, y[:, :, :3, :2], v[:2], stride=2, padding=1)",
        IMAGES,
        WIDE,
        lambda x, y, v: F.conv2d(x, y[:, :, :3, :2], v[:2], stride=2, padding=1),
    ),
    ("maxpool2d(x, size=3, stride=1)", IMAGES, WIDE, lambda x, y, v: F.max_pool2d(x, 3, 1)),
    ("avgpool2d(x, size=3, stride=1)", IMAGES, WIDE, lambda x, y, v: F.avg_pool2d(x, 3, 1)),
    ("lookup(x, argmax(y, axis=0))", MATRIX, WIDE, lambda x, y, v: x[torch.argmax(y, 0)]),
    ("mse(x, y)", MATRIX, WIDE, lambda x, y, v: F.mse_loss(x, y)),
    (
        "logistic_loss(x, y)",
        MATRIX,
        (0.0, 1.0),
        lambda x, y, v: F.binary_cross_entropy_with_logits(x, y),
    ),
    (
        "cross_entropy(x, constant(softmax(y, axis=1)))",
        MATRIX,
        WIDE,
        lambda x, y, v: F.cross_entropy(x, F.softmax(y, 1).detach()),
    ),
]


def case(step, shape, ends, function):
    given = {
        "x": numbers(shape, 1, *ends),
        "y": numbers(shape, 101, *ends),
        "v": numbers(shape[-1:], 201, *POSITIVE),
    }
    for value in given.values():
        value.requires_grad_()
    result = function(**given)
    (result * numbers(tuple(result.shape), 301, -1.0, 1.0)).sum().backward()
    gradients = {name: value.grad.flatten().tolist() for name, value in given.items() if value.grad is not None}
    return {"step": step, "shape": list(shape), "ends": list(ends), "gradients": gradients}


cases = ",\n".join(json.dumps(case(*each)) for each in CASES)
print(f'{{"torch": "{torch.__version__}", "cases": [\n{cases}\n]}}')
