"""PHP classes and producers that know nothing of Muster, on musterd, with the configurations of doc/from-fend.md as they stand there."""

import json
import re
import shutil
import subprocess
import time

import pytest

from harness import LIST, REPO, SLOW, alive, bound, process, stays, until

pytestmark = pytest.mark.skipif(not shutil.which("php"), reason="there is no php here")

FEND = REPO / "tests" / "fixtures" / "fend"
ADAPTER = str(REPO / "sdk" / "muster.php")
CLASSES = ["BaseTask", "OrderTask", r"App\*"]


def page_block(number):
    """A configuration of the page, from 0."""
    return re.findall(r"```yaml\n(.*?)```", (REPO / "doc" / "from-fend.md").read_text(), re.S)[number]


@pytest.fixture
def fend(folder, redis_server):
    """The framework's surroundings: logs, tasks, the Redis that producers push to."""
    class Fend:
        redis = redis_server()
        env = {"FEND_LOGS": str(folder), "FEND_TASKS": str(FEND / "tasks"), "FEND_REDIS": redis.socket}

        @staticmethod
        def produce(*pushes):
            lines = "".join(json.dumps(push) + "\n" for push in pushes)
            subprocess.run(["php", FEND / "producer.php"], input=lines, text=True, check=True, env=Fend.env, timeout=60 * SLOW)

        @staticmethod
        def read(name):
            return (folder / name).read_text() if (folder / name).exists() else ""
    return Fend


@pytest.fixture
def from_page(make, fend):
    """A musterd with a configuration of the page; `changes` are what differs here: paths, and where Redis is."""
    def start(number, changes):
        one = make()
        text = page_block(number)
        for there, here in {"/usr/share/muster/sdk/muster.php": ADAPTER, **changes}.items():
            assert there in text, there
            text = text.replace(there, here)
        text = re.sub(r"^( *)exec:", lambda match: f"{match[1]}env: {json.dumps(fend.env)}\n{match[0]}", text, flags=re.M)
        one.config_text = f"{text}\nlisten: ['127.0.0.1:{one.port}']\nuser: root\nstate_dir: {one.state}\nshutdown_grace: 3s\n"
        return one.start(timeout=30)
    return start


@pytest.fixture
def moved(from_page, fend, folder):
    """The page's second way: the tasks on Muster's own queue, 20 workers."""
    return from_page(1, {"redis://127.0.0.1:6379/0": fend.redis.url(), "/var/log/muster/asynctask.log": f"{folder}/muster.log",
                         "cwd: /srv/app": f"cwd: {FEND}"})


def ended(m, fend, count):
    """The tasks of the list, ended, by id."""
    ids = until(lambda: len(found := m.list_tasks(client=fend.redis.client())) == count and found, 30, f"{count} tasks are there")
    return {id_: m.wait_task(id_, timeout=40) for id_ in ids}


def test_the_document_s_tasks_classes_and_producers_run_unmodified_with_20_workers(moved, fend, folder):
    assert len(moved.workers("asynctask")) == 20
    titles = {process(row["pid"]).title for row in moved.workers("asynctask")}
    assert titles == {f"xes_asynctask:worker-{slot}" for slot in range(20)}
    fend.produce(*[["OrderTask", "record", [f"{folder}/done", str(n)], 3] for n in range(400)],
                 ["OrderTask", "later", ["busy", 7], 3], ["OrderTask", "outOfStock", [], "3"], ["OrderTask", "breaks", [], 3],
                 ["OrderTask", "succeedsAt", [f"{folder}/tries", 3], 3], ["App\\Mailer", "send", {"subject": "hi", "to": "you"}, 1],
                 ["OrderTask", "nonesuch", [], 1], ["Fend_Log", "write", [], 1], ["ordertask", "ship", [7], None])
    tasks = ended(moved, fend, 408)
    assert sorted(map(int, fend.read("done").split())) == list(range(400))
    ends = {task["class"] + "." + task["method"]: task for task in tasks.values()}
    assert [ends[name]["state"] for name in ("OrderTask.succeedsAt", "App\\Mailer.send", "ordertask.ship")] == ["succeeded"] * 3
    assert ends["OrderTask.succeedsAt"]["attempts"] == 3 and ends["ordertask.ship"]["result"] == "7 to nowhere with 0"
    assert ends["App\\Mailer.send"]["result"] == "App\\Mailer: you, hi"
    kinds = {name: (task["error"]["kind"], task["attempts"]) for name, task in ends.items() if task["state"] == "dead"}
    assert kinds == {"OrderTask.later": ("retry", 3), "OrderTask.outOfStock": ("retry", 3), "OrderTask.breaks": ("exception", 1),
                     "OrderTask.nonesuch": ("unknown_method", 0), "Fend_Log.write": ("unknown_class", 0)}
    log = (folder / "muster.log").read_text()
    assert log.count("retry task:") >= 4 + 2 and log.count("class method not found:") == 2
    assert re.search(r"retry is zero:.*\|\|\|busy\(7\)", log) and re.search(r"exception:.*\|\|\|no such order\(42\)", log)
    assert {row["restarts"] for row in moved.workers("asynctask")} == {0}


# ---- behaviours of the ancestor, each with one worker ----

@pytest.fixture
def php(muster, fend):
    def start(**pool):
        return muster({"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}, **pool}],
                       "handlers": [{"class": "*", "exec": ["php", ADAPTER, "bootstrap.php", *CLASSES], "cwd": str(FEND),
                                     "env": fend.env}]})
    return start


@pytest.mark.parametrize("text, result", [
    ("[9223372036854775807]", [9223372036854775807]), ("[18446744073709551616]", [1.8446744073709552e19]), ("[1.0]", [1.0]),
    ('["\\ud83d\\ude00 \\/ \u00e9 \\u0000"]', ["\U0001F600 / \u00e9 \0"]), ("{}", []), ("[[[]]]", [[[]]])])
def test_param_reaches_the_method_as_it_was_pushed(php, text, result):
    m = php()
    m.lpush(f'{{"class":"OrderTask","method":"echo","param":{text}}}'.encode())
    task = m.only_list_task()
    assert json.dumps(task["result"]) == json.dumps(result)


def test_what_is_printed_is_in_the_log_with_the_task_s_id(php):
    m = php()
    id_ = m.submit("OrderTask", "says", "one\ntwo\n")
    assert m.wait_task(id_)["state"] == "succeeded"
    for word in ("one", "two", "by STDOUT", "by a program"):
        assert m.wait_log(id_, word), word


@pytest.mark.parametrize("method", ["leaves", "fatal"])
def test_exit_and_fatal_errors_are_crashes_and_the_worker_lives(php, method):
    m = php()
    pid = m.worker(0)["pid"]
    m.lpush({"class": "OrderTask", "method": method, "retry": 3})
    task = m.only_list_task(timeout=30)
    assert (task["state"], task["error"]["kind"], task["crashes"], task["attempts"]) == ("dead", "crash", 3, 0)
    assert m.worker(0)["pid"] == pid
    assert m.run("OrderTask", "ship", 7)["result"] == "7 to nowhere with 0"


@pytest.mark.parametrize("method, param", [("sleeps", [60]), ("spins", [])])
def test_a_stuck_task_runs_exiting_ends_and_others_go_on(php, fend, method, param):
    m = php(heartbeat_timeout="1s")
    m.lpush({"class": "OrderTask", "method": method, "param": param})
    task = m.only_list_task(timeout=30)
    assert (task["state"], task["error"]["kind"], task["attempts"]) == ("dead", "timeout", 1)
    assert fend.read("exiting") == "exiting of OrderTask\n" and fend.read("went-on") == ""
    assert len(m.wait_log("killed timeout:")) == 1
    assert m.run("OrderTask", "ship", 7)["state"] == "succeeded"


def test_a_killed_worker_loses_no_task_and_leaves_no_php(php, fend):
    m = php()
    id_ = m.submit("OrderTask", "sleeps", 2)
    m.running(id_)
    child = until(lambda: [p for p in m.tree() if "muster.php" in p.title], what="the PHP process")[0].pid
    until(lambda: m.log_lines(id_, "busy"), what="it is at work")
    m.kill_worker(0)
    until(lambda: not alive(child), what="the PHP process is gone")
    task = m.wait_task(id_, timeout=30)
    assert task["state"] == "succeeded" and task["crashes"] == 1 and fend.read("went-on") == "went on\n"


def test_a_cancelled_task_is_told_and_has_not_succeeded(php, fend):
    m = php()
    id_ = m.submit("OrderTask", "sleeps", 60)
    until(lambda: m.log_lines(id_, "busy"), what="it is at work")
    began = time.monotonic()
    assert m.delete(f"/v1/tasks/{id_}").status == 200
    assert m.wait_task(id_)["state"] == "cancelled" and time.monotonic() - began < bound(2)
    assert fend.read("exiting") == "exiting of OrderTask\n" and fend.read("went-on") == ""


# ---- the document's service, to the letter ----

@pytest.fixture
def service(from_page, fend, folder):
    """The page's first way: the class AsyncTask, cut out of the document as it stands, in a pool of 20."""
    code = re.search(r"```php\n(.*?)```", (REPO / "tests" / "fixtures" / "seed-document.md").read_text(), re.S)[1]
    (folder / "app" / "bin").mkdir(parents=True)
    (folder / "app" / "bin" / "asynctask.php").write_text("<?php\n" + code)
    (folder / "router.php").write_text(f"<?php require '{FEND}/router.php';")

    def start(**changes):
        return from_page(0, {"/srv/app/bin": f"{folder}/app/bin", **changes})
    return start


def test_the_document_s_class_runs_to_the_letter_as_a_service_with_20_workers(service, fend, folder):
    m = service()
    until(lambda: fend.read("asynctask.log").count("worker started pid=") == 20, 30, "all 20 have started")
    assert fend.read("asynctask.log").count("service started pid=") == 20
    assert {process(row["pid"]).title for row in m.workers("asynctask")} == {f"xes_asynctask:worker-{slot}" for slot in range(20)}
    fend.produce(*[["OrderTask", "record", [f"{folder}/done", str(n)], 3] for n in range(200)], ["OrderTask", "later", ["busy", 7], 3],
                 ["OrderTask", "breaks", [], 3], ["OrderTask", "nonesuch", [], 1], ["App\\Mailer", "send", ["you"], 1])
    until(lambda: len(fend.read("done").split()) == 200 and "retry is zero:" in fend.read("asynctask.log"), 40, "all is done")
    log = fend.read("asynctask.log")
    assert sorted(map(int, fend.read("done").split())) == list(range(200))
    assert log.count("retry task:") == 2 and "|||busy(7)" in log and "|||no such order(42)" in log and "class method not found:" in log
    assert m.wait_log("asynctask service started...", count=20)
    assert {row["restarts"] for row in m.workers("asynctask")} == {0}


@pytest.mark.parametrize("method, param", [("sleeps", [60]), ("spins", [])])
def test_a_service_that_is_silent_runs_exiting_and_is_replaced(service, fend, method, param):
    m = service(**{"workers: 20": "workers: 2", "heartbeat_timeout: 10s": "heartbeat_timeout: 4s"})
    until(lambda: fend.read("asynctask.log").count("worker started pid=") == 2, 30, "both have started")
    fend.produce(["OrderTask", method, param, 1])
    until(lambda: sum(row["restarts"] for row in m.workers("asynctask")) == 1, 30, "the silent one is replaced")
    until(lambda: fend.read("asynctask.log").count("worker started pid=") == 3, 30, "another has started")
    assert f'"method":"{method}"' in fend.read("asynctask.log").split("killed timeout:")[1].splitlines()[0]
    assert fend.read("went-on") == ""
    assert [row["last_exit"]["reason"] for row in m.workers("asynctask") if row["last_exit"]] == ["timeout"]


def test_a_service_that_waits_for_tasks_lives_on(service, fend):
    m = service(**{"workers: 20": "workers: 2", "heartbeat_timeout: 10s": "heartbeat_timeout: 4s"})
    until(lambda: fend.read("asynctask.log").count("worker started pid=") == 2, 30, "both have started")
    stays(lambda: all(row["restarts"] == 0 for row in m.workers("asynctask")), 6, "nobody is replaced, for longer than the promise")


def test_an_ordered_stop_runs_exiting_and_leaves_no_php(service, fend):
    m = service(**{"workers: 20": "workers: 2"})
    until(lambda: fend.read("asynctask.log").count("worker started pid=") == 2, 30, "both have started")
    children = [one.pid for one in m.tree() if "asynctask.php" in one.title]
    assert len(children) == 2
    m.stop(timeout=20)
    assert not any(map(alive, children)) and fend.read("asynctask.log").count("killed timeout:") == 2
