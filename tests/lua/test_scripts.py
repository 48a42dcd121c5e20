"""What holds for every script."""
import re

import pytest

from scripts import FOLDER, NAMES, script_text

MUST_NOT_GROW = {"submit", "put", "log"}  # a full Redis refuses these, and only these


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_says_what_it_takes_and_returns(broker, name):
    assert len(broker.client.script_load(script_text(name))) == 40
    lines = (FOLDER / f"{name}.lua").read_text().split("\n")
    assert lines[0] == "#!lua" if name in MUST_NOT_GROW else lines[0] in ("#!lua flags=allow-oom", "#!lua flags=no-writes")
    comment = "\n".join(line for line in lines[1:20] if line.startswith("--"))
    comment = re.sub(r"\A-- with \w+\.lua\n", "", comment)
    assert comment.startswith(f"-- {name}: ")
    for word in ("KEYS", "ARGV", "returns"):
        assert re.search(rf"^-- {word}\b", comment, re.M), word


@pytest.mark.parametrize("name", [name for name in NAMES if name != "turn"])  # it looks for paused classes
def test_it_never_looks_into_a_document(name):
    assert not re.search(r"cjson|cmsgpack|struct\.", script_text(name))


def test_every_key_lies_in_the_namespace(broker):
    """Else it would fail in a cluster: only plain lists may lie elsewhere, and those are called with care."""
    broker.lists = {"default": "list"}
    broker.submit("a", "b", "c")
    broker.submit("d", run_at=5)
    broker.client.lpush("list", "{}")
    broker.look("a", watch=1)
    broker.turn(1)
    broker.turn(2, outcomes=[("a", "B")])
    broker.due()
    broker.cancel("b")
    broker.recover()
    broker.call("node", "n", 1, "{}")
    broker.retain(0, 0, 0, 0)
    for key in broker.client.keys():
        assert key.startswith(b"{muster}:"), key
