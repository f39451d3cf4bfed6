"""The same tasks as jobs of symbolon, and what a run of them took."""

import json
import subprocess

import numpy as np
import tasks

NAMES = ["w1", "b1", "w2", "b2", "w3", "b3"]


def velocity(name):
    return name.replace("w", "v").replace("b", "c")


def training(folder, protocol, truncation, momentum, epochs):
    """A job of so many epochs of mini-batches."""
    states = []
    for (w, b), layer in zip(tasks.weights(), (1, 2, 3)):
        for name, array in ((f"w{layer}", w), (f"b{layer}", b)):
            np.save(folder / f"{name}.npy", array)
            states += [(name, array.shape)]
    inputs = [f'{name}0 = {{ owner = 0, file = "{name}.npy", shape = {list(shape)} }}' for name, shape in states]
    kept = [f'{name} = {{ shape = {list(shape)}, from = "{name}0" }}' for name, shape in states]
    slopes = [f"grad(loss, {name})" for name in NAMES]
    updates = [f'"{name} = sgd({name}, {slope}, {tasks.RATE})",' for name, slope in zip(NAMES, slopes)]
    if momentum:
        kept += [f"{velocity(name)} = {{ shape = {list(shape)}, from = 0 }}" for name, shape in states]
        moved = [
            f'"{velocity(name)} = momentum({velocity(name)}, {slope}, beta={tasks.MOMENTUM})",'
            for name, slope in zip(NAMES, slopes)
        ]
        updates = moved + [f'"{name} = sgd({name}, {velocity(name)}, {tasks.RATE})",' for name in NAMES]
    lines = [
        "[job]",
        'name = "digits"',
        f'protocol = "{protocol}"',
        "ring_bits = 64",
        "fraction_bits = 24",
        f'truncation = "{truncation}"',
        "[inputs]",
        f'images = {{ owner = 0, file = "{tasks.DIGITS}/train_x.npy", shape = [1437, 64], bound = 1.0 }}',
        f'digits = {{ owner = 1, file = "{tasks.DIGITS}/train_y.npy", shape = [1437], bound = 9.0 }}',
        *inputs,
        "[public]",
        f"rows = {{ shuffle = 1437, take = {tasks.BATCH}, seed = 7 }}",
        "[state]",
        *kept,
        "[program]",
        "steps = [",
        '"labels = one_hot(digits, 10)",',
        f"{{ repeat = {epochs * tasks.STEPS}, steps = [",
        '"first = relu(images[rows] @ w1 + b1)",',
        '"second = relu(first @ w2 + b2)",',
        '"loss = cross_entropy(second @ w3 + b3, labels[rows])",',
        *updates,
        "] },",
        "]",
        "[outputs]",
        *[f'{name} = {{ to = [0], file = "learnt-{name}.npy" }}' for name in NAMES],
    ]
    (folder / "job.toml").write_text("\n".join(lines) + "\n")


def function(folder, task):
    """A job of two parties that compute one function of what they own."""
    inputs = {}
    if task == "matmul":
        a, b = tasks.factors()
        inputs, steps = {"a": (0, a), "b": (1, b)}, ["y = a @ b"]
    elif task == "relu":
        # Nobody knows the sum: a party computes by itself what it owns and is to learn.
        half = tasks.values().reshape(1, -1) / 2
        inputs, steps = {"a": (0, half), "b": (1, half)}, ["y = relu(a + b)"]
    else:
        inputs["x"] = (0, tasks.Digits().test_x)
        for (w, b), layer in zip(tasks.trained(), (1, 2, 3)):
            inputs |= {f"w{layer}": (1, w), f"b{layer}": (1, b)}
        steps = ["h1 = relu(x @ w1 + b1)", "h2 = relu(h1 @ w2 + b2)", "y = h2 @ w3 + b3"]
    lines = ["[job]", f'name = "{task}"', 'protocol = "beaver"', "ring_bits = 64", "fraction_bits = 16", "[inputs]"]
    for name, (owner, array) in inputs.items():
        np.save(folder / f"{name}.npy", array)
        bound = float(np.ceil(np.abs(array).max()))
        lines += [f'{name} = {{ owner = {owner}, file = "{name}.npy", shape = {list(array.shape)}, bound = {bound} }}']
    lines += ["[program]", f"steps = {json.dumps(steps)}", "[outputs]", 'y = { to = [0], file = "y.npy" }']
    (folder / "job.toml").write_text("\n".join(lines) + "\n")


def run(symbolon, folder, correlations):
    """Runs the job; returns seconds from the parties' agreement to the last step, with whatever made correlations
    meanwhile, and the bytes that all sent each other."""
    command = [symbolon, "run", folder / "job.toml", "--local", "--json"]
    command += ["--correlations", correlations] if correlations else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"symbolon ends with status {done.returncode}: {done.stderr.strip()}")
    report = json.loads(done.stdout)

    def seconds(party):
        own = [stage for stage in party["stages"] if stage["stage"] in ("keys", "preparing", "offline", "online")]
        return own[-1]["end_s"] - own[0]["begin_s"]

    sent = report["offline_bytes"] + sum(party["bytes_sent"] for party in report["parties"])
    return max(map(seconds, report["parties"])), sent


def learnt(folder):
    """The weights that a training gave."""
    read = {name: np.load(folder / f"learnt-{name}.npy") for name in NAMES}
    return [(read[f"w{layer}"], read[f"b{layer}"].reshape(-1)) for layer in (1, 2, 3)]
