"""Pools of kind service: a loop of its own, of a module or of a program, under the same roll call as any worker."""

import time

import pytest

from harness import REPO, PidFd, alive, bound, module, run_musterd, stays, until

FEEDER = ["/usr/bin/python3", str(REPO / "tests" / "children" / "feeder.py")]


def config(pool, **more):
    return {"pools": [{"name": "default", "workers": 1},
                      {"name": "feeders", "kind": "service", "workers": 1, "heartbeat_timeout": "2s",
                       "kill_grace": "300ms", **pool}],
            "handlers": [{"class": "Demo", "module": "demo.so"}, {"class": "Feeder", "module": module("feeder")}], **more}


class Module:
    """A service in C. Its plan is a file that it reads at each turn."""

    def __init__(self, muster, folder, word, ready=True, **pool):
        self.plan = folder / "plan"
        self.plan.write_text(word)
        self.m = muster(config({"service": "Feeder", **pool}), env={"FEEDER_PLAN": str(self.plan)}, ready=ready)

    def notes(self, word):
        notes = self.plan.with_suffix(".notes")
        return [line.split()[1] for line in (notes.read_text() if notes.exists() else "").splitlines() if line.startswith(word)]


class Program(Module):
    """One in Python."""

    def __init__(self, muster, folder, word, ready=True, **pool):
        self.plan = folder / "plan"
        self.m = muster(config({"exec": [*FEEDER, str(self.plan.with_suffix(".notes")), word], **pool}), ready=ready)


kinds = pytest.mark.parametrize("kind", [Module, Program])


def service(m):
    return m.worker(0, "feeders")


@kinds
def test_it_lives_and_its_pool_is_shown_as_what_it_is(muster, folder, kind):
    it = kind(muster, folder, "tick")
    before = service(it.m)
    assert before["state"] == "busy" and before["task"] is None
    stays(lambda: service(it.m)["pid"] == before["pid"], 4.5, "it is not replaced")
    pool = it.m.get("/v1/pools/feeders").json
    assert (pool["kind"], pool["queues"], pool["workers"]) == ("service", {}, 1)
    assert it.m.run("Demo", "add", 1, 2)["result"] == 3
    assert it.m.stop() < bound(3)
    assert len(it.notes("start")) == len(it.notes("exiting")) == 1


@kinds
def test_what_it_pushes_runs_and_what_it_says_is_logged(muster, folder, kind):
    it = kind(muster, folder, "push")
    task = until(lambda: (lambda answer: answer.json if answer.status == 200 else None)(it.m.get("/v1/tasks/from-the-feeder")))
    assert it.m.wait_task(task["id"])["result"] == 3
    if kind is Module:
        assert it.m.wait_log("I am Feeder.hook")
    else:
        assert it.m.wait_log("pushed it") and it.m.wait_log("and this is stderr")


@pytest.mark.parametrize("kind, word, state", [(Module, "spin", "spinning"), (Module, "block", "waiting"), (Program, "silent", "waiting")])
def test_one_that_is_silent_is_ended_and_replaced(muster, folder, kind, word, state):
    it = kind(muster, folder, word)
    ended = until(lambda: service(it.m)["last_exit"], 20, "it was ended")
    assert ended["reason"] == "timeout"
    assert it.m.wait_log("silent past its promise", f"state={state}")
    until(lambda: len(it.notes("exiting")) >= 1 and len(it.notes("start")) >= 2, 10, "its hook ran, and another one began")


def test_a_program_that_does_not_heed_sigterm_gets_kill_grace(muster, folder):
    it = Program(muster, folder, "stubborn", kill_grace="200ms")
    first = int(until(lambda: it.notes("start"))[0])
    began = time.monotonic()
    assert it.m.post("/v1/workers/feeders/0/restart").status == 202
    until(lambda: not alive(first), 10, "it is gone")
    assert 0.15 < time.monotonic() - began < bound(1.5)
    until(lambda: len(it.notes("start")) == 2)
    assert service(it.m)["last_exit"]["reason"] == "order"


@kinds
def test_a_restart_by_order_runs_exiting(muster, folder, kind):
    it = kind(muster, folder, "tick")
    first = until(lambda: it.notes("start"))
    assert it.m.post("/v1/workers/feeders/0/restart").status == 202
    until(lambda: len(it.notes("start")) == 2)
    assert it.notes("exiting") == first
    assert service(it.m)["last_exit"]["reason"] == "order"


@pytest.mark.parametrize("word", ["wait", "block"])
def test_a_hook_that_waits_is_left_or_cut_off(muster, folder, word):
    it = Module(muster, folder, word, heartbeat_timeout="30s", kill_grace="1s")
    until(lambda: it.notes("start"))
    began = time.monotonic()
    it.m.stop()
    assert len(it.notes("exiting")) == 1
    assert time.monotonic() - began < (bound(0.9) if word == "wait" else bound(2.5))


def test_a_program_s_end_is_its_worker_s(muster, folder):
    it = Program(muster, folder, "exit", ready=False)
    it.m.wait_log("api serves")
    ended = until(lambda: service(it.m)["last_exit"])
    assert (ended["reason"], ended["code"]) == ("exit", 3)
    until(lambda: service(it.m)["state"] == "backoff", 10, "one that dies at once waits for its next start")
    it = Program(muster, folder, "crash", ready=False)
    it.m.wait_log("api serves")
    ended = until(lambda: service(it.m)["last_exit"])
    assert (ended["reason"], ended["signal"]) == ("signal", 11)


def test_a_hook_that_is_done_ends_its_worker(muster, folder):
    it = Module(muster, folder, "done", ready=False)
    it.m.wait_log("api serves")
    ended = until(lambda: service(it.m)["last_exit"])
    assert (ended["reason"], ended["code"]) == ("exit", 1)
    until(lambda: len(it.notes("start")) >= 2)


def test_a_start_that_fails_parks_the_slot(muster, folder):
    it = Module.__new__(Module)
    it.m = muster(config({"service": "Feeder"}), env={"FEEDER_PLAN": str(folder / "none")}, ready=False)
    it.m.wait_log("api serves")
    until(lambda: service(it.m)["state"] == "parked")
    assert it.m.wait_log("there is no plan")


def test_a_program_that_says_nonsense_is_replaced(muster, folder):
    it = Program(muster, folder, "nonsense", ready=False)
    it.m.wait_log("api serves")
    until(lambda: len(it.notes("start")) >= 2)
    assert it.m.wait_log("does not keep to the protocol", "nonsense")


def test_for_announces_a_silence(muster, folder):
    it = Program(muster, folder, "for")
    until(lambda: it.notes("start"))
    before = service(it.m)["pid"]
    stays(lambda: service(it.m)["pid"] == before, 4.5, "it is not replaced")


def test_max_age_recycles_it(muster, folder):
    for kind in (Module, Program):
        (folder / "plan.notes").unlink(missing_ok=True)
        it = kind(muster, folder, "tick", max_age="500ms")
        until(lambda: len(it.notes("exiting")) >= 2)
        assert until(lambda: service(it.m)["last_exit"])["reason"] == "recycled"


def test_a_worker_s_death_ends_its_program(muster, folder):
    it = Program(muster, folder, "tick")
    pid = int(until(lambda: it.notes("start"))[0])
    with PidFd(pid) as handle:
        assert it.m.kill_worker(0, "feeders")
        assert handle.ended(5)
    until(lambda: len(it.notes("start")) == 2)


@pytest.mark.parametrize("pool, sentence", [
    ({}, "needs"), ({"service": "Demo"}, "no table `muster_service`"), ({"service": "Nobody"}, "no handler has the class"),
    ({"exec": ["no-such-program"]}, "no program"), ({"exec": FEEDER, "service": "Feeder"}, "both"),
    ({"exec": FEEDER, "queues": {"default": 1}}, "takes no tasks"), ({"exec": FEEDER, "kind": "tasks"}, "must be service")])
def test_what_is_wrong_with_it_is_said_by_check(pool, sentence):
    done = run_musterd("--check", config={**config(pool), "user": "root"})
    assert done.code == 78 and sentence in done.err, done


def test_its_configuration_can_be_printed_and_read_back(folder):
    given = {**config({"exec": FEEDER, "env": {"A": "b"}, "umask": "027"}), "user": "root", "state_dir": str(folder)}
    first = run_musterd("--print-config", config=given)
    assert first.code == 0 and run_musterd("--print-config", text=first.out).out == first.out, first


def test_a_program_s_push_waits_for_a_broker_that_is_away(muster, folder, redis_server):
    broker = redis_server()
    broker.stop()
    m = muster(config({"exec": [*FEEDER, str(folder / "notes"), "push"]}, broker=broker.url()), ready=False)
    until(lambda: m.log_lines("waits for the broker"), 10)
    broker.start()
    m.wait_ready()
    until(lambda: m.get("/v1/tasks/from-the-feeder").status == 200)
    assert m.wait_task("from-the-feeder")["result"] == 3
    assert not m.log_lines("silent past its promise")
