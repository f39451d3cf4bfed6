"""Trains on CrypTen for an epoch for each line on its standard input, and prints seconds and bytes as a line of JSON.

Two parties are processes with a link between them; triples come from CrypTen's first party, which it trusts, and cost no
message. The sharing of inputs and a first epoch are behind it when the first line is read.
"""

import json
import multiprocessing
import os
import sys
import time
import types
import warnings

warnings.simplefilter("ignore")
# The module for ONNX imports what newer versions of PyTorch do not have; nothing of it is used here.
REGISTRY = types.ModuleType("torch.onnx._internal.registration")
REGISTRY.registry = None
sys.modules[REGISTRY.__name__] = REGISTRY

import crypten  # noqa: E402
import crypten.communicator as comm  # noqa: E402
import crypten.mpc as mpc  # noqa: E402
import tasks  # noqa: E402
import torch  # noqa: E402
from crypten import nn  # noqa: E402


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        for name, (m, n, _) in zip(("one", "two", "three"), tasks.LAYERS):
            setattr(self, name, nn.Linear(m, n))

    def forward(self, x):
        return self.three(self.two(self.one(x).relu()).relu())


def network():
    plain = Network()
    for layer, (w, b) in zip((plain.one, plain.two, plain.three), tasks.weights()):
        layer.set_parameter("weight", torch.tensor(w.T.copy(), requires_grad=True))
        layer.set_parameter("bias", torch.tensor(b, requires_grad=True))
    return plain.encrypt()


def sent_bytes():
    """The bytes that both parties have sent since this was last asked: this one's count is of what it sends and receives."""
    counted = comm.get().get_communication_stats()["bytes"]
    comm.get().reset_communication_stats()
    return counted


def epoch(model, optimiser, batches):
    loss = nn.CrossEntropyLoss()
    start = time.perf_counter()
    for x, y in batches:
        slopes = loss(model(x), y)
        model.zero_grad()
        slopes.backward()
        optimiser.step()
    comm.get().barrier()
    return time.perf_counter() - start


@mpc.run_multiprocess(world_size=2)
def work(momentum, asked, said):
    crypten.cfg.communicator.verbose = True
    torch.set_num_threads(1)
    first = comm.get().get_rank() == 0
    data, model = tasks.Digits(), network()
    optimiser = crypten.optim.SGD(model.parameters(), lr=tasks.RATE, momentum=momentum)
    shared = [
        (crypten.cryptensor(torch.tensor(x), src=0), crypten.cryptensor(torch.tensor(y), src=1))
        for x, y in data.batches()
    ]
    more, lines = True, os.fdopen(asked) if first else None
    told = os.fdopen(said, "w", buffering=1)
    while more:
        sent_bytes()
        seconds = epoch(model, optimiser, shared)
        sent = sent_bytes()
        if first:
            print(json.dumps({"seconds": seconds, "sent_bytes": sent}), file=told)
        more = comm.get().broadcast_obj(bool(lines.readline()) if first else None, 0)
    layers = [model.one, model.two, model.three]
    # All parties open them.
    weights = [(layer.weight.get_plain_text().t().numpy(), layer.bias.get_plain_text().numpy()) for layer in layers]
    if first:
        print(json.dumps({"right": data.right(weights)}), file=told)


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    # The parties' own standard streams are closed or noisy.
    ASKED, SAID = os.dup(0), os.dup(1)
    os.set_inheritable(ASKED, True)
    os.set_inheritable(SAID, True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    work(tasks.MOMENTUM if sys.argv[1] == "train-momentum" else 0.0, ASKED, SAID)
