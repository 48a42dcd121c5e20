"""sdk/muster.php on the real PHP: the behaviours of the service that Muster descends from, and its document's own example."""

import json
import re
import subprocess
import time

import pytest

from conftest import SLOW, TESTS

pytestmark = pytest.mark.needs("php")

FEND = TESTS / "fixtures" / "fend"
ADAPTER = TESTS.parent / "sdk" / "muster.php"
CLASSES = ["BaseTask", "OrderTask", r"App\Mailer"]


def until(condition, what, timeout=10.0):
    deadline = time.monotonic() + timeout * SLOW
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.002)
    return value


@pytest.fixture
def php(spawn, folder):
    """The adapter with the fixture's bootstrap; php("Class", …) declares these."""
    def start(*classes, options=(), bootstrap=FEND / "bootstrap.php"):
        return spawn(["php", *options, ADAPTER, bootstrap, *classes],
                     env={"FEND_LOGS": str(folder), "FEND_TASKS": str(FEND / "tasks")})
    return start


@pytest.fixture
def orders(php):
    return php(*CLASSES)


# ---- which classes and methods ----

def test_the_classes_that_the_bootstrap_declares_can_be_called(php):
    child = php()
    assert child.ok("Declared", "sees") == "in the global scope"
    assert child.run("OrderTask", "made").answer["unknown"] == "class"


def test_only_the_classes_that_are_listed_can_be_called(orders):
    assert orders.ok("OrderTask", "inherited") == "OrderTask"
    for name in ("Declared", "ArrayObject", "Fend_Log", "Muster", "Muster_Runner", "Nonesuch", "../bootstrap"):
        assert orders.run(name, "sees").answer["unknown"] == "class", name


def test_a_namespace_can_be_listed_as_a_whole(php):
    child = php(r"App\*")
    assert child.ok(r"App\Mailer", "send", ["you"]) == r"App\Mailer: you, none"
    assert child.run(r"App\Nonesuch", "send").answer["unknown"] == "class"
    assert child.run("OrderTask", "made").answer["unknown"] == "class"


@pytest.mark.parametrize("name", [r"App\Mailer", r"app\mailer", r"\App\Mailer"])
def test_class_names_are_not_case_sensitive_and_autoloaded_by_their_own_spelling(orders, name):
    assert orders.ok(name, "send", ["you"]) == r"App\Mailer: you, none"


def test_method_names_are_case_sensitive(orders):
    assert orders.ok("OrderTask", "inherited") == "OrderTask"
    assert orders.run("OrderTask", "Inherited").answer["unknown"] == "method"


@pytest.mark.parametrize("name", ["secret", "hidden", "byCall", "nonesuch"])
def test_private_protected_and_call_only_methods_are_unknown(orders, name):
    assert orders.run("OrderTask", name).answer["unknown"] == "method"


def test_inherited_and_static_methods_work(orders):
    assert orders.ok("OrderTask", "inherited") == "OrderTask"
    assert orders.ok("OrderTask", "shared", ["loud"]) == "LOUD"


def test_a_class_is_constructed_without_arguments_once_a_task(orders):
    assert [orders.ok("OrderTask", "made") for _ in range(3)] == [[1, 1], [2, 2], [3, 3]]
    orders.run("OrderTask", "nonesuch")
    assert orders.ok("OrderTask", "made") == [4, 4]


# ---- arguments and results ----

def test_an_array_is_positional_and_an_object_is_named(orders):
    assert orders.ok("OrderTask", "ship", [7, "Berlin"]) == "7 to Berlin with 0"
    assert orders.ok("OrderTask", "ship", {"items": [1, 2], "order": 7}) == "7 to nowhere with 2"
    assert "$colour" in orders.run("OrderTask", "ship", {"order": 7, "colour": 1}).answer["fail"]


def test_an_absent_param_means_no_arguments(orders):
    assert orders.ok("OrderTask", "echo") == []


@pytest.mark.parametrize("param", [1, "x", True, 1.5])
def test_a_scalar_param_is_an_error(orders, param):
    assert "param" in orders.run("OrderTask", "echo", param).answer["fail"]


@pytest.mark.parametrize("given, reached", [
    ("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808"),
    ("18446744073709551616", "1.8446744073709552e+19"), ("1.0", "1.0"), ("0.1", "0.1"), ('"\\u0000"', '"\\u0000"'),
    ('"\\ud83d\\ude00 \\/ \u00e9"', '"\U0001F600 / \u00e9"'), ("[[]]", "[[]]"), ("null", "null")])
def test_param_reaches_the_method_as_given_each_time(orders, given, reached):
    raw = f'{{"class":"OrderTask","method":"echo","param":[{given}]}}'
    for attempt in (1, 2):
        orders.write(orders.document("", "", raw=raw, attempt=attempt)[1])
        until(lambda: b"\n" in orders.rest or not orders.pump(time.monotonic() + 10), "an answer")
        text, _, orders.rest = orders.rest.partition(b"\n")
        assert text.decode().startswith(f'{{"ok":[{reached}]'), text


def test_of_duplicate_keys_the_last_counts(orders):
    raw = '{"class":"Nonesuch","class":"OrderTask","method":"echo","param":[1],"param":[2]}'
    assert orders.ok("", "", raw=raw) == [2]


def test_arguments_are_converted_as_php_does_it_for_a_callback(orders):
    assert orders.ok("OrderTask", "ship", ["7", 8]) == "7 to 8 with 0"


def test_512_levels_are_fine(orders):
    assert orders.ok("", "", raw='{"class":"OrderTask","method":"noop","class":"OrderTask","method":"echo","param":'
                     + "[" * 511 + "]" * 511 + "}") is not None


def test_what_is_no_json_is_not_a_failure_of_the_method(orders):
    end = orders.run("OrderTask", "handle")
    assert end.answer["ok"] is None and "not all JSON" in end.log


def test_a_document_that_is_none_is_answered_and_survived(orders):
    orders.write(b'{"class":\n')
    assert "task format wrong" in orders.end().answer["fail"]
    assert orders.ok("OrderTask", "echo", [1]) == [1]


# ---- how it ends ----

def test_a_retry_exception_asks_for_another_execution(orders):
    end = orders.run("OrderTask", "later", ["busy", 7])
    assert (end.answer["retry"], end.answer["code"]) == ("busy", 7)


def test_so_does_a_subclass_of_it(orders):
    end = orders.run("OrderTask", "outOfStock")
    assert (end.answer["retry"], end.answer["code"]) == ("none left", 17)


def test_any_other_exception_fails_and_its_trace_is_in_the_log(orders):
    end = orders.run("OrderTask", "breaks")
    assert (end.answer["fail"], end.answer["code"]) == ("no such order", 42)
    assert "InvalidArgumentException" in end.log and "OrderTask.php" in end.log


def test_so_does_an_error(orders):
    assert "strlen" in orders.run("OrderTask", "typeError").answer["fail"]
    assert "OrderTask" in orders.run("OrderTask", "ship", []).answer["fail"]


@pytest.mark.parametrize("method", ["leaves", "fatal"])
def test_exit_and_a_fatal_error_end_the_process_without_an_answer(orders, method):
    orders.submit("OrderTask", method)
    _, messages = orders.leaves()
    assert not any("ok" in message or "fail" in message for message in messages)


# ---- what is printed ----

def test_what_is_printed_is_logged_by_line_with_the_task_s_id(orders):
    id_ = orders.submit("OrderTask", "says", ["one\ntwo\nhalf "])
    end = orders.end(id_)
    assert end.answer["ok"] is None
    assert end.log == "one\ntwo\nhalf by a program" and all(notice["id"] == id_ for notice in end.notices)
    orders.close_input()
    orders.leaves()
    assert b"by STDOUT" in orders.errors


def test_what_is_printed_outside_of_a_task_is_no_message(php, folder):
    (folder / "b.php").write_text("<?php echo \"loading\\n\"; register_shutdown_function(function () { echo \"leaving\\n\"; });"
                                  "class T { function run() {} }")
    child = php(bootstrap=folder / "b.php")
    assert child.run("T", "run").notices == []
    child.close_input()
    assert child.leaves() == (0, []) and child.errors == b"loading\nleaving\n"


def test_a_class_that_throws_all_buffers_away_still_does_not_get_between_the_lines(orders):
    assert orders.run("OrderTask", "throwsAwayBuffers").answer["ok"] is None
    assert orders.run("OrderTask", "says", ["again\n"]).log.startswith("again")
    orders.close_input()
    orders.leaves()
    assert b"without a buffer" in orders.errors


def test_a_program_that_a_task_starts_does_not_inherit_the_protocol(php, folder):
    (folder / "b.php").write_text("<?php class T { function fds() { return shell_exec('ls -l /proc/self/fd'); } }")
    text = php(bootstrap=folder / "b.php").ok("T", "fds")
    assert len(re.findall(r" -> pipe:", text)) == 2, "standard output (of ls) and standard error"


# ---- a task that is stuck ----

@pytest.mark.parametrize("method, param", [("sleeps", [60]), ("spins", [])])
def test_exiting_is_run_on_a_stuck_task_which_does_not_go_on(orders, folder, method, param):
    orders.ok("OrderTask", "echo")
    orders.submit("OrderTask", method, param)
    assert orders.line()["log"] == "busy"
    orders.terminate()
    status, messages = orders.leaves()
    assert status == 0 and not any("ok" in message for message in messages)
    assert (folder / "exiting").read_text() == "exiting of OrderTask\n"
    assert not (folder / "went-on").exists()


def test_exiting_is_not_run_between_tasks(orders, folder):
    orders.ok("OrderTask", "echo")
    orders.terminate()
    assert orders.leaves() == (0, []) and not (folder / "exiting").exists()


# ---- what is refused ----

def test_a_bootstrap_that_is_not_there_is_named(php, folder):
    child = php(bootstrap=folder / "nonesuch.php")
    assert child.leaves()[0] == 78 and b"nonesuch.php is not there" in child.errors


def test_the_retry_exception_is_there_before_the_bootstrap(php, folder):
    (folder / "b.php").write_text("<?php class Mine extends Fend_RetryException {}\n"
                                  "class T { function run() { throw new Mine('again'); } }")
    assert php(bootstrap=folder / "b.php").run("T", "run").answer["retry"] == "again"


# ---- without the extensions that Debian has ----

def test_without_ffi_nothing_gets_between_the_lines_either(php):
    child = php("OrderTask", "App\\Mailer", options=["-n"])
    assert child.ok(r"App\Mailer", "send", ["you"]) == r"App\Mailer: you, none"
    assert child.run("OrderTask", "throwsAwayBuffers").answer["ok"] is None
    child.close_input()
    assert child.leaves()[0] == 0 and b"without a buffer" in child.errors


# ---- the document's own example, to the letter, as a service ----

@pytest.fixture
def service(spawn, folder, redis_socket):
    """The class AsyncTask, cut out of the document as it stands."""
    code = re.search(r"```php\n(.*?)```", (TESTS / "fixtures" / "seed-document.md").read_text(), re.S)[1]
    (folder / "app" / "bin").mkdir(parents=True)
    (folder / "app" / "bin" / "asynctask.php").write_text("<?php\n" + code)
    (folder / "router.php").write_text(f"<?php require '{FEND}/router.php';")

    def start():
        return spawn(["php", "-d", "disable_functions=extension_loaded", "-d", f"auto_prepend_file={ADAPTER}", "asynctask.php"],
                     cwd=folder / "app" / "bin",
                     env={"FEND_LOGS": str(folder), "FEND_TASKS": str(FEND / "tasks"), "FEND_REDIS": redis_socket})
    return start


@pytest.fixture
def log(folder):
    return lambda: (folder / "asynctask.log").read_text() if (folder / "asynctask.log").exists() else ""


@pytest.fixture
def lpush(redis_socket):
    redis = pytest.importorskip("redis").Redis(unix_socket_path=redis_socket)
    return lambda document: redis.lpush("async_task_queue", document if isinstance(document, str) else json.dumps(document))


def test_the_document_s_class_runs_as_a_service(service, lpush, log, folder):
    lpush({"class": "OrderTask", "method": "record", "param": [str(folder / "done"), "once"]})
    child = service()
    assert child.line()["log"] == "asynctask service started..."
    assert "beat" in child.line()
    until(lambda: (folder / "done").exists(), "its task was run")
    assert re.search(r"^service started pid=\d+\nworker started pid=\d+\n", log())


def test_its_loop_is_a_beat(service):
    child = service()
    child.line()
    for _ in range(3):
        assert "beat" in child.line()


def test_its_retries_and_failures_are_what_they_were(service, lpush, log, folder):
    service()
    lpush({"class": "OrderTask", "method": "later", "param": ["busy", 7], "retry": 3})
    until(lambda: log().count("retry task:") == 2 and "retry is zero:" in log(), "three executions")
    assert '|||busy(7)' in log()
    lpush({"class": "OrderTask", "method": "breaks", "param": [], "retry": 3})
    lpush("{")
    lpush({"class": "OrderTask", "method": "nonesuch", "param": []})
    until(lambda: "exception:" in log() and "task format wrong:{" in log() and "class method not found:" in log(), "its words")
    assert '|||no such order(42)' in log()


@pytest.mark.parametrize("method, param", [("sleeps", [60]), ("spins", [])])
def test_its_exiting_is_run_when_it_is_stuck(service, lpush, log, folder, method, param):
    child = service()
    lpush({"class": "OrderTask", "method": method, "param": param})
    while child.line().get("log") != "busy":
        pass
    child.terminate()
    assert child.leaves()[0] == 0
    assert f'"method": "{method}"' in log().split("killed timeout:")[1]
    assert not (folder / "went-on").exists()


def test_a_service_sees_swoole_and_what_is_really_there(spawn, folder):
    (folder / "s.php").write_text("<?php foreach (['swoole', 'JSON', 'zend opcache', 'nonesuch'] as $name) "
                                  "echo $name, ' ', var_export(extension_loaded($name), true), \"\\n\";")
    child = spawn(["php", "-d", "disable_functions=extension_loaded", "-d", f"auto_prepend_file={ADAPTER}", folder / "s.php"])
    assert [message["log"] for message in child.leaves()[1]] == ["swoole true", "JSON true", "zend opcache true", "nonesuch false"]


def test_a_subclass_that_has_only_a_hook_is_enough(spawn, folder):
    (folder / "s.php").write_text("<?php class S extends Fend_Process_manage { public $config; public function hook() { "
                                  "echo $this->config['name'], \"\\n\"; } } (new S(['name' => 'mine']))->start();")
    child = spawn(["php", "-d", f"auto_prepend_file={ADAPTER}", folder / "s.php"])
    status, messages = child.leaves()
    assert status == 0 and messages == [{"beat": True}, {"log": "mine"}]


def test_a_script_that_muster_did_not_start_may_use_muster(folder):
    path = folder / "s.php"
    path.write_text(f"<?php require '{ADAPTER}'; Muster::beat(); Muster::progress(3); echo 'fine';")
    assert subprocess.run(["php", path], stdin=subprocess.DEVNULL, capture_output=True, timeout=30).stdout == b"fine"
