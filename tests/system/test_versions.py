"""Several versions at once: a class that only some nodes have."""
from harness import module
from waiting import until

OLD = [{"class": "Demo", "module": "demo.so"}]
NEW = [*OLD, {"class": "Probe", "module": module("probe")}]


def config(server, handlers, queues=("default",), **more):
    return {"broker": server.url(), "node_timeout": "2s", "handlers": handlers,
            "pools": [{"name": "default", "workers": 2, "queues": list(queues)}], **more}


def test_a_task_that_only_newer_workers_can_run_waits_for_them(muster, redis_server):
    server = redis_server()
    old = muster(config(server, OLD))
    new = muster(config(server, NEW))
    until(lambda: len(old.get("/v1/nodes").json["nodes"]) == 2)
    ids = old.submit_many([{"class": "Probe", "method": "say", "param": [str(i)]} for i in range(60)])
    tasks = [old.wait_task(id_, timeout=60) for id_ in ids]
    assert {task["state"] for task in tasks} == {"succeeded"}
    assert {(task["attempts"], task["crashes"], len(task["history"])) for task in tasks} == {(1, 0, 0)}
    new.stop()
    task = old.run("Probe", "say", "x", timeout=60)
    assert (task["state"], task["error"]["kind"], task["attempts"]) == ("dead", "unknown_class", 0), "nobody has it any more"


def test_a_node_that_has_the_class_and_not_the_queue_is_no_help(muster, redis_server):
    server = redis_server()
    old = muster(config(server, OLD))
    muster(config(server, NEW, queues=("other",)))
    until(lambda: len(old.get("/v1/nodes").json["nodes"]) == 2)
    task = old.run("Probe", "say", "x", timeout=60)
    assert (task["state"], task["error"]["kind"]) == ("dead", "unknown_class")


def test_one_that_is_alone_says_at_once_that_it_does_not_know_a_class(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    task = m.run("Nobody", "x", timeout=5)
    assert (task["state"], task["error"]["kind"]) == ("dead", "unknown_class")
