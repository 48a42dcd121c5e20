"""musterd's command line."""

import os
import re

import pytest

from harness import EXAMPLES, MUSTERD, bound, free_port, module, run_musterd, until


@pytest.mark.parametrize("args", [["--nonesuch"], ["-x"], ["extra"], ["-c"], ["--check=3"], ["-c", "/dev/null", "extra"]])
def test_wrong_usage_is_64(args):
    done = run_musterd(*args)
    assert done.code == 64 and done.err and not done.out, done


def test_help_goes_to_stdout_and_names_the_options():
    done = run_musterd("--help")
    assert done.code == 0 and not done.err
    for option in ("-c", "--check", "--print-config", "--version", "--help"):
        assert option in done.out


def test_version_is_one_line():
    done = run_musterd("--version")
    assert done.code == 0 and done.out.count("\n") == 1 and "muster" in done.out.lower() and any(c.isdigit() for c in done.out)


def test_check_of_nothing_is_fine(folder):
    done = run_musterd("--check", env={"MUSTER_STATE_DIR": str(folder / "state"), "MUSTER_USER": "root"})
    assert done.code == 0, done
    assert not (folder / "state" / "redis.sock").exists(), "it starts nothing"


def test_every_fault_is_a_line_of_its_own(folder):
    done = run_musterd("--check", config={"nonsense": 1, "namespace": "a b"})
    lines = done.err.splitlines(keepends=True)
    assert done.code == 78 and len(lines) == 2, done
    assert all(re.match(r"musterd: .*:[0-9]+: .+\n$", line) for line in lines), lines


def test_a_log_file_in_a_folder_that_is_missing_is_named(folder):
    done = run_musterd("--check", config={"log": {"file": str(folder / "none" / "x.log")}})
    assert done.code == 78 and re.search(r"muster\.yaml:[0-9]+: \"file\": there is no folder .*none\n", done.err), done


def test_check_starts_nothing_and_needs_no_broker(folder):
    done = run_musterd("--check", config={"broker": f"redis://127.0.0.1:{free_port()}/0", "user": "root",
                                          "state_dir": str(folder / "state")})
    assert done.code == 0, done


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.yaml")) or ["asynctask.yaml"])
def test_shipped_examples_are_valid(example, folder):
    done = run_musterd("--check", "-c", str(EXAMPLES / example), env={"MUSTER_STATE_DIR": str(folder / "state"), "MUSTER_USER": "root"})
    assert done.code == 0, done


def test_print_config_shows_what_holds_and_can_be_read_back(folder):
    given = {"user": "root", "state_dir": str(folder / "state"), "namespace": "mine", "shutdown_grace": "90s",
             "limits": {"document": "2MiB"}, "queues": [{"name": "mail", "retry": 3, "backoff": {"base": "1500ms"}}],
             "pools": [{"name": "post", "workers": 3, "queues": {"mail": 5, "default": 1}, "title_prefix": "p_"}]}
    first = run_musterd("--print-config", config=given)
    assert first.code == 0 and not first.err, first
    for word in ("mine", "mail", "1500ms", "p_", "2MiB", "heartbeat_timeout", "10s", "max_crashes", "retention"):
        assert word in first.out, word
    second = run_musterd("--print-config", text=first.out)
    assert second.code == 0 and second.out == first.out, second


def test_print_config_with_tokens_can_be_read_back(folder):
    token = folder / "one.token"
    token.write_text("a-token-that-is-long-enough")
    token.chmod(0o600)
    given = {"user": "root", "state_dir": str(folder / "s"), "auth": {"tokens": [{"name": "one", "role": "read", "token_file": str(token)}]}}
    first = run_musterd("--print-config", config=given)
    second = run_musterd("--print-config", text=first.out)
    assert first.code == second.code == 0 and second.out == first.out, second


def test_print_config_masks_secrets(folder):
    done = run_musterd("--print-config", config={"user": "root", "broker": "redis://u:hidden-word@127.0.0.1:6379/0",
                                                 "state_dir": str(folder / "s")})
    assert done.code == 0 and "hidden-word" not in done.out + done.err and "127.0.0.1:6379" in done.out


def test_defaults_are_those_of_the_contract(folder):
    out = run_musterd("--print-config", env={"MUSTER_STATE_DIR": str(folder / "s"), "MUSTER_USER": "root"}).out
    for word in ("127.0.0.1:7077", "embedded", "default", "async_task_queue", "10s", "500ms", "64KiB", "16MiB", "1MiB", "15s", "30s"):
        assert word in out, word


def test_the_environment_overrides_the_file(folder):
    env = {"MUSTER_LISTEN": "127.0.0.1:1234,127.0.0.1:1235", "MUSTER_BROKER": "redis://127.0.0.1:6390/2",
           "MUSTER_STATE_DIR": str(folder / "other"), "MUSTER_USER": "root", "MUSTER_NAMESPACE": "fromenv", "MUSTER_LOG_LEVEL": "debug",
           "MUSTER_SHUTDOWN_GRACE": "77s"}
    out = run_musterd("--print-config", config={"namespace": "fromfile", "state_dir": str(folder / "s")}, env=env).out
    for word in ("127.0.0.1:1234", "127.0.0.1:1235", "redis://127.0.0.1:6390/2", str(folder / "other"), "fromenv", "debug"):
        assert word in out, word
    assert "fromfile" not in out and "77s" not in out


@pytest.mark.parametrize("name, value", [("MUSTER_LOG_LEVEL", "loud"), ("MUSTER_LISTEN", "nowhere"), ("MUSTER_NAMESPACE", "{}")])
def test_a_wrong_environment_is_78_and_named(folder, name, value):
    done = run_musterd("--check", env={"MUSTER_STATE_DIR": str(folder / "s"), "MUSTER_USER": "root", name: value})
    assert done.code == 78 and name in done.err, done


def test_no_configuration_at_all_is_a_service(make, folder):
    """Embedded broker, one pool `default` with as many workers as CPUs on `default` and the plain list; only the address and
    the state directory are the test's."""
    m = make()
    m.argv = [str(MUSTERD)]
    m.env = {"MUSTER_LISTEN": f"127.0.0.1:{m.port}", "MUSTER_STATE_DIR": str(m.state), "MUSTER_USER": "root"}
    m.start()
    assert len(m.workers("default")) == len(os.sched_getaffinity(0))
    assert m.run("Demo", "add", 2, 2)["result"] == 4
    m.lpush({"class": "Demo", "method": "record", "param": ["plain", "x"]})
    until(lambda: m.record_lines("plain") == ["x"])
    assert m.run("Demo", "sleep", 1)["max_attempts"] == 1


def test_check_of_a_good_module_is_fine(folder):
    done = run_musterd("--check", config={"user": "root", "state_dir": str(folder / "s"),
                                          "handlers": [{"class": "Probe", "module": module("probe")}]})
    assert done.code == 0 and done.seconds < bound(2), done


def test_check_does_not_mind_a_running_one(muster):
    m = muster()
    done = run_musterd("--check", "-c", str(m.config_path))
    assert done.code == 0, done
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_a_log_level_is_kept(muster):
    m = muster({"log": {"level": "error"}})
    m.run("Demo", "fail", "x")
    assert not m.log_lines("worker started pid=")


def test_usr1_reopens_the_log(make):
    import signal
    m = make()
    path = m.base / "file.log"
    m.config["log"] = {"file": str(path)}
    m.start()
    m.run("Demo", "fail", "before")
    until(lambda: "before" in path.read_text())
    os.rename(path, m.base / "file.log.1")
    m.process.send_signal(signal.SIGUSR1)

    def written():
        m.run("Demo", "fail", "after")
        return path.exists() and "after" in path.read_text()
    until(written, what="the log is opened anew")


def test_the_listening_socket_is_loopback_only_by_default(folder):
    out = run_musterd("--print-config", env={"MUSTER_STATE_DIR": str(folder / "s"), "MUSTER_USER": "root"}).out
    assert "0.0.0.0" not in out and "[::]" not in out
