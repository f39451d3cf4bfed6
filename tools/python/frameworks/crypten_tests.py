"""CrypTen's own tests of arithmetic, comparisons and the ReLU, unchanged, with symbolon computing.

CrypTen starts two processes for every test. Each of them imports this file, and so computes on symbolon.
"""

import os
import shutil
import sys
import sysconfig
import tempfile
import unittest
from pathlib import Path

import symbolon.crypten

OTHERS = ("comparators", "relu", "max_pooling", "argmax_argmin_log_reduction", "abs_sign")
FOLDER = "SYMBOLON_TRIAL"

# CrypTen's tests come before Python's own of that name.
sys.path.insert(0, sysconfig.get_paths()["purelib"])
crypten = symbolon.crypten.crypten()


def computed() -> None:
    """Ends CrypTen, and writes down what symbolon has computed."""
    runs = engine.runs
    end()
    with (folder / "runs").open("a") as file:
        file.write(f"{runs}\n")


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp())
    os.environ[FOLDER] = str(folder)
    names = ["test.test_arithmetic", *(f"test.test_mpc.TestTFP.test_{name}" for name in OTHERS)]
    tests = unittest.defaultTestLoader.loadTestsFromNames(names)
    symbolon.crypten.trial(folder / "nodes")
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    runs = [int(line) for line in (folder / "runs").read_text().split()]
    print(f"{result.testsRun} tests, {len(result.errors + result.failures)} errors; symbolon ran {sum(runs)} programs")
    shutil.rmtree(folder)
    assert result.wasSuccessful()
    assert sum(runs) > 1000
else:
    folder = Path(os.environ[FOLDER])
    nodes = folder / "nodes"
    engine = symbolon.crypten.install(f"{nodes}/party{{rank}}/party.toml", dealer=f"{nodes}/dealer/dealer.toml")
    end, crypten.uninit = crypten.uninit, computed
