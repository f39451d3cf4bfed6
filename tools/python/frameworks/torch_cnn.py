"""Private inference of a CNN of PyTorch: one party has the parameters, another one the images."""

import warnings
from typing import Any

import numpy as np
import symbolon as sb
import torch
from torch import nn

warnings.filterwarnings("ignore")
torch.manual_seed(3)


class Block(nn.Module):
    """A residual block, as ResNets have them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, groups=2, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])

    def forward(self, x: torch.Tensor) -> Any:
        y = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(y)) + x)


network = nn.Sequential(
    *(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)),
    *(Block(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU()),
    *(nn.Linear(8, 3), nn.Softmax(dim=1)),
)
# As after some training: norms of the data that went through.
network.train()
for _ in range(5):
    network(torch.randn(16, 1, 16, 16))
network.eval()

images = np.random.default_rng(1).normal(0, 0.5, (2, 1, 16, 16)).clip(-2, 2)
private = sb.torch.private(network, (torch.zeros(2, 1, 16, 16),))

with sb.local("beaver") as world:
    probabilities = private(world.secret(images, owner=0, bound=2), owner=1).reveal(to=0)
    print(world.report)

plain = network(torch.tensor(images, dtype=torch.float32)).detach().numpy()
print("probabilities\n", probabilities.round(4))
print(f"largest error against PyTorch: {np.abs(probabilities - plain).max():.1e}")
np.testing.assert_allclose(probabilities, plain, atol=5e-3)
