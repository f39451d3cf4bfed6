"""Private inference of ResNet-20, trained here on digits: one party has the parameters, another one the pictures."""

import warnings
from typing import Any

import numpy as np
import symbolon as sb
import torch
from sklearn.datasets import load_digits
from torch import nn

warnings.filterwarnings("ignore")
torch.manual_seed(7)
torch.set_num_threads(1)


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is a projection where the extents change (He et al., 2015)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])
        projection = [nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)]
        self.shortcut = nn.Sequential(*(projection if stride > 1 else []))

    def forward(self, x: torch.Tensor) -> Any:
        y = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(y)) + self.shortcut(x))


stages = [*[(16, 16, 1)] * 3, (16, 32, 2), *[(32, 32, 1)] * 2, (32, 64, 2), *[(64, 64, 1)] * 2]
network = nn.Sequential(
    *(nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *(Block(*stage) for stage in stages)),
    *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
)
digits = load_digits()
pictures, labels = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32), torch.tensor(digits.target)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
for _ in range(3):
    for batch in torch.randperm(1600).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(pictures[batch]), labels[batch]).backward()
        optimizer.step()
network.eval()

shown = pictures[-16:]
private = sb.torch.private(network, (shown,))
with sb.local("beaver") as world:
    scores = private(world.secret(shown.double().numpy(), owner=0, bound=1), owner=1).reveal(to=0)
    print(world.report)
plain = network(shown).detach().numpy()
print("labels of ResNet-20", scores.argmax(1), "of", labels[-16:].numpy())
print(f"largest error of the scores against PyTorch: {np.abs(scores - plain).max():.1e} of {np.abs(plain).max():.1f}")
np.testing.assert_allclose(scores, plain, atol=2e-2)
assert (scores.argmax(1) == labels[-16:].numpy()).mean() > 0.8
