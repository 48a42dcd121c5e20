"""HUP and POST /v1/reload: the configuration is read again and the workers are rolled one by one; no task, no connection and
no count is lost over it, and a file that is wrong changes nothing."""

import contextlib
import http.client
import json
import os
import signal
import threading
import time

import pytest

from harness import MUSTERD, Http, bound, compile_module, module, process, stays, until

READ_AGAIN = "configuration read again"
REFUSED = "configuration refused"


def pool(name="default", workers=2, *queues, **more):
    return {"name": name, "workers": workers, "queues": {queue: 1 for queue in queues or (name,)}, **more}


def ask(m, how="HUP"):
    """Asks for a reload and waits for nothing."""
    if how == "HUP":
        os.kill(m.guardian, signal.SIGHUP)
    else:
        assert m.post("/v1/reload").status == 202


def reload(m, how="HUP", **changes):
    """Lays the changes over the configuration, asks, and waits until it is taken over."""
    if changes:
        m.write_config({**m.config, **changes})
    taken = len(m.log_lines(READ_AGAIN))
    ask(m, how)
    m.wait_log(READ_AGAIN, count=taken + 1)


def refused(m, *words, how="HUP"):
    """Asks for a reload that must be refused, and returns what the log says."""
    before = len(m.log_lines(REFUSED))
    ask(m, how)
    lines = m.wait_log(REFUSED, count=before + 1, timeout=15)
    assert all(word in lines[-1] for word in words), lines[-1]
    return lines[-1]


def pids(m, name=None):
    return [row["pid"] for row in m.workers(name)]


def well(rows):
    return all(row["pid"] and row["state"] in ("idle", "busy") for row in rows)


def rolled(m, old, timeout=15.0):
    """Waits until there are as many workers as the configuration says, all well, none of them from before; returns their rows."""
    sizes = sorted((one["name"], slot) for one in m.config["pools"] for slot in range(one["workers"]))

    def done():
        rows = m.workers()
        there = sorted((row["pool"], row["slot"]) for row in rows)
        return rows if there == sizes and well(rows) and not {row["pid"] for row in rows} & set(old) else None
    return until(done, timeout, f"workers {sizes} are new and well")


def reload_all(m, how="HUP", **changes):
    """A whole reload: asked for, taken over, and everybody rolled."""
    old = pids(m)
    reload(m, how, **changes)
    return rolled(m, old)


def config_check(m):
    return m.get("/readyz").json["checks"]["config"]


# ---- what changes ----

@pytest.mark.parametrize("how", ["HUP", "POST"])
def test_pools_grow_and_shrink(muster, how):
    m = muster({"pools": [pool(workers=2)]})
    for workers in (4, 1, 3):
        rows = reload_all(m, how, pools=[pool(workers=workers)])
        assert [row["slot"] for row in rows] == list(range(workers))
        assert m.get("/v1/pools/default").json["workers"] == workers
        until(lambda: m.metrics().value("muster_workers", pool="default") == workers)
        assert m.get(f"/v1/workers/default/{workers}").status == 404
        assert {child.pid for child in m.children() if ":worker-" in child.title} == {row["pid"] for row in rows}
        assert m.run("Demo", "add", workers, 1)["result"] == workers + 1


@pytest.mark.parametrize("how", ["HUP", "POST"])
def test_pools_and_their_queues_come_and_go(muster, how):
    m = muster({"pools": [pool()]})
    assert m.post("/v1/tasks", {"class": "Demo", "method": "noop", "queue": "mail"}).status == 422
    for _ in range(2):
        reload_all(m, how, pools=[pool(), pool("mail", 1)])
        assert m.run("Demo", "add", 1, 2, queue="mail")["result"] == 3
        assert m.worker(0, "mail")["tasks"]["succeeded"] >= 1
        reload_all(m, how, pools=[pool()])
        until(lambda: m.post("/v1/tasks", {"class": "Demo", "method": "noop", "queue": "mail"}).status == 422)
        answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "queue": "mail"})
        assert answer.json["errors"][0]["pointer"] == "/queue" and "default" in answer.json["errors"][0]["detail"], answer
        assert m.get("/v1/workers/mail/0").status == 404 and not m.role("mail:worker-0")
    assert m.get("/readyz").status == 200


def test_a_pool_and_a_queue_that_are_gone_are_not_listed(muster):
    m = muster({"pools": [pool(), pool("mail", 1)]})
    reload_all(m, pools=[pool()])
    until(lambda: m.get("/v1/pools/mail").status == 404 and m.get("/v1/queues/mail").status == 404)
    assert [one["name"] for one in m.get("/v1/pools").json["pools"]] == ["default"]
    assert "mail" not in [one["name"] for one in m.get("/v1/queues").json["queues"]]


def test_tasks_of_a_queue_that_is_taken_away_are_kept(muster):
    m = muster({"pools": [pool()], "queues": [{"name": "mail"}]})
    waiting = m.submit_many([{"class": "Demo", "method": "add", "param": [n, 1], "queue": "mail"} for n in range(20)])
    later = m.submit("Demo", "add", 20, 1, queue="mail", delay="200ms")
    reload_all(m, queues=[])
    until(lambda: m.get("/v1/queues/mail").status == 404)
    assert m.task(waiting[0])["state"] == "pending"
    reload_all(m, pools=[pool(), pool("mail", 1)])
    for n, id_ in enumerate([*waiting, later]):
        assert m.wait_task(id_)["result"] == n + 1


def test_a_plain_list_is_served_as_soon_as_it_is_declared(muster):
    m = muster({"pools": [pool(), pool("mail", 1)]})
    m.lpush({"class": "Demo", "method": "record", "param": ["list", "before"]}, key="foreign")
    reload_all(m, queues=[{"name": "mail", "list": "foreign"}])
    until(lambda: m.record_lines("list") == ["before"])
    began = time.monotonic()
    m.lpush({"class": "Demo", "method": "record", "param": ["list", "after"]}, key="foreign")
    until(lambda: m.record_lines("list") == ["before", "after"])
    assert time.monotonic() - began < bound(0.5), "it is waited for, not polled"


def test_settings_of_pools_and_queues_hold_from_then_on(muster):
    m = muster({"pools": [pool(workers=1, heartbeat_timeout="10s", title_prefix="old_")]})
    assert m.task(m.submit("Demo", "noop"))["max_attempts"] == 1
    reload_all(m, pools=[pool(workers=1, heartbeat_timeout="300ms", title_prefix="new_")], queues=[{"name": "default", "retry": 3}])
    until(lambda: process(pids(m)[0]).title == "new_default:worker-0", what="the title follows")
    assert m.task(m.submit("Demo", "noop"))["max_attempts"] == 3
    ended = m.run("Demo", "sleep", 5000, retry=1)
    assert ended["state"] == "dead" and ended["error"]["kind"] == "timeout"


def test_with_no_configuration_file_hup_rolls_the_workers(make):
    m = make(argv=[str(MUSTERD)])
    m.env = {"MUSTER_LISTEN": f"127.0.0.1:{m.port}", "MUSTER_STATE_DIR": str(m.state), "MUSTER_USER": "root"}
    m.start()
    old = pids(m)
    for how in ("HUP", "POST"):
        reload(m, how)
        until(lambda: len(m.workers()) == len(old) and well(m.workers()) and not set(pids(m)) & set(old), 15, "all are new")
        old = pids(m)
    assert m.run("Demo", "noop")["state"] == "succeeded" and config_check(m) == "ok"


# ---- modules ----

def build(folder, name, body, start="NULL", before=""):
    """A module of the class Version, put in place as packagers do: written beside, then renamed."""
    source = folder / f"{name}.c"
    source.write_text(f"""#include <muster.h>
#include <unistd.h>
{before}
static enum muster_end tell(struct muster_task *task) {{ {body} }}
static const struct muster_method methods[] = {{{{"tell", tell}}, {{NULL, NULL}}}};
MUSTER_EXPORT const struct muster_module muster_module = {{MUSTER_ABI, "Version", methods, {start}, NULL}};
""")
    compile_module(source, folder / "fresh.so")
    (folder / "fresh.so").rename(folder / "version.so")


def version(folder, number):
    build(folder, f"v{number}", f"return muster_ok(task, json_integer({number}));")


REFUSES = 'static int start(const char **why) { *why = "the moon is wrong"; return -1; }'


def versioned(folder, workers, *preload):
    return {"handlers": [{"class": "Version", "module": str(folder / "version.so")}, {"class": "Demo", "module": "demo.so"}],
            "pools": [pool(workers=workers, preload=list(preload))]}


@pytest.mark.parametrize("preload", [(), ("Version",)], ids=["at_first_task", "preloaded"])
def test_a_module_replaced_on_disk_is_taken_up(muster, folder, preload):
    version(folder, 1)
    m = muster(versioned(folder, 2, *preload))
    assert m.run("Version", "tell")["result"] == 1
    version(folder, 2)
    reload_all(m)
    for id_ in m.submit_many([{"class": "Version", "method": "tell"}] * 20):
        assert m.wait_task(id_)["result"] == 2


def test_a_module_that_crashes_when_it_is_loaded_costs_nobody_but_the_checker(muster, folder):
    version(folder, 1)
    m = muster(versioned(folder, 2, "Version"))
    old = pids(m)
    build(folder, "bad", "return muster_ok(task, NULL);", before="__attribute__((constructor)) static void die(void) { _exit(9); }")
    refused(m, "version.so")
    stays(lambda: pids(m) == old, 0.3)
    assert m.run("Version", "tell")["result"] == 1 and "version.so" in config_check(m)
    version(folder, 2)
    reload_all(m)
    assert m.run("Version", "tell")["result"] == 2 and config_check(m) == "ok"


def parked(m):
    return [row["slot"] for row in m.workers() if row["state"] == "parked"]


def test_a_roll_whose_first_replacement_gives_up_stops_there(muster, folder):
    version(folder, 1)
    m = muster(versioned(folder, 3, "Version"))
    old = pids(m)
    build(folder, "moon", "return muster_ok(task, NULL);", "start", REFUSES)
    ask(m)
    until(lambda: parked(m) or m.log_lines(REFUSED), what="the checker or the first worker sees it")
    gone = len(parked(m))
    assert gone <= 1
    stays(lambda: sum(pid in old for pid in pids(m)) == 3 - gone, 0.5, "the others are left alone")
    assert m.run("Version", "tell")["result"] == 1


def test_after_a_roll_that_stopped_a_good_one_heals(muster, folder):
    version(folder, 1)
    m = muster(versioned(folder, 3, "Version"))
    build(folder, "moon", "return muster_ok(task, NULL);", "start", REFUSES)
    ask(m)
    until(lambda: parked(m) or m.log_lines(REFUSED), what="the checker or the first worker sees it")
    version(folder, 2)
    old = [pid for pid in pids(m) if pid]
    reload(m)
    rolled(m, old)
    for id_ in m.submit_many([{"class": "Version", "method": "tell"}] * 30):
        assert m.wait_task(id_)["result"] == 2


CRASHES = "raise(SIGSEGV); return muster_ok(task, NULL);"


def test_a_roll_whose_replacements_crash_more_than_the_old_ones_did_stops(muster, folder):
    version(folder, 1)
    m = muster(versioned(folder, 12, "Version"))
    old = pids(m)
    assert m.run("Version", "tell")["result"] == 1
    build(folder, "crashing", CRASHES, before="#include <signal.h>")
    reload(m)
    until(lambda: set(pids(m)) - set(old), what="one is replaced")
    ids = []

    def stopped():
        ids.extend(m.submit_many([{"class": "Version", "method": "tell"}] * 4))
        return m.log_lines("roll stopped", "pool=default")
    until(stopped, 20, "the roll stops")
    assert "the roll of pool default was stopped" in m.get("/readyz").json["checks"]["config"]
    assert m.metrics().value("muster_roll_stopped", pool="default") == 1
    left = set(pids(m)) & set(old)  # three, unless the machine was so slow that a replacement lived long enough to be believed
    assert left
    stays(lambda: left <= set(pids(m)), 1.0, "the others are left alone")
    states = [m.wait_task(id_)["state"] for id_ in ids]
    assert states.count("succeeded") > 0, "they go on working"
    version(folder, 2)
    reload(m)
    rolled(m, old)
    for id_ in m.submit_many([{"class": "Version", "method": "tell"}] * 20):
        assert m.wait_task(id_)["result"] == 2
    assert m.get("/readyz").json["checks"]["config"] == "ok" and m.metrics().value("muster_roll_stopped", pool="default") == 0


def test_kills_from_outside_do_not_stop_a_roll(muster):
    m = muster({"pools": [pool(workers=4)]})
    old = pids(m)
    reload(m)
    until(lambda: set(pids(m)) - set(old), what="one is replaced")
    for _ in range(3):
        victim = next((row for row in m.workers() if row["pid"] and row["pid"] not in old), None)
        if victim:
            m.kill_worker(victim["slot"])
    rolled(m, old)
    assert not m.log_lines("roll stopped")


# ---- nobody notices ----

def changes_of_workers(m):
    """'-' for each end and '+' for each start of a worker, in the order in which the log has them."""
    lines = [line for line in m.log().splitlines() if ":worker-" in line]
    return "".join("-" if "process ended" in line else "+" for line in lines
                   if "process ended" in line or "worker started" in line)


def test_never_more_than_one_worker_of_a_pool_is_missing(muster):
    m = muster({"pools": [pool(workers=4)]})
    for _ in range(3):
        reload_all(m)
    assert changes_of_workers(m) == "++++" + "-+" * 12, "the next leaves only when its predecessor is back"


def test_pools_are_rolled_side_by_side(muster):
    m = muster({"pools": [pool(workers=2), pool("mail", 2)]})
    id_ = m.submit("Demo", "work", 60000)
    slow = m.running(id_)
    old = pids(m, "mail")
    reload(m)
    until(lambda: well(m.workers("mail")) and not set(pids(m, "mail")) & set(old), what="mail does not wait for default")
    assert m.worker(slow["slot"])["pid"] == slow["pid"]
    m.delete(f"/v1/tasks/{id_}")
    assert m.wait_task(id_)["state"] == "cancelled"


def test_no_task_in_hand_is_interrupted(muster):
    m = muster({"pools": [pool(workers=4)]})
    old = pids(m)
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [2000 + 300 * n]} for n in range(4)])
    for id_ in ids:
        m.running(id_)
    reload(m)
    seen = []

    def one_at_a_time():
        draining = [row["pid"] for row in m.workers() if row["state"] == "draining"]
        seen.append(draining)
        # Rows are read one after another: what two looks have in common was so.
        return len(set(draining) & set(seen[-2] if len(seen) > 1 else [])) <= 1
    stays(one_at_a_time, 0.8)
    assert any(seen), "somebody is told to leave, and finishes"
    assert sum(pid in old for pid in pids(m)) == 4, "none has left with its task in hand"
    rolled(m, old)
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0 and task["history"] == []
    assert changes_of_workers(m) == "++++" + "-+" * 4


def test_a_long_task_is_waited_for_and_others_go_on(muster):
    m = muster({"pools": [pool(workers=3)]})
    long = m.submit("Demo", "work", 2500)
    row, old = m.running(long), pids(m)
    reload(m)
    for n in range(20):
        assert m.run("Demo", "add", n, 1)["result"] == n + 1
    assert m.worker(row["slot"])["pid"] == row["pid"] and m.task(long)["state"] == "active"
    task = m.wait_task(long)
    assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0
    rolled(m, old)
    assert m.worker(row["slot"])["last_exit"]["reason"] == "order"


def test_idle_ones_go_first_and_a_long_task_holds_up_nobody_but_its_worker(muster):
    m = muster({"pools": [pool(workers=4)]})
    long = m.submit("Demo", "work", 4000)
    row, old = m.running(long), pids(m)
    reload(m)
    until(lambda: sum(pid not in old for pid in pids(m)) == 3, what="the idle ones are replaced")
    assert m.worker(row["slot"])["pid"] == row["pid"] and m.task(long)["state"] == "active"
    task = m.wait_task(long)
    assert task["state"] == "succeeded" and task["attempts"] == 1
    rolled(m, old)


def test_a_share_of_the_pool_goes_at_a_time(muster):
    m = muster({"pools": [pool(workers=8, roll_share=50)]})
    old = pids(m)
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [1500]} for _ in range(8)])
    for id_ in ids:
        m.running(id_)
    reload(m)
    most = []

    def all_new():
        most.append(sum(row["state"] != "busy" and row["state"] != "idle" for row in m.workers()))
        return not set(pids(m)) & set(old)
    until(all_new, 20, "all are replaced")
    assert max(most) == 4
    rolled(m, old)
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0


def test_a_pool_that_goes_lets_its_long_task_finish(muster):
    m = muster({"pools": [pool(), pool("mail", 1)]})
    long = m.submit("Demo", "work", 1200, queue="mail")
    row = m.running(long)
    reload(m, pools=[pool()])
    stays(lambda: process(row["pid"]), 0.5)
    task = m.wait_task(long)
    assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0
    until(lambda: not process(row["pid"]) and not m.workers("mail"), what="then its worker is gone")


def test_submissions_and_tasks_go_on_through_a_row_of_reloads(muster):
    m = muster({"pools": [pool(workers=3)]})
    ids, problems, over = [], [], threading.Event()

    def submit():
        client = Http(port=m.port)
        while not over.is_set():
            answer = client.request("POST", "/v1/tasks", {"class": "Demo", "method": "record", "param": ["flow", str(len(ids))]})
            if answer.status != 201:
                problems.append(answer)
                return
            ids.append(answer.json["id"])
    thread = threading.Thread(target=submit)
    thread.start()
    try:
        for workers in (4, 3, 2, 3):
            reload_all(m, pools=[pool(workers=workers)])
            until(lambda done=len(ids): problems or len(ids) >= done + 20, what="submissions go on")
    finally:
        over.set()
        thread.join()
    assert not problems and len(ids) >= 80
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0
    assert sorted(map(int, m.record_lines("flow"))) == list(range(len(ids))), "each once"


def test_an_idle_connection_survives_and_serves_afterwards(muster):
    m = muster({"pools": [pool()]})
    connections = [http.client.HTTPConnection("127.0.0.1", m.port, timeout=15) for _ in range(5)]
    for one in connections:
        one.request("GET", "/healthz")
        assert one.getresponse().read()
    sockets = [one.sock for one in connections]
    api = m.role("api").pid
    reload_all(m, pools=[pool(), pool("mail", 1)])
    for one, sock in zip(connections, sockets):
        one.request("POST", "/v1/tasks", json.dumps({"class": "Demo", "method": "noop", "queue": "mail"}),
                    {"Content-Type": "application/json"})
        answer = one.getresponse()
        assert answer.status == 201 and answer.read() and one.sock is sock
        one.close()
    assert m.role("api").pid == api


def test_a_client_that_waits_for_an_end_hears_of_it(muster):
    m = muster({"pools": [pool()]})
    id_ = m.submit("Demo", "work", 1000)
    m.running(id_)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(Http(port=m.port).request("GET", f"/v1/tasks/{id_}?wait=20s")))
    thread.start()
    reload_all(m)
    thread.join()
    assert answers[0].json["state"] == "succeeded"


def test_looks_at_the_herd_while_pools_come_and_go_are_answered(muster):
    m = muster({"pools": [pool()]})
    api = m.role("api").pid
    problems, over = [], threading.Event()

    def look():
        client = Http(port=m.port)
        while not over.is_set():
            for path in ("/v1/workers", "/v1/pools", "/metrics", "/v1/queues"):
                answer = client.request("GET", path)
                if answer.status != 200:
                    problems.append((path, answer))
                    return
    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(6):
            reload_all(m, pools=[pool(), pool(f"extra{n}", 2)])
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not problems and m.role("api").pid == api


# ---- what is refused ----

BAD = {
    "not_yaml": lambda m: "pools: [",
    "unknown_key": lambda m: json.dumps({**m.config, "polls": []}),
    "wrong_type": lambda m: json.dumps({**m.config, "pools": [pool(workers="many")]}),
    "out_of_range": lambda m: json.dumps({**m.config, "pools": [pool(workers=100000)]}),
    "two_of_a_name": lambda m: json.dumps({**m.config, "pools": [pool(), pool()]}),
    "no_such_module": lambda m: json.dumps({**m.config, "handlers": [{"class": "Gone", "module": "/nowhere/gone.so"}]}),
    "module_crashes": lambda m: json.dumps({**m.config, "handlers": [{"class": "Bad", "module": module("segfault_on_load")}]}),
    "empty": lambda m: "\0\0\0",
}


@pytest.mark.parametrize("how", ["HUP", "POST"])
def test_a_bad_file_changes_nothing_and_a_good_one_clears_it(muster, how):
    m = muster({"pools": [pool()]})
    old, good = pids(m), dict(m.config)
    for name, text in BAD.items():
        m.config_path.write_text(text(m))
        line = refused(m, how=how)
        assert "error" in line.lower(), (name, line)
        assert config_check(m) != "ok" and "refused" in config_check(m), name
        assert m.get("/readyz").status == 200, "what held before still serves"
        assert m.get("/v1/pools/default").json["workers"] == 2 and m.run("Demo", "noop")["state"] == "succeeded"
        assert pids(m) == old, name
    m.config_path.unlink()
    refused(m, str(m.config_path), how=how)
    stays(lambda: pids(m) == old, 0.5)
    m.write_config(good)
    reload_all(m, how)
    assert config_check(m) == "ok" and m.get("/readyz").status == 200


FIXED = {
    "listen": ["127.0.0.1:1"], "user": "nobody", "broker": "redis://127.0.0.1:1/0", "namespace": "other", "state_dir": "/tmp/other",
    "durability": "power", "log": {"level": "debug"}, "limits": {"broker_memory": "64MiB"},
}


@pytest.mark.parametrize("key", FIXED)
def test_what_cannot_be_changed_is_refused_by_name(muster, key):
    m = muster({"pools": [pool(workers=1)]})
    old, good = pids(m), dict(m.config)
    m.write_config({**m.config, key: FIXED[key], "pools": [pool(workers=3)]})
    refused(m, "broker_memory" if key == "limits" else key)
    assert ("broker_memory" if key == "limits" else key) in config_check(m)
    stays(lambda: pids(m) == old, 0.2, "nothing of such a file is taken")
    m.write_config(good)
    reload_all(m)
    assert config_check(m) == "ok"


def test_a_file_that_says_the_same_in_other_words_is_no_change(muster):
    m = muster({"pools": [pool()]})
    reload_all(m, durability="process", log={"level": "info", "format": "text", "file": None})
    assert config_check(m) == "ok"


# ---- at bad moments ----

def test_hup_during_hup_ends_with_the_last_file(muster):
    m = muster({"pools": [pool(workers=3)]})
    id_ = m.submit("Demo", "work", 1000)
    m.running(id_)
    old = pids(m)
    for workers in (4, 2, 5, 3, 4):
        m.write_config({**m.config, "pools": [pool(workers=workers)]})
        for _ in range(5):
            ask(m)
    rolled(m, old)
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0
    until(lambda: changes_of_workers(m).count("+") - changes_of_workers(m).count("-") == 4)
    assert m.get("/v1/pools/default").json["workers"] == 4 and config_check(m) == "ok"


def test_a_file_that_changes_while_it_is_checked_is_checked_again(muster, folder):
    loads = folder / "loads"
    build(folder, "slow", "return muster_ok(task, NULL);", before=f"""#include <fcntl.h>
__attribute__((constructor)) static void be_slow(void)
{{
	int fd = open("{loads}", O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (write(fd, "x", 1) == 1)
		usleep(400000);
}}""")
    m = muster(versioned(folder, 2))
    old = pids(m)
    for workers in (3, 4):
        m.write_config({**m.config, "pools": [pool(workers=workers)]})
        before = loads.stat().st_size if loads.exists() else 0
        ask(m)
        if workers == 3:
            until(lambda: loads.exists() and loads.stat().st_size > before, what="the checker is on its way")
            assert not m.log_lines(READ_AGAIN)
    rolled(m, old)
    assert m.get("/v1/pools/default").json["workers"] == 4


def test_a_checker_that_hangs_is_given_up_and_what_was_asked_meanwhile_is_done(muster):
    m = muster({"pools": [pool()]})
    old = pids(m)
    m.config_path.unlink()
    os.mkfifo(m.config_path)  # nobody writes to it
    began = time.monotonic()
    refused(m, "not done within 10 s")
    assert 9 < time.monotonic() - began < bound(12) and pids(m) == old
    ask(m)
    until(lambda: sum(child.title.endswith(":master") for child in m.children()) == 1, what="another checker is on its way")
    m.config_path.unlink()
    m.write_config({**m.config, "pools": [pool(workers=3)]})
    ask(m)
    rolled(m, old)
    assert config_check(m) == "ok"


def test_hup_during_a_roll_begins_it_anew(muster):
    m = muster({"pools": [pool(workers=2)]})
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [900]}] * 2)
    for id_ in ids:
        m.running(id_)
    old = pids(m)
    reload(m, pools=[pool(workers=3)])
    until(lambda: any(row["state"] == "draining" for row in m.workers()), what="the roll has begun")
    reload(m, pools=[pool(workers=2, heartbeat_timeout="3s")])
    rolled(m, old)
    until(lambda: m.get("/v1/pools/default").json["heartbeat_timeout_seconds"] == 3)
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0


def test_a_supervisor_killed_during_a_roll_goes_on_with_it(muster):
    m = muster({"pools": [pool(workers=4)]})
    old = pids(m)
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [200]}] * 8)
    reload(m, pools=[pool(workers=5)])
    for _ in range(4):
        m.another("supervisor", m.kill_role("supervisor"))
    rolled(m, old)
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0


def test_a_worker_killed_during_a_roll_is_replaced_and_it_goes_on(muster):
    m = muster({"pools": [pool(workers=3)]})
    old = pids(m)
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [700]}] * 3)
    for id_ in ids:
        m.running(id_)
    reload(m)
    until(lambda: any(row["state"] == "draining" for row in m.workers()), what="the roll has begun")
    slot = next(row["slot"] for row in m.workers() if row["state"] == "draining")
    m.kill_worker(slot)
    rolled(m, old)
    tasks = [m.wait_task(id_) for id_ in ids]
    assert [task["state"] for task in tasks] == ["succeeded"] * 3 and sum(task["crashes"] for task in tasks) <= 1


def test_the_api_killed_right_after_a_reload_follows_it_all_the_same(muster):
    m = muster({"pools": [pool()]})
    reload_all(m, pools=[pool(), pool("mail", 1)])
    m.another("api", m.kill_role("api"))
    m.http.close()
    assert m.run("Demo", "add", 1, 2, queue="mail")["result"] == 3
    reload_all(m, pools=[pool(), pool("post", 1)])
    assert m.run("Demo", "add", 3, 4, queue="post")["result"] == 7


def test_hup_during_a_stop_hinders_nothing(muster):
    m = muster({"pools": [pool()]})
    id_ = m.submit("Demo", "work", 700)
    m.running(id_)
    os.kill(m.guardian, signal.SIGTERM)
    m.wait_log("stopping")
    for _ in range(20):
        with contextlib.suppress(ProcessLookupError):
            os.kill(m.guardian, signal.SIGHUP)
    assert m.exit_code() == 0
    m.stopped = True
    assert not m.log_lines(READ_AGAIN)
    m.start()
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0


def test_a_stop_during_a_roll_is_still_ordered(muster):
    m = muster({"pools": [pool(workers=4)]})
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [500]}] * 4)
    for id_ in ids:
        m.running(id_)
    reload(m)
    until(lambda: any(row["state"] == "draining" for row in m.workers()), what="the roll has begun")
    assert m.stop() < 3
    m.start()
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0


# ---- counts ----

def totals(m):
    """Every counter and histogram of /metrics."""
    metrics = m.metrics()
    kinds = {name: kind for name, kind in metrics.types.items() if kind in ("counter", "histogram")}

    def family(name):
        return next((base for base in (name, *(name.removesuffix(end) for end in ("_bucket", "_sum", "_count"))) if base in kinds), None)
    return {(name, tuple(sorted(labels.items()))): value for name, labels, value in metrics.samples if family(name)}


def test_totals_never_go_back(muster):
    m = muster({"pools": [pool(workers=3), pool("mail", 2)]})
    for id_ in m.submit_many([{"class": "Demo", "method": "noop", "queue": queue} for queue in ("default", "mail")] * 50):
        m.wait_task(id_)
    m.kill_worker(2)
    m.kill_worker(1, "mail")
    m.wait_ready()
    seen = totals(m)
    assert seen[("muster_tasks_total", (("outcome", "succeeded"), ("queue", "default")))] == 50
    for pools in ([pool(workers=1), pool("mail", 2)], [pool(workers=2)], [pool(workers=3), pool("mail", 1), pool("post", 1)]):
        reload_all(m, pools=pools)
        assert m.run("Demo", "noop")["state"] == "succeeded"
        now = totals(m)
        assert not {key: (value, now.get(key)) for key, value in seen.items() if key in now and now[key] < value}
        kept = {key for key in seen if not {"mail", "post"} & {value for _, value in key[1]}}
        assert kept <= set(now), "a total that was there stays"
        seen = {**seen, **now}
    assert seen[("muster_tasks_total", (("outcome", "succeeded"), ("queue", "mail")))] == 50, "those of a pool that came back too"


def test_a_reload_is_no_restart_of_the_supervisor(muster):
    m = muster({"pools": [pool()]})
    for _ in range(3):
        before = m.role("supervisor").pid
        reload_all(m)
        assert m.role("supervisor").pid != before, "a new one takes it up"
    assert m.metrics().value("muster_process_restarts_total", process="supervisor") == 0
    assert m.metrics().value("muster_process_restarts_total", process="api") == 0
    assert m.metrics().value("muster_worker_restarts_total", pool="default", reason="order") == 6, "each end is counted"
    assert sum(row["restarts"] for row in m.workers()) == 6
    m.another("supervisor", m.kill_role("supervisor"))
    until(lambda: m.metrics().value("muster_process_restarts_total", process="supervisor") == 1, what="a real death still counts")


def test_nothing_grows_with_reloads(muster):
    m = muster({"pools": [pool()]})
    reload_all(m)
    guardian, api = (len(os.listdir(f"/proc/{pid}/fd")) for pid in (m.guardian, m.role("api").pid))
    for _ in range(10):
        reload_all(m)
    assert len(os.listdir(f"/proc/{m.guardian}/fd")) <= guardian and len(os.listdir(f"/proc/{m.role('api').pid}/fd")) <= api + 2
