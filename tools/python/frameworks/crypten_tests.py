"""CrypTen's own tests of arithmetic, comparisons and the ReLU, unchanged, with symbolon computing.

CrypTen starts two processes for every test. Each of them imports this file, and so computes on symbolon.
"""

import os
import shutil
import sys
import sysconfig
import tempfile
import time
import unittest
from pathlib import Path

import symbolon.crypten

OTHERS = ("comparators", "relu", "max_pooling", "argmax_argmin_log_reduction", "abs_sign")
FOLDER = "SYMBOLON_TRIAL"
# Where there are so many seconds for all tests, none is begun once half of them are over.
end_s = time.monotonic() + float(os.environ.get("SYMBOLON_SCRIPT_SECONDS", "inf")) / 2

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


class Result(unittest.TextTestResult):
    """Results of as many tests as there is time for."""

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        if time.monotonic() > end_s:
            self.stop()


if __name__ == "__main__":
    os.environ[FOLDER] = str(folder)
    symbolon.crypten.trial(nodes)
    names = sys.argv[1:] or ["test_arithmetic", *(f"test_mpc.TestTFP.test_{name}" for name in OTHERS)]
    tests = unittest.defaultTestLoader.loadTestsFromNames([f"test.{name}" for name in names])
    due, result = tests.countTestCases(), unittest.TextTestRunner(verbosity=2, resultclass=Result).run(tests)
    runs = [int(line) for line in (folder / "runs").read_text().split()]
    shutil.rmtree(folder)
    bad = result.errors + result.failures
    print(f"{result.testsRun} of {due} tests, {len(bad)} errors; symbolon ran {sum(runs)} programs")
    assert sum(runs) > result.testsRun > len(bad) == 0
