"""Every adapter goes through the conformance kit, and the kit notices what is wrong."""

import subprocess
import sys

import pytest

from conftest import TESTS

KIT = TESTS / "exec-kit"
SDK = TESTS.parent / "sdk"
# JavaScript has one kind of number, jq 1.6 computes with doubles and reads 256 levels.
ADAPTERS = [
    pytest.param(["php", SDK / "muster.php", KIT / "kit.php"], [], marks=pytest.mark.needs("php"), id="php"),
    pytest.param([sys.executable, SDK / "muster.py", KIT / "kit_tasks.py"], ["--concurrent"], id="python"),
    pytest.param(["node", SDK / "muster.mjs", KIT / "kit.mjs"], ["--concurrent", "--skip", "whole-floats"], marks=pytest.mark.needs("node"), id="node"),
    pytest.param([KIT / "kit.sh"], ["--skip", "big-integers,whole-floats,deep"], marks=pytest.mark.needs("jq"), id="shell"),
]


def run(command, options=()):
    done = subprocess.run([sys.executable, KIT / "kit", *options, *command], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command, options", ADAPTERS)
def test_an_adapter_passes_the_kit(command, options):
    status, text = run(command, options)
    assert status == 0 and "\nnot ok" not in text, text


def test_a_program_that_answers_nothing_fails_it(monkeypatch):
    monkeypatch.setenv("MUSTER_TEST_SLOW", "0.01")
    status, text = run(["cat"])
    assert status == 1 and "not ok 1 - null" in text


def test_a_program_that_is_not_there_fails_it():
    status, text = run(["/nonexistent"])
    assert status == 1 and "No such file" in text


def test_the_page_shows_the_shell_adapter_as_it_is():
    page = (TESTS.parent / "doc" / "exec-adapter.md").read_text()
    assert f"```sh\n{(KIT / 'kit.sh').read_text()}```" in page
    assert (KIT / "kit.sh").read_text().count("\n") <= 55
