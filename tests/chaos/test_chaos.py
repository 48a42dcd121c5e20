"""Short runs of the driver: harm done behind Muster's back is seen, and each fault alone leaves all zeros at zero.

MUSTER_CHAOS_SECONDS stretches each run (default 5)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults import FAULTS

HERE = Path(__file__).resolve().parent
SECONDS = os.environ.get("MUSTER_CHAOS_SECONDS", "5")
NEEDS = {"": [], "external": ["--broker", "external"], "nodes": ["--nodes", "2"]}


def chaos(folder, *arguments):
    """Runs the driver: (exit status, report)."""
    report = folder / "report.json"
    done = subprocess.run([sys.executable, str(HERE / "run"), "--seconds", SECONDS, "--seed", "1", "--json", str(report),
                           *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    assert report.exists(), done.stderr[-4000:]
    return done.returncode, json.loads(report.read_text())


@pytest.mark.parametrize("harm, zero", [
    ("lose", "active for ever"), ("double", "run too often"), ("hold", "lease held by two"),
    ("forget", "state contradicts the ledger"), ("deny", "state contradicts the ledger")])
def test_harm_is_seen(tmp_path, harm, zero):
    status, report = chaos(tmp_path, "--faults", "none", "--sabotage", harm)
    subprocess.run(["rm", "-rf", report["folder"]], check=True)
    assert status == 1 and report["zeros"][zero] > 0


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_alone(tmp_path, fault):
    status, report = chaos(tmp_path, "--faults", fault, *NEEDS[FAULTS[fault].needs])
    assert status == 0, json.dumps(report["wrong"], indent=1)
    assert report["acknowledged"] > 100
