"""TLS to Redis: where the build has it, certificate and name are always verified; where not, rediss:// is refused with words."""

import signal

import pytest

from harness import free_port, run_musterd, until
from load import Load
from test_tls import make_pair

HAS_TLS = run_musterd("--check", text="broker: rediss://h\n").code == 0
needs_tls = pytest.mark.skipif(not HAS_TLS, reason="this build has no TLS to Redis: its hiredis was built without")
TWO = {"pools": [{"name": "default", "workers": 2, "queues": {"default": 1}, "heartbeat_timeout": "1s"}]}


@pytest.fixture
def encrypted(redis_server, folder):
    """A Redis that speaks TLS on a port of its own; its certificate is its own authority."""
    def start(auth_clients="no", authority=None, **options):
        pair = make_pair(folder, "redis")
        one = redis_server(**options, **{
            "tls-port": str(free_port()), "tls-cert-file": pair["certificate"], "tls-key-file": pair["key"],
            "tls-ca-cert-file": authority or pair["certificate"], "tls-auth-clients": auth_clients})
        one.pair = pair
        return one
    return start


def url(server, host="127.0.0.1", credentials=""):
    return f"rediss://{credentials}{host}:{server.settings['tls-port']}/0"


def refusal(make, server, **config):
    m = make({"broker": url(server), **TWO, **config})
    m.spawn()
    assert m.exit_code() == 78
    m.stopped = True
    return m.log()


@pytest.mark.skipif(HAS_TLS, reason="this build has TLS to Redis")
@pytest.mark.parametrize("broker", ["rediss://127.0.0.1:6379/0", "rediss-sentinel://127.0.0.1:26379/main"])
def test_without_it_rediss_is_refused_with_words(broker):
    done = run_musterd("--check", text=f"broker: {broker}\n")
    assert done.code == 78 and "has no TLS" in done.err


def test_certificates_for_a_plain_broker_are_refused(folder):
    pair = make_pair(folder, "own")
    done = run_musterd("--check", text=f"broker_tls: {{ca: {pair['certificate']}}}\n")
    assert done.code == 78 and "rediss://" in done.err


@needs_tls
def test_tasks_run_over_it_and_through_a_restart_of_redis(muster, encrypted):
    server = encrypted(password="geheim")
    m = muster({"broker": url(server, credentials=":geheim@"), "broker_tls": {"ca": server.pair["certificate"]}, **TWO})
    with Load(m) as load:
        load.goes_on(300)
        server.stop(signal.SIGTERM)
        until(lambda: load.refused[503] > 0)
        server.start()
        load.goes_on(300)
    load.assert_each_ran_once()
    big = "x" * 900_000
    assert m.run("Demo", "echo", big)["param"] == [big]
    assert server.client().info("clients")["connected_clients"] > 2


@needs_tls
def test_a_name_is_verified(make, encrypted):
    server = encrypted()
    m = make({"broker": url(server, host="localhost"), "broker_tls": {"ca": server.pair["certificate"]}, **TWO})
    assert m.start().run("Demo", "add", 1, 2)["result"] == 3
    other = make({"broker": url(server, host="127.0.0.2"), "broker_tls": {"ca": server.pair["certificate"]}, **TWO})
    server.client().config_set("bind", "127.0.0.1 127.0.0.2")
    other.spawn()
    assert other.exit_code() == 78 and "mismatch" in other.log()
    other.stopped = True


@needs_tls
def test_an_authority_that_nobody_knows_is_refused(make, encrypted, folder):
    server = encrypted()
    assert "self-signed certificate" in refusal(make, server)
    stranger = make_pair(folder, "stranger")
    assert "certificate" in refusal(make, server, broker_tls={"ca": stranger["certificate"]})


@needs_tls
def test_our_own_certificate_is_shown(muster, encrypted, folder):
    ours = make_pair(folder, "ours")
    server = encrypted("yes", authority=ours["certificate"])
    m = muster({"broker": url(server), "broker_tls": {"ca": server.pair["certificate"], **ours}, **TWO})
    assert m.run("Demo", "add", 1, 2)["result"] == 3


@needs_tls
@pytest.mark.parametrize("member, words", [("ca", "holds no certificate"), ("certificate", "broker_tls.certificate cannot be used"),
                                           ("key", "broker_tls.key cannot be used")])
def test_a_file_with_something_else_is_named(make, encrypted, folder, member, words):
    server = encrypted()
    rubbish = folder / "rubbish"
    rubbish.write_text("no certificate\n")
    files = {"ca": server.pair["certificate"], **make_pair(folder, "ours"), member: str(rubbish)}
    assert words in refusal(make, server, broker_tls=files)


@needs_tls
def test_a_port_that_speaks_no_tls_is_waited_for(make, encrypted):
    server = encrypted()
    m = make({"broker": f"rediss://127.0.0.1:{server.port}/0", "broker_tls": {"ca": server.pair["certificate"]}, **TWO})
    m.start(ready=False)
    until(lambda: "does it speak TLS?" in m.log())
