"""sdk/muster.mjs on the real Node."""

import time

import pytest

from conftest import SLOW, TESTS

pytestmark = pytest.mark.needs("node")

ADAPTER = TESTS.parent / "sdk" / "muster.mjs"
TASKS = TESTS / "fixtures" / "node" / "tasks.mjs"


@pytest.fixture
def node(spawn):
    def start(*classes, file=TASKS):
        return spawn(["node", ADAPTER, file, *classes])
    return start


@pytest.fixture
def tasks(node):
    return node()


# ---- what can be called ----

def test_an_exported_class_is_made_once_a_task(tasks):
    assert [tasks.ok("Report", "made") for _ in range(3)] == [[1, 1], [2, 2], [3, 3]]


def test_an_exported_object_of_functions_is_a_class_too(tasks):
    assert tasks.ok("Mailer", "send", ["you"]) == "none to you"


def test_inherited_static_and_asynchronous_methods(tasks):
    assert tasks.ok("Report", "inherited") == "Report"
    assert tasks.ok("Report", "fixed", ["loud"]) == "LOUD"
    assert tasks.ok("Report", "build", [2025]) == ["untitled", 2025]


def test_named_arguments_are_one_object(tasks):
    assert tasks.ok("Report", "named", {"to": "you"}) == "none to you"


@pytest.mark.parametrize("method", ["_hidden", "constructor", "property", "arrow", "title", "toString", "call", "__proto__", "nonesuch"])
def test_what_is_no_public_method_is_unknown(tasks, method):
    assert tasks.run("Report", method).answer["unknown"] == "method"
    assert tasks.run("Mailer", "notAFunction").answer["unknown"] == "method"


@pytest.mark.parametrize("name", ["Default", "default", "notAClass", "Base", "Object", "__proto__", "Nonesuch"])
def test_what_is_not_exported_is_unknown(tasks, name):
    assert tasks.run(name, "run").answer["unknown"] == "class"


def test_names_after_the_file_are_the_only_ones(node):
    child = node("Mailer")
    assert child.ok("Mailer", "send", ["you"]) == "none to you"
    assert child.run("Report", "made").answer["unknown"] == "class"


def test_a_file_that_is_not_there_is_named(node, folder):
    child = node(file=folder / "nonesuch.mjs")
    assert child.leaves()[0] == 78 and b"nonesuch.mjs is not there" in child.errors


def test_a_module_that_does_not_load_says_why(node, folder):
    (folder / "bad.mjs").write_text("throw new Error('not today')")
    child = node(file=folder / "bad.mjs")
    assert child.leaves()[0] == 1 and b"not today" in child.errors


# ---- how it ends ----

def test_retry_carries_its_delay(tasks):
    answer = tasks.run("Report", "later").answer
    assert (answer["retry"], answer["delay"]) == ("not yet", "5s")


def test_an_exception_fails_and_its_stack_is_in_the_log(tasks):
    end = tasks.run("Report", "breaks")
    assert end.answer["fail"] == "RangeError: no such year" and "tasks.mjs" in end.log


def test_a_result_that_is_no_json_fails(tasks):
    assert "the result is no JSON" in tasks.run("Report", "noJson").answer["fail"]


def test_exit_ends_the_process(tasks):
    tasks.submit("Report", "leaves")
    assert tasks.leaves() == (3, [])


def test_a_document_that_is_none_is_answered_and_survived(tasks):
    tasks.write(b"{\nnull\n\"text\"\n{\"class\":1,\"method\":\"x\"}\n")
    for _ in range(4):
        assert "task format wrong" in tasks.end().answer["fail"]
    assert tasks.ok("Mailer", "send", ["you"]) == "none to you"


@pytest.mark.parametrize("number, kind, after", [
    (9007199254740991, "number", 9007199254740992), (9007199254740993, "bigint", 9007199254740994),
    (-9223372036854775808, "bigint", -9223372036854775807), (18446744073709551615, "bigint", 18446744073709551616)])
def test_an_integer_that_a_double_would_change_is_a_bigint(tasks, number, kind, after):
    assert tasks.ok("Report", "next", [number]) == [kind, after]


def test_digits_in_a_text_are_no_integer(tasks):
    assert tasks.ok("Mailer", "send", ["9007199254740993, \"9007199254740993\"", "x"]) == "x to 9007199254740993, \"9007199254740993\""


# ---- what is printed ----

def test_what_is_printed_is_logged_with_the_task_s_id(tasks):
    id_ = tasks.submit("Report", "says", ["one\ntwo\nhalf"])
    end = tasks.end(id_)
    assert end.log == "one\ntwo\nhalf" and {notice["id"] for notice in end.notices} == {id_}
    tasks.close_input()
    tasks.leaves()
    assert b"by a program" in tasks.errors


def test_several_at_a_time_print_to_their_own_logs(tasks):
    ids = {tasks.submit("Report", "saysLater", [str(n)]): str(n) for n in range(5)}
    said, left = {id_: [] for id_ in ids}, set(ids)
    while left:
        message = tasks.message()
        if "ok" in message:
            assert message["ok"] == message["id"]
            left.remove(message["id"])
        else:
            said[message["id"]].append(message["log"])
    assert said == {id_: [f"{n} begins", f"{n} ends"] for id_, n in ids.items()}


# ---- told to stop ----

@pytest.mark.parametrize("method", ["sleeps", "swallows", "ignores"])
def test_a_stuck_task_runs_exiting_and_has_no_result(tasks, folder, method):
    tasks.ok("Mailer", "send", ["you"])
    id_ = tasks.submit("Report", method, [str(folder / "cleaned")])
    assert "beat" in tasks.message()
    began = time.monotonic()
    tasks.terminate()
    status, messages = tasks.leaves()
    assert status == 0 and time.monotonic() - began < 1 * SLOW
    assert [message["log"] for message in messages] == [f"exiting, of task {id_}"]
    if method == "sleeps":
        assert (folder / "cleaned").read_text() == "cleaned up\n"
