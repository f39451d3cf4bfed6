"""Two organisations, each with two workers on a Ray cluster of its own; one of the workers is killed in mid-run."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import ray
import symbolon as sb
from symbolon._session import command

WORKERS = 2
batches = np.random.default_rng(3).normal(0, 1, (16, 20, 5)).clip(-3, 3)
trained = np.random.default_rng(4).normal(0, 0.5, (5, 3)).clip(-2, 2)


def organisation(party: int, folder: Path) -> None:
    """The script of both: party 0 has the batches and learns the scores, party 1 has the model, and a worker dies."""
    logs, pids, own = (folder / f"{what}{party}" for what in ("ray", "pids", "party"))
    pids.mkdir()
    ray.init("local", num_cpus=WORKERS, object_store_memory=80 << 20, include_dashboard=False, _temp_dir=str(logs))

    def scores(x: sb.Tensor, w: sb.Tensor) -> sb.Tensor:
        (pids / str(os.getpid())).touch()
        return sb.relu(x @ w)

    def seen(progress: sb.ray.Progress) -> None:
        workers = [int(pid.name) for pid in pids.iterdir() if pid.name != str(os.getpid())]
        if party == 1 and progress.done >= 5 and len(workers) == WORKERS:
            os.kill(workers[0], signal.SIGKILL)
            (pids / "0").touch()

    inputs = {"x": sb.ray.Input(0, batches.shape[1:], 3.0)}
    residents = {"w": sb.ray.Input(1, trained.shape, 2.0, trained if party == 1 else None)}
    where = {"config": own / "party.toml", "directory": folder / "pool", "workers": WORKERS, "device": "cpu"}
    own_batches, patience = batches if party == 0 else len(batches), {"start_s": 200, "deadline_s": 120}
    pool = sb.ray.map(scores, own_batches, inputs=inputs, residents=residents, to=0, progress=seen, **where, **patience)
    learnt = list(pool)
    if party == 0:
        print("largest error:", np.abs(learnt - np.maximum(batches @ trained, 0)).max())
        np.testing.assert_allclose(learnt, np.maximum(batches @ trained, 0), atol=5e-3)
    assert sum(row["batches"] for row in pool.reports) == len(learnt) == len(batches)
    assert sum(row["replaced"] for row in pool.reports) >= party
    assert str(trained[0, 0]) not in "".join(log.read_text(errors="replace") for log in logs.rglob("*.[loe]*"))


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(organisation(int(sys.argv[1]), Path(sys.argv[2])))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        subprocess.run([command(), "init", "--parties", "2", "--dealer", name], check=True, capture_output=True)
        for number, file in enumerate(Path(name).glob("*/*.toml")):
            file.write_text(re.sub(r":7[01]0", f":{20 + number}{os.getpid() % 100:02}", file.read_text()))
        with sb.ray.Dealers(f"{name}/dealer/dealer.toml", directory=f"{name}/pool", workers=WORKERS, device="cpu"):
            parties = [subprocess.Popen([sys.executable, __file__, party, name]) for party in "01"]
            assert [party.wait() for party in parties] == [0, 0]
