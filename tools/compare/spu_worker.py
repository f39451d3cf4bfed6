"""Runs a task on SPU once for each line on its standard input, and prints seconds and bytes as a line of JSON.

All parties are threads of this process, and their links are in memory, as in SPU's own simulator. Compilation, the
sharing of inputs and the first run, which makes keys and base transfers, are behind it when the first line is read: the
figures of that run are printed apart.
"""

import json
import os
import re
import sys
import tempfile
import threading
import time

# The library logs bytes on standard output: what is said to the caller goes to a copy of it.
SAID = os.fdopen(os.dup(1), "w", buffering=1)
LOG = tempfile.TemporaryFile("w+")
os.dup2(LOG.fileno(), 1)
os.dup2(LOG.fileno(), 2)

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import spu.api as api  # noqa: E402
import spu.utils.frontend as frontend  # noqa: E402
import tasks  # noqa: E402
from spu import libspu  # noqa: E402

SECRET = libspu.Visibility.VIS_SECRET


class World:
    """The parties of a protocol, each with a runtime of its own, which keeps keys from run to run."""

    def __init__(self, protocol):
        config = libspu.RuntimeConfig(protocol=getattr(libspu.ProtocolKind, protocol), field=libspu.FieldType.FM64)
        config.enable_pphlo_profile = True
        self.size = 3 if protocol == "ABY3" else 2
        self.io = api.Io(self.size, config)
        links = libspu.link.Desc()
        for rank in range(self.size):
            links.add_party(f"party{rank}", f"thread{rank}")
        self.runtimes = [None] * self.size

        def start(rank):
            self.runtimes[rank] = api.Runtime(libspu.link.create_mem(links, rank), config)

        self.at_once(start)

    def at_once(self, work):
        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def shares(self, array):
        return self.io.make_shares(np.asarray(array, np.float32), SECRET)

    def reconstruct(self, shares):
        return self.io.reconstruct(shares)

    def run(self, executable, inputs):
        """Runs a program on shares; returns those of its results, and seconds."""
        for rank, runtime in enumerate(self.runtimes):
            for name, shares in zip(executable.input_names, inputs):
                runtime.set_var(name, shares[rank])
        start = time.perf_counter()
        self.at_once(lambda rank: self.runtimes[rank].run(executable))
        seconds = time.perf_counter() - start
        return [[r.get_var(name) for r in self.runtimes] for name in executable.output_names], seconds


def sent_bytes():
    """The bytes that all parties have sent since this was last asked."""
    LOG.flush()
    LOG.seek(0)
    found = re.findall(r"total send bytes (\d+)", LOG.read())
    LOG.seek(0)
    LOG.truncate()
    return sum(map(int, found))


def compiled(function, *arguments):
    flat, _ = jax.tree_util.tree_flatten(arguments)
    return frontend.compile(
        frontend.Kind.JAX,
        function,
        arguments,
        {},
        [f"in{index}" for index in range(len(flat))],
        [SECRET] * len(flat),
        lambda results: [f"out{index}" for index in range(len(results))],
    )[0]


def layers(weights, x):
    (w1, b1), (w2, b2), (w3, b3) = weights
    h = jax.nn.relu(x @ w1 + b1)
    return jax.nn.relu(h @ w2 + b2) @ w3 + b3


class Training:
    """An epoch of mini-batches; weights and velocities stay shared."""

    def __init__(self, world, momentum):
        data = tasks.Digits()
        weights = tasks.weights()
        velocities = [(np.zeros_like(w), np.zeros_like(b)) for w, b in weights]
        start = (weights, velocities) if momentum else (weights,)

        def step(x, y, weights, velocities=None):
            def loss(weights):
                return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(layers(weights, x)), axis=1))

            slopes = jax.grad(loss)(weights)
            if velocities is None:
                return (jax.tree_util.tree_map(lambda w, g: w - tasks.RATE * g, weights, slopes),)
            velocities = jax.tree_util.tree_map(lambda v, g: tasks.MOMENTUM * v + g, velocities, slopes)
            return jax.tree_util.tree_map(lambda w, v: w - tasks.RATE * v, weights, velocities), velocities

        self.world, self.data = world, data
        batches = list(data.batches())
        self.executable = compiled(step, *batches[0], *start)
        self.batches = [[world.shares(x), world.shares(y)] for x, y in batches]
        self.state = [world.shares(leaf) for leaf in jax.tree_util.tree_leaves(start)]

    def run(self):
        seconds = 0.0
        for batch in self.batches:
            self.state, taken = self.world.run(self.executable, batch + self.state)
            seconds += taken
        return seconds

    def right(self):
        leaves = [self.world.reconstruct(shares) for shares in self.state[:6]]
        return self.data.right(list(zip(leaves[::2], leaves[1::2])))


class Function:
    """A function of the inputs of a task, which are shared beforehand."""

    def __init__(self, world, function, inputs):
        self.world = world
        self.executable = compiled(function, *inputs)
        leaves = jax.tree_util.tree_leaves(inputs)
        self.inputs = [world.shares(leaf) for leaf in leaves]

    def run(self):
        self.result, seconds = self.world.run(self.executable, self.inputs)
        return seconds


def task(name, protocol):
    world = World(protocol)
    if name.startswith("train"):
        return Training(world, momentum=name == "train-momentum")
    if name == "matmul":
        return Function(world, jnp.matmul, tasks.factors())
    if name == "relu":
        return Function(world, jax.nn.relu, (tasks.values(),))
    return Function(world, layers, (tasks.trained(), tasks.Digits().test_x))


def main():
    work = task(sys.argv[1], sys.argv[2])

    def run():
        sent_bytes()
        seconds = work.run()
        print(json.dumps({"seconds": seconds, "sent_bytes": sent_bytes()}), file=SAID)

    run()
    for _ in sys.stdin:
        run()
    if hasattr(work, "right"):
        print(json.dumps({"right": work.right()}), file=SAID)


if __name__ == "__main__":
    main()
