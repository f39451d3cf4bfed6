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

EYE = torch.eye(3, dtype=torch.float64)


def slope(loss, value):
    """A gradient that has gradients itself."""
    return torch.autograd.grad(loss, value, create_graph=True)[0]


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
    (
        "conv2d(x, y[:, :1, :3, :2], stride=(2, 1), padding=(2, 1), dilation=(2, 1), groups=2)",
        IMAGES,
        WIDE,
        lambda x, y, v: F.conv2d(x, y[:, :1, :3, :2], None, (2, 1), (2, 1), (2, 1), 2),
    ),
    (
        "conv1d(x[:, :, 1], y[:, 0, :2, :3], v[:2], stride=2, padding=2, dilation=2)",
        IMAGES,
        WIDE,
        lambda x, y, v: F.conv1d(x[:, :, 1], y[:, 0, :2, :3], v[:2], 2, 2, 2),
    ),
    (
        "conv_transpose2d(x, y[:, :, :3, :2], v[:2], stride=(2, 1), padding=1, output_padding=(1, 0), dilation=(1, 2))",
        IMAGES,
        WIDE,
        lambda x, y, v: F.conv_transpose2d(x, y[:, :, :3, :2], v[:2], (2, 1), 1, (1, 0), 1, (1, 2)),
    ),
    (
        "conv_transpose2d(x, y[:, :1, :2, :3], stride=3, groups=2)",
        IMAGES,
        WIDE,
        lambda x, y, v: F.conv_transpose2d(x, y[:, :1, :2, :3], stride=3, groups=2),
    ),
    (
        "conv_transpose1d(x[:, :, 1], y[:, 0, :2, :3], v[:2], stride=2, padding=1, output_padding=1)",
        IMAGES,
        WIDE,
        lambda x, y, v: F.conv_transpose1d(x[:, :, 1], y[:, 0, :2, :3], v[:2], 2, 1, 1),
    ),
    (
        "maxpool2d(x, size=(3, 2), stride=2, padding=1, dilation=(1, 2), ceil_mode=True)",
        IMAGES,
        WIDE,
        lambda x, y, v: F.max_pool2d(x, (3, 2), 2, 1, (1, 2), True),
    ),
    (
        "avgpool2d(x, size=(3, 2), stride=(2, 3), padding=1, ceil_mode=True)",
        IMAGES,
        WIDE,
        lambda x, y, v: F.avg_pool2d(x, (3, 2), (2, 3), 1, True),
    ),
    (
        "avgpool2d(x, size=3, stride=2, padding=1, count_include_pad=False)",
        IMAGES,
        WIDE,
        lambda x, y, v: F.avg_pool2d(x, 3, 2, 1, False, False),
    ),
    ("lookup(x, argmax(y, axis=0))", MATRIX, WIDE, lambda x, y, v: x[torch.argmax(y, 0)]),
    ("cos(x) + sin(y)", MATRIX, WIDE, lambda x, y, v: torch.cos(x) + torch.sin(y)),
    ("cumsum(x, axis=0) + cumprod(y, axis=1)", MATRIX, WIDE, lambda x, y, v: x.cumsum(0) + y.cumprod(1)),
    (
        "diagonal(x @ y.T) * trace(x @ y.T)",
        MATRIX,
        WIDE,
        lambda x, y, v: torch.diagonal(x @ y.T) * torch.trace(x @ y.T),
    ),
    ("dot(x, v)", MATRIX, WIDE, lambda x, y, v: torch.mv(x, v)),
    ("outer(v, v)", MATRIX, WIDE, lambda x, y, v: torch.outer(v, v)),
    ('einsum("ij,kj->ik", x, y)', MATRIX, WIDE, lambda x, y, v: torch.einsum("ij,kj->ik", x, y)),
    ("flip(x, axis=1) * y", MATRIX, WIDE, lambda x, y, v: torch.flip(x, [1]) * y),
    (
        "gather(x, [2, 0, 0], axis=1) * y",
        MATRIX,
        WIDE,
        lambda x, y, v: torch.index_select(x, 1, torch.tensor([2, 0, 0])) * y,
    ),
    (
        "take(x, argmax(y, axis=0), axis=0)",
        MATRIX,
        WIDE,
        lambda x, y, v: torch.index_select(x, 0, torch.argmax(y, 0)),
    ),
    (
        "group_sum(x * y, [1, 0, 1, 1], axis=0)",
        MATRIX,
        WIDE,
        lambda x, y, v: torch.zeros(2, 3, dtype=x.dtype).index_add(0, torch.tensor([1, 0, 1, 1]), x * y),
    ),
    ("global_avgpool2d(x * y)", IMAGES, WIDE, lambda x, y, v: F.adaptive_avg_pool2d(x * y, 1)),
    ("global_maxpool2d(x * y)", IMAGES, WIDE, lambda x, y, v: F.adaptive_max_pool2d(x * y, 1)),
    ("inverse(eye(3) * 4 + x.T @ x)", MATRIX, WIDE, lambda x, y, v: torch.linalg.inv(4 * EYE + x.T @ x)),
    ("solve(eye(3) * 4 + x.T @ x, y.T)", MATRIX, WIDE, lambda x, y, v: torch.linalg.solve(4 * EYE + x.T @ x, y.T)),
    (
        "linspace(0, 1, 3) * x + ones(3) * y + arange(3) * v + zeros(4, 3) + y @ eye(3)",
        MATRIX,
        WIDE,
        lambda x, y, v: torch.linspace(0, 1, 3) * x + y + torch.arange(3) * v + y,
    ),
    ("log_softmax(x, axis=1)", MATRIX, WIDE, lambda x, y, v: F.log_softmax(x, 1)),
    ("sort(x, axis=1) * y", MATRIX, WIDE, lambda x, y, v: torch.sort(x, 1).values * y),
    ("topk(x, 2, axis=1)", MATRIX, WIDE, lambda x, y, v: torch.topk(x, 2, 1).values),
    ("median(x, axis=1)", MATRIX, WIDE, lambda x, y, v: torch.median(x, 1).values),
    ("quantile(x, 0.3, axis=1)", MATRIX, WIDE, lambda x, y, v: torch.quantile(x, 0.3, 1)),
    ("norm(x, axis=1)", MATRIX, POSITIVE, lambda x, y, v: torch.linalg.norm(x, dim=1)),
    ("std(x, axis=1)", MATRIX, WIDE, lambda x, y, v: torch.std(x, 1, unbiased=False)),
    ("sum(x, axis=0) * y", MATRIX, WIDE, lambda x, y, v: x.sum(0) * y),
    ("pad(x, 1, 2, axis=1)", MATRIX, WIDE, lambda x, y, v: F.pad(x, (1, 2))),
    ("reciprocal(x)", MATRIX, POSITIVE, lambda x, y, v: torch.reciprocal(x)),
    (
        "repeat(x, 2, axis=1) * tile(y, 2, axis=1)",
        MATRIX,
        WIDE,
        lambda x, y, v: torch.repeat_interleave(x, 2, 1) * y.repeat(1, 2),
    ),
    ("reshape(x, 3, 4) @ y", MATRIX, WIDE, lambda x, y, v: torch.reshape(x, (3, 4)) @ y),
    ("transpose(x, 3, 1, 0, 2) * 2", IMAGES, WIDE, lambda x, y, v: torch.permute(x, (3, 1, 0, 2)) * 2),
    (
        "split(x, 3, 1, axis=1) * squeeze(y[:, :1], axis=1)",
        MATRIX,
        WIDE,
        lambda x, y, v: torch.split(x, 1, 1)[1] * torch.squeeze(y[:, :1], 1),
    ),
    (
        "stack(x, y, axis=1) * concat(x[:2], y[2:], axis=0)[:, :1].T[:1, :3]",
        MATRIX,
        WIDE,
        lambda x, y, v: torch.stack([x, y], 1) * torch.cat([x[:2], y[2:]], 0)[:, :1].T[:1, :3],
    ),
    ("where(x < y, x * y, v)", MATRIX, WIDE, lambda x, y, v: torch.where(x < y, x * y, v)),
    ("assume(x, -100, 100) * y", MATRIX, WIDE, lambda x, y, v: x * y),
    ("rmsnorm(x, v)", MATRIX, WIDE, lambda x, y, v: x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-5) * v),
    ("grad(sum(x * y * y), y)", MATRIX, WIDE, lambda x, y, v: slope((x * y * y).sum(), y)),
    ("sgd(x, y, 0.125, decay=0.5)", MATRIX, WIDE, lambda x, y, v: x - 0.125 * (y + 0.5 * x)),
    ("momentum(x, y, beta=0.75)", MATRIX, WIDE, lambda x, y, v: 0.75 * x + y),
    ("nesterov(x, y, beta=0.75)", MATRIX, WIDE, lambda x, y, v: 0.75 * (0.75 * x + y) + y),
    ("average(x, y, beta=0.75)", MATRIX, WIDE, lambda x, y, v: torch.lerp(x, y, 0.25)),
    (
        "adam(x, y, x * x + 1, 0.125, eps=0.001)",
        MATRIX,
        WIDE,
        lambda x, y, v: x - 0.125 * y / torch.sqrt(x * x + 1 + 0.001),
    ),
    ("clip_norm(x, 3)", MATRIX, WIDE, lambda x, y, v: x * torch.clamp(3 / torch.linalg.norm(x), max=1)),
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
