"""Measures symbolon beside SPU and CrypTen in one run, and writes a table and a file of JSON.

    python3 tools/compare/compare.py target/release/symbolon

The systems take turns, A B C A B C, each round once, so that whatever else the machine does meanwhile is with all of
them; figures are medians of the rounds. README.md beside this says what counts.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import install
import symbolon_jobs
import tasks

HERE = Path(__file__).resolve().parent
EPOCHS = 4


class Worker:
    """SPU or CrypTen in a process of its own, which runs its task once each time it is asked."""

    def __init__(self, envs, system, *arguments):
        command = [install.python(envs, system), HERE / f"{system}_worker.py", *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, **pipes)
        self.first = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"ended with status {self.process.wait()}")
        return json.loads(line)

    def run(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told = self.read()
        return told["seconds"], told["sent_bytes"]

    def end(self):
        self.process.stdin.close()
        rest = self.process.stdout.readline()
        self.process.wait()
        return json.loads(rest) if rest else {}


class Symbolon:
    """A job of symbolon, which is run anew each time it is asked."""

    first = {}

    def __init__(self, program, prepare, correlations=None, epochs=1):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self.scratch.name)
        prepare(self.folder)
        self.program, self.correlations, self.epochs = program, correlations, epochs

    def run(self):
        seconds, sent = symbolon_jobs.run(self.program, self.folder, self.correlations)
        return seconds / self.epochs, sent / self.epochs

    def end(self):
        if self.epochs == 1:
            return {}
        return {"right": tasks.Digits().right(symbolon_jobs.learnt(self.folder))}


def trainings(program, envs, momentum):
    """An epoch of 11 steps, by each system: a name, and how to start it."""
    name = "train-momentum" if momentum else "train-sgd"

    def job(protocol, truncation):
        def prepare(folder):
            symbolon_jobs.training(folder, protocol, truncation, momentum, EPOCHS)

        return lambda: Symbolon(program, prepare, epochs=EPOCHS)

    return [
        ("symbolon beaver, stochastic", job("beaver", "stochastic")),
        ("symbolon beaver, nearest", job("beaver", "nearest")),
        ("SPU SEMI2K, two parties", lambda: Worker(envs, "spu", name, "SEMI2K")),
        ("symbolon replicated, stochastic", job("replicated", "stochastic")),
        ("symbolon replicated, nearest", job("replicated", "nearest")),
        ("SPU ABY3, three parties", lambda: Worker(envs, "spu", name, "ABY3")),
        ("CrypTen, two parties", lambda: Worker(envs, "crypten", name)),
    ]


def functions(program, envs, task):
    def prepare(folder):
        symbolon_jobs.function(folder, task)

    return [
        ("symbolon, correlations of the pair", lambda: Symbolon(program, prepare, "pair")),
        ("SPU CHEETAH", lambda: Worker(envs, "spu", task, "CHEETAH")),
    ]


def measure(systems, rounds, faults):
    """Medians of the rounds, by system."""
    there, rows = [], []
    for name, start in systems:
        try:
            there.append((name, start()))
        except (RuntimeError, OSError) as fault:
            faults.append(f"{name}: {fault}")
    figures = {name: [] for name, _ in there}
    for _ in range(rounds):
        for name, system in there:
            try:
                figures[name].append(system.run())
            except (RuntimeError, OSError) as fault:
                faults.append(f"{name}: {fault}")
    for name, system in there:
        more = system.end()
        if figures[name]:
            seconds, sent = zip(*figures[name])
            row = {"system": name, "seconds": statistics.median(seconds), "sent_bytes": statistics.median(sent)}
            rows.append(row | {"all_seconds": seconds, "first": system.first} | more)
    return rows


def rated(rows):
    """To each of symbolon's, how many times as fast it is as the fastest of the others, and how many times as much all send
    as where the others send least."""
    others = [row for row in rows if not row["system"].startswith("symbolon")]
    for row in rows:
        if others and row not in others:
            row["times_as_fast"] = min(other["seconds"] for other in others) / row["seconds"]
            row["times_as_much_sent"] = row["sent_bytes"] / min(other["sent_bytes"] for other in others)
    return rows


def table(what, rows):
    heading = [
        "system",
        "seconds",
        "sent by all",
        "times as fast as the fastest other",
        "times the bytes of the least",
        "right",
    ]
    lines = [f"\n### {what}\n", "| " + " | ".join(heading) + " |", "|---" * len(heading) + "|"]
    for row in rows:
        ratios = [f"{row[name]:.2f}" if name in row else "" for name in ("times_as_fast", "times_as_much_sent")]
        right = f"{100 * row['right']:.1f} %" if "right" in row else ""
        cells = [row["system"], f"{row['seconds']:.3f}", f"{row['sent_bytes'] / 1e6:.1f} MB", *ratios, right]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def commit():
    described = ["git", "-C", HERE, "describe", "--always", "--abbrev=40", "--dirty"]
    return subprocess.run(described, capture_output=True, text=True).stdout.strip()


def processor():
    try:
        found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        return found[0].split(":")[1].strip()
    except (OSError, IndexError):
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("symbolon", type=Path, help="a program built in release")
    envs = Path(tempfile.gettempdir()) / "symbolon-compare"
    add("--envs", type=Path, default=envs, help="where SPU and CrypTen are, or are installed")
    add("--rounds", type=int, default=5, help="how often each system runs")
    add("--only", choices=["train", "pair"], help="training, or two parties that make their own correlations")
    add("--commit", help="what the program was built of [default: the commit of this repository]")
    add("--shared", action="store_true", help="write that other programs ran meanwhile")
    add("--results", type=Path, default=HERE.parent.parent / "benches" / "results", help="the folder for the file")
    arguments = parser.parse_args()
    program = arguments.symbolon.resolve()
    arguments.envs.mkdir(parents=True, exist_ok=True)
    faults = []
    for system in install.SYSTEMS:
        fault = install.install(arguments.envs, system)
        faults += [f"{system}: {fault}"] if fault else []
    load = os.getloadavg()
    results = {}

    def take(what, systems):
        print(f"measuring {what}", file=sys.stderr)
        results[what] = rated(measure(systems, arguments.rounds, faults))
        print(table(what, results[what]), flush=True)

    if arguments.only != "pair":
        take("an epoch of 11 steps by gradient descent", trainings(program, arguments.envs, False))
        take("an epoch of 11 steps with momentum", trainings(program, arguments.envs, True))
    if arguments.only != "train":
        take("a product of 256³, both phases", functions(program, arguments.envs, "matmul"))
        take("ReLU of 100,000 values, both phases", functions(program, arguments.envs, "relu"))
        take("the network on 360 images, both phases", functions(program, arguments.envs, "network"))
    for fault in faults:
        print(f"FAILED: {fault}")
    date = datetime.datetime.now(datetime.timezone.utc)
    report = {
        "date": date.isoformat(timespec="seconds"),
        "program": subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip(),
        "commit": arguments.commit or commit(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "machine": "shared with other programs" if arguments.shared else "alone",
        "load_average_before": load,
        "load_average_after": os.getloadavg(),
        "rounds": arguments.rounds,
        "figures": "medians of the rounds, in which the systems take turns",
        "failed": faults,
        "results": results,
    }
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / f"compare-{date:%F}.json"
    file.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nwritten to {file}")


if __name__ == "__main__":
    main()
