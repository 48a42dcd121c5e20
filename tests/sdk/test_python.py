"""sdk/muster.py on the real Python (Debian's)."""

import ast
import sys
import time

import pytest

from conftest import SLOW, TESTS

ADAPTER = TESTS.parent / "sdk" / "muster.py"
TASKS = TESTS / "fixtures" / "python"


@pytest.fixture
def python(spawn):
    def start(*classes, file=TASKS / "tasks.py"):
        return spawn([sys.executable, ADAPTER, file, *classes])
    return start


@pytest.fixture
def tasks(python):
    return python()


# ---- what can be called ----

def test_a_decorated_function_is_a_method(tasks):
    assert tasks.ok("Mailer", "send", ["you"]) == "none to you"
    assert tasks.ok("Mailer", "send", {"subject": "hi", "to": "me"}) == "hi to me"


def test_a_decorated_class_is_made_once_a_task(tasks):
    assert [tasks.ok("Report", "made") for _ in range(3)] == [[1, 1], [2, 2], [3, 3]]


def test_a_class_can_have_another_name_and_a_parent(tasks):
    assert tasks.ok("Renamed", "own") == "Named"
    assert tasks.ok("Renamed", "fixed", ["loud"]) == "LOUD"
    assert tasks.run("Named", "own").answer["unknown"] == "class"


def test_static_class_and_asyncio_methods(tasks):
    assert tasks.ok("Report", "fixed", ["loud"]) == "LOUD"
    assert tasks.ok("Report", "of_class") == "Report"
    assert tasks.ok("Report", "build", [2025, 2026]) == ["untitled", 2025, 2026]
    assert tasks.ok("Report", "build", {"title": "all"}) == ["all"]


@pytest.mark.parametrize("method", ["_hidden", "__init__", "kind", "number", "nonesuch", "Fixed", ""])
def test_what_is_no_public_method_is_unknown(tasks, method):
    assert tasks.run("Report", method).answer["unknown"] == "method"


@pytest.mark.parametrize("name", ["Undeclared", "asyncio", "dict", "Report.Report", "Nonesuch"])
def test_what_is_not_declared_is_unknown(tasks, name):
    assert tasks.run(name, "run").answer["unknown"] == "class"


def test_names_after_the_file_are_the_only_ones(python):
    child = python("Mailer")
    assert child.ok("Mailer", "send", ["you"]) == "none to you"
    assert child.run("Report", "made").answer["unknown"] == "class"


def test_classes_need_no_decorator(python):
    child = python(file=TASKS / "plain.py")
    assert child.ok("Cleaner", "clean", {"room": "hall", "thoroughly": True}) == {"room": "hall", "thoroughly": True}
    assert child.ok("Cleaner", "who") == "Cleaner"
    for name in ("_Private", "OrderedDict"):
        assert child.run(name, "who").answer["unknown"] == "class"


def test_a_file_that_is_not_there_is_named(python):
    child = python(file=TASKS / "nonesuch.py")
    assert child.leaves()[0] == 78 and b"nonesuch.py" in child.errors


# ---- how it ends ----

def test_retry_carries_its_delay(tasks):
    answer = tasks.run("Mailer", "sendLater", ["you"]).answer
    assert (answer["retry"], answer["delay"]) == ("not yet to you", "5s")


def test_an_exception_fails_and_its_traceback_is_in_the_log(tasks):
    end = tasks.run("Report", "breaks")
    assert end.answer["fail"] == "LookupError: no such year" and "Traceback" in end.log and "tasks.py" in end.log


def test_wrong_arguments_fail(tasks):
    assert "TypeError" in tasks.run("Mailer", "send").answer["fail"]
    assert "param" in tasks.run("Mailer", "send", 5).answer["fail"]


@pytest.mark.parametrize("method", ["no_json", "not_a_number"])
def test_a_result_that_is_no_json_fails(tasks, method):
    assert "the result is no JSON" in tasks.run("Report", method).answer["fail"]


def test_exit_ends_the_process(tasks):
    tasks.submit("Report", "leaves")
    assert tasks.leaves() == (3, [])


def test_a_document_that_is_none_is_answered_and_survived(tasks):
    tasks.write(b"{\n[]\n\"text\"\n{\"class\":1,\"method\":\"x\"}\n")
    for _ in range(4):
        assert "task format wrong" in tasks.end().answer["fail"]
    assert tasks.ok("Mailer", "send", ["you"]) == "none to you"


# ---- what is printed ----

def test_what_is_printed_is_logged_with_the_task_s_id(tasks):
    id_ = tasks.submit("Report", "says", ["one\ntwo\nhalf"])
    end = tasks.end(id_)
    assert end.log == "one\ntwo\nhalf" and {notice["id"] for notice in end.notices} == {id_}
    tasks.close_input()
    tasks.leaves()
    assert b"by logging" in tasks.errors and b"by a program" in tasks.errors


def test_several_at_a_time_print_to_their_own_logs(tasks):
    ids = {tasks.submit("Report", "says_later", [str(n)]): str(n) for n in range(5)}
    said, left = {id_: [] for id_ in ids}, set(ids)
    while left:
        message = tasks.message()
        if "ok" in message:
            assert message["ok"] == message["id"]
            left.remove(message["id"])
        else:
            said[message["id"]].append(message["log"])
    assert said == {id_: [f"{n} begins", f"{n} ends"] for id_, n in ids.items()}


# ---- asyncio ----

def test_a_plain_method_may_have_an_event_loop_of_its_own(tasks):
    for _ in range(2):
        assert tasks.ok("Report", "loop_of_its_own") == "from a loop of its own"
        assert tasks.ok("Report", "build") == ["untitled"]


def test_a_plain_method_does_not_hold_up_those_that_wait(tasks):
    slow = tasks.submit("Report", "meets", [0.3])
    assert "beat" in tasks.message()
    plain = tasks.submit("Report", "blocks", [0.6])
    ends = {tasks.end().answer["id"]: time.monotonic() for _ in range(2)}
    assert ends[slow] < ends[plain]


# ---- told to stop ----

@pytest.mark.parametrize("method", ["sleeps", "swallows", "awaits", "spins_in_here"])
def test_a_stuck_task_shows_its_stack_runs_exiting_and_has_no_result(tasks, folder, method):
    tasks.ok("Mailer", "send", ["you"])
    id_ = tasks.submit("Report", method, [str(folder / "cleaned")])
    assert "beat" in tasks.message()
    began = time.monotonic()
    tasks.terminate()
    status, messages = tasks.leaves()
    assert status == 0 and time.monotonic() - began < 1 * SLOW
    assert not any("ok" in message or "fail" in message for message in messages)
    log = "\n".join(message["log"] for message in messages) + tasks.errors.decode()
    assert f"exiting, of task {id_}" in log
    assert f"in {method}" in log, "the stack"
    if method in ("sleeps", "awaits"):
        assert (folder / "cleaned").read_text() == "cleaned up\n"


def test_between_tasks_it_ends_without_a_word(tasks):
    tasks.ok("Mailer", "send", ["you"])
    tasks.terminate()
    assert tasks.leaves() == (0, []) and tasks.errors == b""


def test_what_it_says_outside_of_a_task_does_nothing(monkeypatch):
    monkeypatch.syspath_prepend(str(ADAPTER.parent))
    import muster
    muster.beat()
    muster.progress(5, "note")
    muster.push("Other", "run")
    assert muster.saved() is None and muster.current() is None


def test_each_public_name_says_what_it_does():
    tree = ast.parse(ADAPTER.read_text())
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name
            arguments = node.args.args if isinstance(node, ast.FunctionDef) else []
            assert all(argument.annotation for argument in arguments), node.name
