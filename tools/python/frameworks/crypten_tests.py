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
folder = Path(os.environ.get(FOLDER) or tempfile.mkdtemp())
nodes = folder / "nodes"
engine = symbolon.crypten.install(f"{nodes}/party{{rank}}/party.toml", dealer=f"{nodes}/dealer/dealer.toml")
crypten = symbolon.crypten.crypten()
end = crypten.uninit


def counted() -> None:
    """Ends CrypTen, and writes down how much symbolon has computed."""
    with (folder / "runs").open("a") as file:
        file.write(f"{engine.runs}\n")
    end()


crypten.uninit = counted

if __name__ == "__main__":
    os.environ[FOLDER] = str(folder)
    symbolon.crypten.trial(nodes)
    names = sys.argv[1:] or ["test_arithmetic", *(f"test_mpc.TestTFP.test_{name}" for name in OTHERS)]
    tests = unittest.defaultTestLoader.loadTestsFromNames([f"test.{name}" for name in names])
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    runs = [int(line) for line in (folder / "runs").read_text().split()]
    shutil.rmtree(folder)
    print(f"{result.testsRun} tests, {len(result.errors + result.failures)} errors; symbolon ran {sum(runs)} programs")
    assert result.wasSuccessful()
    assert sum(runs) > 100
