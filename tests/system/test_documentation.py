"""doc/api.md is true: its lines are run and their output compared, its table is the description's; and the example clients
do what they say."""

import json
import os
import re
import shutil
import subprocess

import pytest

import description
import harness

API = harness.REPO / "doc" / "api.md"
CLIENTS = harness.EXAMPLES / "clients"
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.M | re.S)


@pytest.fixture
def m(muster):
    return muster({"pools": [{"name": "default", "workers": 2}]})


def steps(text):
    """[(command, output)] of all consoles, in their order."""
    found = []
    for block in CONSOLE.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append([line[2:], []])
            else:
                found[-1][1].append(line)
    return [(command, "\n".join(output)) for command, output in found]


def is_like(expected, said):
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), said, re.S)


def test_every_line_of_the_tour_does_what_the_page_says(m):
    all_steps = steps(API.read_text())
    assert len(all_steps) > 25
    shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for command, expected in all_steps:
            shell.stdin.write(command.replace("127.0.0.1:7077", f"127.0.0.1:{m.port}") + "\necho; echo END\n")
            shell.stdin.flush()
            said = []
            while (line := shell.stdout.readline()) != "END\n":
                assert line, f"the shell ended at {command}"
                said.append(line)
            assert is_like(expected, "".join(said).strip()), (command, expected, "".join(said))
    finally:
        shell.kill()
        shell.wait()


def rows():
    described = description.load().document["paths"]
    for path, methods in described.items():
        for method, operation in methods.items():
            roles = [role for one in operation["security"] for role in one.get("token", ())]
            yield f"| `{method.upper()} {path}` | {operation['summary']} | {', '.join(roles) or 'anybody'} |"


def test_the_table_is_the_descriptions():
    page = API.read_text()
    assert [row for row in page.splitlines() if row.startswith("| `")] == list(rows())


@pytest.mark.parametrize("name,program", [("submit.php", "php"), ("submit.py", "/usr/bin/python3"), ("submit.mjs", "node"),
                                          ("submit.sh", "sh")])
def test_example_clients(m, name, program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")

    def run(*arguments):
        return subprocess.run([program, str(CLIENTS / name), *arguments], capture_output=True, text=True, timeout=60 * harness.SLOW,
                              env={**os.environ, "MUSTER_URL": f"http://127.0.0.1:{m.port}"})
    done = run("Demo", "echo", "a", "ü")
    assert done.returncode == 0 and json.loads(done.stdout) == {"state": "succeeded", "result": ["a", "ü"], "error": None}, done
    done = run("Demo", "fail", "why not")
    assert done.returncode == 1 and json.loads(done.stdout)["error"]["message"] == "why not", done
    done = run("Not a class", "x")
    assert done.returncode != 0 and "422" in done.stdout + done.stderr, done
