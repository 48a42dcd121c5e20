"""`muster`: one task, many tasks, what is shown and how it ends."""

import contextlib
import json
import re
import select
import shutil
import subprocess

import pytest

from cli import BUILD, MUSTER, Client
from harness import free_port, module, until

HOLD = {"pools": [{"name": "default", "workers": 1, "queues": {"other": 1}}]}  # nobody takes from default

pytestmark = pytest.mark.skipif(not MUSTER.exists(), reason="muster is not built: libcurl is missing")


@pytest.fixture
def m(muster):
    return muster()


@pytest.fixture
def client(folder):
    def connect(m, **environment):
        return Client(f"http://127.0.0.1:{m.port}", folder, **environment)
    return connect


@pytest.fixture
def run(m, client):
    return client(m)


# ---- push, get, wait ----

def test_push_prints_the_id_and_the_task_can_be_looked_up(m, run):
    done = run("push", "Demo", "add", "2", "3")
    assert done.code == 0 and done.err == "", done
    m.wait_task(done.out.strip(), "succeeded")
    shown = run("get", done.out.strip())
    assert shown.code == 0 and "succeeded" in shown.out and "Demo.add" in shown.out and "5" in shown.out
    document = run("get", done.out.strip(), "--json")
    assert document.code == 0 and document.json["result"] == 5 and document.out.count("\n") == 1


def test_push_wait_prints_the_result(run):
    done = run("push", "Demo", "add", "2", "-3", "--wait")
    assert (done.code, done.out, done.err) == (0, "-1\n", ""), done


def test_push_wait_json_is_the_task(run):
    done = run("push", "--json", "--wait", "Demo", "echo", '{"a": "ü"}')
    assert done.code == 0 and done.json["state"] == "succeeded" and done.json["result"] == [{"a": "ü"}], done


def test_push_wait_ends_1_when_the_task_is_dead(run):
    done = run("push", "Demo", "fail", '"no luck"', "--wait")
    assert done.code == 1 and "dead" in done.err and "no luck" in done.err and done.out == "", done
    done = run("push", "Demo", "fail", '"no luck"', "--wait", "--json")
    assert done.code == 1 and done.json["state"] == "dead" and done.json["error"]["message"] == "no luck", done


def test_push_wait_ends_1_when_the_task_is_cancelled(muster, client):
    run = client(muster(HOLD))
    waiting = run.start("push", "Demo", "noop", "--id", "c1", "--wait", "--json")
    until(lambda: run("get", "c1").code == 0, what="the task is known")
    assert run("cancel", "c1").code == 0
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1 and json.loads(out)["state"] == "cancelled"


def test_the_options_of_push_are_members_of_the_document(muster, client):
    m = muster({**HOLD, "queues": [{"name": "mail"}]})
    run = client(m)
    done = run("push", "Demo", "noop", "--id", "o1", "--queue", "mail", "--delay", "1h", "--retry", "4", "--priority", "9",
               "--timeout", "5s", "--meta", '{"by": "me"}', "--param", '{"named": 1}', "--json")
    assert done.code == 0 and done.json["id"] == "o1" and done.json["state"] == "scheduled", done
    task = m.task("o1")
    assert (task["queue"], task["max_attempts"], task["priority"], task["meta"], task["param"]) == \
        ("mail", 4, 9, {"by": "me"}, {"named": 1})
    assert run("push", "Demo", "noop", "--id", "o1", "--json").json["duplicate"] is True


def test_wait_waits_and_gives_up_when_told(muster, client):
    m = muster(HOLD)
    run = client(m)
    m.submit("Demo", "noop", id="w1")
    done = run("wait", "w1", "--for", "200ms")
    assert done.code == 1 and "not over" in done.err, done


@pytest.mark.parametrize("args", [["push", "Demo"], ["push", "Demo", "echo", "text"], ["get"], ["nonsense"], [],
                                  ["push", "Demo", "noop", "--delay", "soon"], ["push", "Demo", "noop", "--retry", "0"],
                                  ["push", "-", "--queue", "mail"], ["get", "a", "b"], ["get", "a", "--nonesuch"],
                                  ["list", "--created-after", "yesterday"], ["--url", "nowhere", "queues"], ["cancel"],
                                  ["retry"], ["purge"], ["pause"], ["restart"], ["scale", "default", "many"]])
def test_wrong_usage_is_64(folder, args):
    done = Client("http://127.0.0.1:1", folder)(*args)
    assert done.code == 64 and done.err and not done.out, done


# ---- many ----

def test_lines_from_standard_input(m, run):
    lines = "".join(json.dumps({"class": "Demo", "method": "noop", "id": f"l{n}"}) + "\n" for n in range(12000))
    done = run("push", "-", stdin=lines.encode(), timeout=60)
    assert done.code == 0 and "12,000 accepted, 0 rejected" in done.out and done.err == "", done
    assert m.get("/v1/tasks/l0").status == 200 and m.get("/v1/tasks/l11999").status == 200


def test_a_file_of_lines_has_a_bar_on_a_terminal(m, run, folder):
    path = folder / "tasks.ndjson"
    path.write_text('{"class":"Demo","method":"noop"}\n' * 12000)
    shown = run.on_terminal("push", "-", stdin=path.open())
    assert shown.code == 0 and "12,000 accepted, 0 rejected" in shown.out, shown
    assert re.search(r"\[#+\.+\] +\d+ % ", shown.out) and "[" + "#" * 24 + "] 100 %" in shown.out, shown


def test_a_broken_line_names_its_number(m, run):
    good = '{"class":"Demo","method":"noop"}\n'
    stdin = (good * 5003 + "{broken\n" + good + '{"class":"Demo"}').encode()
    done = run("push", "-", stdin=stdin)
    assert done.code == 1 and "5,004 accepted, 2 rejected" in done.out, done
    assert re.search(r"^line 5004: ", done.err, re.M) and re.search(r"^line 5006: ", done.err, re.M), done
    done = run("push", "-", "--json", stdin=stdin)
    assert done.code == 1 and done.json["accepted"] == 5004 and [e["line"] for e in done.json["errors"]] == [5004, 5006]


def test_what_a_slow_producer_writes_is_not_kept_back(m, run):
    process = run.start("push", "-")
    process.stdin.write(b'{"class":"Demo","method":"noop","id":"slow"}\n')
    process.stdin.flush()
    until(lambda: m.get("/v1/tasks/slow").status == 200, what="the line was handed over while its producer is silent")
    process.communicate(timeout=60)
    assert process.returncode == 0


# ---- what it shows ----

def test_queues_workers_pools(m, run):
    assert {q["name"] for q in run("queues", "--json").json["queues"]} == {"default", "async_task_queue"}
    assert run("queues", "default", "--json").json["name"] == "default"
    table = run("queues").out.splitlines()
    assert table[0].startswith("QUEUE") and table[1].startswith("default")
    workers = run("workers", "--json").json["workers"]
    assert [w["slot"] for w in workers] == [0, 1]
    assert len(run("workers", "default/1", "--json").json["workers"]) == 1
    assert "default/0" in run("workers").out
    assert run("pools", "--json").json["pools"][0]["name"] == "default"
    assert "default" in run("pools").out
    assert run("workers", "nobody").code == 1 and run("queues", "nobody").code == 1


def test_restart_replaces_a_worker(m, run):
    before = m.worker(0)["pid"]
    done = run("restart", "default/0")
    assert done.code == 0 and "default/0" in done.out, done
    until(lambda: m.worker(0)["pid"] not in (None, before), what="another process is in the slot")


def test_stat_prints_a_line_for_each_look(run):
    done = run("stat", "1", "2")
    assert done.code == 0 and len(done.out.splitlines()) == 3 and "pending" in done.out.splitlines()[0], done
    lines = run("stat", "1", "2", "--json").out.splitlines()
    assert [json.loads(line)["workers"] for line in lines] == [2, 2]


def test_version_with_and_without_a_server(run, folder):
    done = run("version", "--json")
    assert done.code == 0 and done.json["client"] == done.json["server"], done
    done = Client(f"http://127.0.0.1:{free_port()}", folder)("version", "--json")
    assert done.code == 0 and done.json["server"] is None
    assert run("--version").out == f"muster {run('version', '--json').json['client']}\n"


def test_logs_shows_what_a_task_has_said_and_goes_on_until_its_end(muster, client):
    m = muster({"pools": [{"name": "default", "workers": 1, "queues": ["default"]}],
                "handlers": [{"class": "Probe", "module": module("probe")}]})
    run = client(m)
    m.run("Probe", "say", "a \x1b[31mline", id="said")
    for more in ((), ("-f",)):
        done = run("logs", "said", *more)
        assert done.code == 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z a \?\[31mline\n", done.out), done
    shown = run("logs", "said", "--json").json
    assert shown["id"] == "said" and [line["text"] for line in shown["lines"]] == ["a ?[31mline"]
    done = run("logs", "nobody")
    assert done.code == 1 and "nobody" in done.err


def test_what_is_not_there_yet_is_said(run):
    done = run("schedules")
    assert done.code == 1 and "not available yet" in done.err


# ---- monitoring ----

def test_check_is_fine_then_warns_then_is_critical(muster, client):
    m = muster(HOLD)
    run = client(m)
    done = run("check")
    assert done.code == 0 and done.out.startswith("MUSTER OK - ") and done.out.count("\n") == 1, done
    m.submit("Demo", "noop")
    until(lambda: m.queue()["oldest_age_seconds"] > 0.05, what="the task has an age")
    done = run("check", "--warn-age", "10ms")
    assert done.code == 1 and done.out.startswith("MUSTER WARNING - the oldest task"), done
    done = run("check", "--critical-age", "10ms", "--json")
    assert done.code == 2 and done.json["status"] == "CRITICAL" and done.json["pending"] == 1, done
    assert run("check", "--warn-age", "1h", "--queue", "async_task_queue").code == 0


def test_check_of_nobody_is_critical(folder):
    done = Client(f"http://127.0.0.1:{free_port()}", folder)("check")
    assert done.code == 2 and done.out.startswith("MUSTER CRITICAL - nothing answers"), done


# ---- which server ----

def test_a_server_that_is_not_there_is_69_with_one_sentence(folder):
    done = Client(f"http://127.0.0.1:{free_port()}", folder)("queues")
    assert done.code == 69 and done.out == "" and done.err.count("\n") == 1 and "start musterd" in done.err, done
    done = Client("http://no-such-host.invalid:1", folder)("queues")
    assert done.code == 69 and "not known" in done.err, done


def test_a_unix_socket(make, folder, client):
    m = make()
    m.config["listen"].append(f"unix:{folder}/api.sock")
    m.start()
    done = client(m)("queues", "--url", f"unix:{folder}/api.sock", "--json")
    assert done.code == 0 and done.json["queues"], done


@pytest.fixture
def guarded(muster, folder):
    (folder / "admin.token").write_text("right-word\n")
    (folder / "admin.token").chmod(0o600)
    return muster({"auth": {"tokens": [{"name": "ops", "role": "admin", "token_file": str(folder / "admin.token")}]}}, ready=False)


def answers(m):
    with contextlib.suppress(OSError):
        return m.get("/readyz").status == 200


def test_a_wrong_token_says_what_to_do(guarded, folder, client):
    run = client(guarded)
    until(lambda: answers(guarded), what="musterd answers")
    for done in (run("queues"), run("queues", MUSTER_TOKEN="wrong")):
        assert done.code == 1 and "token" in done.err and "--token-file" in done.err and done.err.count("\n") == 1, done
    assert run("queues", MUSTER_TOKEN="right-word").code == 0
    assert run("queues", "--token-file", str(folder / "admin.token")).code == 0
    (folder / "admin.token").chmod(0o644)
    done = run("queues", "--token-file", str(folder / "admin.token"))
    assert done.code == 64 and "chmod 600" in done.err, done


def test_contexts(guarded, folder, client):
    run = client(guarded)
    until(lambda: answers(guarded), what="musterd answers")
    contexts = folder / ".config" / "muster" / "contexts"
    contexts.parent.mkdir(parents=True)
    contexts.write_text(f"# mine\nprod http://127.0.0.1:{guarded.port} token=right-word # all of it\n"
                        f"bare http://127.0.0.1:{guarded.port}\n")
    contexts.chmod(0o600)
    assert run("queues", "--context", "prod", MUSTER_URL="http://127.0.0.1:1").code == 0
    done = run("queues", "--context", "bare", MUSTER_TOKEN="right-word")
    assert done.code == 1, "the environment's token belongs to another server"
    done = run("queues", "--context", "other")
    assert done.code == 64 and "no context 'other'" in done.err, done
    contexts.chmod(0o644)
    done = run("queues", "--context", "prod")
    assert done.code == 64 and "chmod 600" in done.err, done
    contexts.chmod(0o600)
    contexts.write_text(contexts.read_text().replace("prod ", "default "))
    assert run("queues", MUSTER_URL=None).code == 0


def test_a_certificate_that_is_not_trusted(muster, folder, client):
    if not shutil.which("openssl"):
        pytest.skip("openssl is missing")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                    certificate], check=True, capture_output=True)
    key.chmod(0o600)
    m = muster({"tls": {"certificate": str(certificate), "key": str(key)}}, ready=False)
    run = client(m, MUSTER_URL=f"https://127.0.0.1:{m.port}")
    until(lambda: run("queues", "--ca", str(certificate)).code == 0, what="it answers whom its certificate satisfies")
    done = run("queues")
    assert done.code == 69 and "certificate" in done.err and "--ca" in done.err and done.err.count("\n") == 1, done
    done = run("queues", MUSTER_URL=f"http://127.0.0.1:{m.port}")
    assert done.code == 69 and "https://" in done.err, done


# ---- terminals ----

def test_tables_drop_columns_before_they_wrap(m, run):
    m.submit("Demo", "sleep", 1, id="x" * 64)
    for columns in (30, 60, 100, 200):
        for verb in ("workers", "queues", "pools"):
            shown = run.on_terminal(verb, columns=columns, NO_COLOR="1")
            assert shown.code == 0 and "\x1b" not in shown.out, shown
            assert max(len(line) for line in shown.out.splitlines()) <= columns, shown.out
    assert "MEMORY" in run.on_terminal("workers", columns=200).out
    assert "MEMORY" not in run.on_terminal("workers", columns=60).out


def test_colours_only_on_a_terminal(m, run):
    assert "\x1b[" in run.on_terminal("workers").out
    assert "\x1b" not in run.on_terminal("workers", NO_COLOR="1").out
    assert "\x1b" not in run.on_terminal("workers", TERM="dumb").out
    assert "\x1b" not in run("workers").out


def test_what_a_task_holds_does_not_command_the_terminal(m, run):
    m.run("Demo", "fail", "red\x1b[31m\x07alert", id="evil")
    for shown in (run("get", "evil"), run("wait", "evil"), run.on_terminal("get", "evil", NO_COLOR="1")):
        assert "\x1b" not in shown.out + shown.err and "\x07" not in shown.out + shown.err, shown
    assert "alert" in run("get", "evil").out


# ---- what comes from the table ----

def verbs(run):
    listed = run("--help").out.split("Verbs:")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.strip().splitlines()]


def test_every_verb_is_in_help_manual_and_completions(folder):
    run = Client("http://127.0.0.1:1", folder)
    names = verbs(run)
    assert {"push", "get", "wait", "list", "queues", "workers", "pools", "stat", "check", "version"} <= set(names)
    files = [BUILD / "doc" / "muster.1", *(BUILD / "completion" / one for one in
                                            ("bash/muster", "zsh/_muster", "fish/muster.fish"))]
    for name in names:
        done = run(name, "--help")
        assert done.code == 0 and f"muster {name}" in done.out and "--json" in done.out, done
        for path in files:
            assert re.search(rf"\b{name}\b", path.read_text()), (name, path)


def test_bash_completes_verbs_and_options(folder):
    script = f"""source {BUILD}/completion/bash/muster
COMP_WORDS=(muster pu) COMP_CWORD=1; _muster; echo "${{COMPREPLY[@]}}"
COMP_WORDS=(muster push --pri) COMP_CWORD=2; _muster; echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()
    assert set(words[0].split()) >= {"push"} and words[1] == "--priority", done


@pytest.mark.parametrize("shell, path", [("zsh", "zsh/_muster"), ("fish", "fish/muster.fish")])
def test_other_completions_are_valid(shell, path):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is missing")
    done = subprocess.run([shell, "-n", str(BUILD / "completion" / path)], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done


@pytest.mark.parametrize("page", ["muster.1", "musterd.8", "muster.yaml.5"])
def test_manual_pages_have_no_fault(page):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is missing")
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(BUILD / "doc" / page)], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout


# ---- many at once ----

def test_list_filters_and_pages(muster, client):
    m = muster({**HOLD, "queues": [{"name": "mail"}]})
    run = client(m)
    m.submit_many([{"class": "Demo", "method": "noop"}] * 1200 + [{"class": "Demo", "method": "add", "queue": "mail", "id": "only"}])
    assert len(run("list", "--limit", "1100", "--json").json["tasks"]) == 1100
    done = run("list", "mail", "--json")
    assert [t["id"] for t in done.json["tasks"]] == ["only"] and done.json["next_cursor"] is None
    assert [t["id"] for t in run("list", "--method", "add", "--json").json["tasks"]] == ["only"]
    table = run("list", "--state", "pending", "--queue", "mail").out
    assert "only" in table and "Demo.add" in table and len(table.splitlines()) == 2
    assert run("list", "--state", "asleep").code == 1


def test_dead_tasks_are_retried_by_filter_and_by_id(m, run):
    for n in range(3):
        m.run("Demo", "fail", "disk full", id=f"d{n}")
    m.run("Demo", "fail", "other", id="d3")
    counted = run("retry", "--state", "dead", "--error", "disk full", "--dry-run")
    assert (counted.code, counted.out) == (0, "3 tasks match\n"), counted
    silent = run("retry", "--state", "dead", "--error", "disk full")
    assert silent.code == 64 and "--yes" in silent.err and m.task("d0")["attempts"] == 1, silent
    done = run("retry", "--error", "disk full", "--yes", "--json")
    assert done.code == 0 and done.json == {"retried": 3, "matched": 3, "dry_run": False}, done
    until(lambda: m.queue()["dead"] == 4, what="they failed again")
    done = run("retry", "d3", "nope")
    assert done.code == 1 and "d3 is" in done.out and "no task nope" in done.err, done


def test_a_question_on_a_terminal(muster, client):
    m = muster(HOLD)
    run = client(m)
    m.submit_many([{"class": "Demo", "method": "noop"}] * 7)
    no = run.on_terminal("cancel", "--queue", "default", keys=b"n\n")
    assert no.code == 1 and "Cancel 7 tasks (queue default)?" in no.out and m.queue()["pending"] == 7, no
    yes = run.on_terminal("cancel", "--queue", "default", keys=b"y\n")
    assert yes.code == 0 and "7 cancelled" in yes.out and m.queue()["pending"] == 0, yes


def test_purge_deletes(muster, client):
    m = muster(HOLD)
    run = client(m)
    ids = m.submit_many([{"class": "Demo", "method": "noop"}] * 5)
    assert run("purge", "default", "--state", "pending", "--limit", "2", "--yes").out == "2 deleted\n"
    assert run("purge", "default", "--all", "--dry-run").out == "3 tasks match\n"
    assert run("purge", "default").code == 64 and run("purge", "default", "--all").code == 64
    assert run("purge", "default", "--all", "--yes", "--json").json == {"deleted": 3, "matched": 3, "dry_run": False}
    assert all(run("get", one).code == 1 for one in ids)


def test_cancel_of_what_is_over_is_refused(m, run):
    m.run("Demo", "noop", id="over")
    done = run("cancel", "over")
    assert done.code == 1 and done.err.count("\n") == 1, done


def test_pause_why_resume(m, run):
    assert run("pause", "default").out == "default is paused\n"
    assert "paused" in run("queues", "default").out
    m.submit("Demo", "noop", id="p1")
    why = run("why", "p1")
    assert why.code == 0 and "paused" in why.out, why
    assert {"reason", "detail"} <= set(run("why", "p1", "--json").json)
    assert run("resume", "default", "--json").code == 0
    m.wait_task("p1", "succeeded")
    assert run("pause", "nobody").code == 1


def test_scale(m, run):
    done = run("scale", "default", "3", "--json")
    assert done.code == 0, done
    until(lambda: len(m.workers()) == 3, what="there are three workers")


def test_events_are_shown_as_they_happen(m, run):
    process = run.start("events", "--type", "task", "--class", "Demo", "--state", "succeeded", "--json", "--limit", "1",
                        "--for", "60s")
    try:
        def heard():
            m.submit("Demo", "add", 1, 2)
            return process.poll() is not None
        until(heard, what="an event has come")
        out, _ = process.communicate(timeout=60)
        event = json.loads(out)
        assert process.returncode == 0 and event["event"] == "task" and event["data"]["state"] == "succeeded", out
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    done = run("events", "--for", "300ms")
    assert done.code == 0, done


def test_progress_is_shown_as_it_happens(m, run):
    process = run.start("events", "--type", "progress", "--limit", "1", "--for", "60s")
    try:
        def heard():
            m.submit("Demo", "work", 300)
            return process.poll() is not None
        until(heard, what="an event has come")
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and b"Demo.work queue default" in out and b" % " in out, out
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_events_go_on_when_the_server_was_away(m, run):
    process = run.start("events", "--type", "task", "--state", "succeeded", "--json", "--limit", "40", "--for", "120s")
    try:
        seen = []

        def first():
            m.submit("Demo", "noop")
            if select.select([process.stdout], [], [], 0.1)[0]:
                seen.append(json.loads(process.stdout.readline()))
            return seen
        until(first, what="an event has come")
        m.stop()
        m.start()

        def ended():
            m.submit("Demo", "noop")
            return process.poll() is not None
        until(ended, 20, what="it has heard of a task after the restart")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0 and json.loads(out.splitlines()[-1])["data"]["state"] == "succeeded", (out, err)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
