"""TLS: by libmicrohttpd, 1.2 and later; a certificate is replaced without a connection lost; a bad one is refused with words."""

import http.client
import os
import signal
import socket
import ssl
import subprocess

import pytest

from client import Http
from harness import run_musterd, until
from test_auth import memory_of


def make_pair(folder, name, *, days=30, kind=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-days", str(days),
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
                   check=True, capture_output=True)
    key.chmod(0o600)
    return {"certificate": str(certificate), "key": str(key)}


class Https(Http):
    def __init__(self, port, certificate):
        super().__init__(port=port)
        self.context = ssl.create_default_context(cafile=certificate)

    def open(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.timeout, context=self.context)


@pytest.fixture
def encrypted(make, folder):
    def start(pair=None, **config):
        pair = pair or make_pair(folder, "first")
        m = make({"tls": pair, **config})
        m.http = Https(m.port, pair["certificate"])
        return m.start()
    return start


def offered(port, **options):
    """The certificate that the server shows, and the version that was agreed on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    with socket.create_connection(("127.0.0.1", port), timeout=15) as plain, context.wrap_socket(plain) as secure:
        return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True)), secure.version()


@pytest.mark.parametrize("kind", [("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), ("rsa:2048",), ("ed25519",)], ids=["ec", "rsa", "ed25519"])
def test_tasks_over_tls(encrypted, folder, kind):
    m = encrypted(make_pair(folder, "first", kind=kind))
    assert m.run("Demo", "add", 2, 3)["result"] == 5
    id_ = m.submit("Demo", "sleep", 300)
    assert m.get(f"/v1/tasks/{id_}?wait=10s").json["state"] == "succeeded"
    large = [{"class": "Demo", "method": "noop", "param": ["x" * 1000]} for _ in range(2000)]
    assert m.post("/v1/tasks", large).json["accepted"] == 2000
    assert m.get("/metrics").status == 200


def test_many_connections_at_once(encrypted):
    m = encrypted()
    clients = [Https(m.port, m.config["tls"]["certificate"]) for _ in range(40)]
    for _ in range(3):
        for client in clients:
            assert client.request("POST", "/v1/tasks", {"class": "Demo", "method": "noop"}).status == 201
    for client in clients:
        client.close()


def test_versions_before_1_2_and_plain_text_are_refused(encrypted):
    m = encrypted()
    assert offered(m.port, maximum_version=ssl.TLSVersion.TLSv1_2)[1] == "TLSv1.2"
    assert offered(m.port)[1] == "TLSv1.3"
    with pytest.raises(OSError):
        offered(m.port, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    with m.connect() as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            assert b"HTTP/1.1 200" not in raw.recv(4096)
        except ConnectionError:
            pass
    assert m.get("/healthz").status == 200


def test_unix_sockets_stay_plain(encrypted, folder, make):
    path = folder / "api.sock"
    m = make({"tls": make_pair(folder, "first"), "listen": [f"unix:{path}"]})
    m.http = Http(path=str(path))
    m.start()
    assert m.run("Demo", "add", 2, 3)["result"] == 5


def test_a_new_certificate_is_taken_up_without_a_connection_lost(encrypted, folder):
    m = encrypted()
    kept = Https(m.port, m.config["tls"]["certificate"]).open()
    kept.connect()
    first = offered(m.port)[0]
    second = make_pair(folder, "second")
    for name in ("certificate", "key"):
        os.replace(second[name], m.config["tls"][name])
    os.kill(m.guardian, signal.SIGHUP)
    until(lambda: offered(m.port)[0] != first, what="the new certificate is shown")
    with open(m.config["tls"]["certificate"]) as file:
        assert offered(m.port)[0].strip() == file.read().strip()
    kept.request("GET", "/healthz")
    assert kept.getresponse().status == 200
    kept.close()
    m.http = Https(m.port, m.config["tls"]["certificate"])
    good = offered(m.port)[0]
    with open(m.config["tls"]["certificate"], "w") as file:
        file.write("rubbish")
    os.kill(m.guardian, signal.SIGHUP)
    m.wait_log("configuration refused", "PEM")
    assert offered(m.port)[0] == good, "what held before still holds"


def test_a_key_that_only_root_can_read(encrypted, folder):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    m = encrypted(user="nobody")
    dead = m.kill_role("api")
    m.another("api", dead)
    until(lambda: m.get("/healthz").status == 200)
    key = open(m.config["tls"]["key"], "rb").read()
    middle = key.splitlines()[1][:40]
    for one in m.children():
        if ":worker-" in one.title or one.title.endswith((":scheduler", ":supervisor")):
            assert not any(middle in piece for piece in memory_of(one.pid)), one.title


def test_a_bad_pair_is_refused_with_words(folder):
    one, other = make_pair(folder, "one"), make_pair(folder, "other")
    rsa = make_pair(folder, "rsa", kind=("rsa:2048",))
    (folder / "rubbish").write_text("no PEM\n")
    locked = folder / "locked.key"
    subprocess.run(["openssl", "pkey", "-in", one["key"], "-aes256", "-passout", "pass:x", "-out", str(locked)], check=True)
    cases = [({"certificate": one["certificate"]}, "both"), ({"key": one["key"]}, "both"),
             ({**one, "key": other["key"]}, "not the certificate's"), ({**one, "key": rsa["key"]}, "not the certificate's"),
             ({**one, "key": str(folder / "rubbish")}, "key"), ({**one, "certificate": str(folder / "rubbish")}, "PEM"),
             ({**one, "certificate": one["key"]}, "certificate"), ({**one, "certificate": str(folder / "none")}, "No such file"),
             ({**one, "key": str(locked)}, "passphrase")]
    for tls, word in cases:
        for args in (["--check"], []):
            done = run_musterd(*args, config={"tls": tls, "state_dir": str(folder / "state")})
            assert done.code == 78 and word in done.err, (tls, done)
    os.chmod(one["key"], 0o644)
    done = run_musterd("--check", config={"tls": one})
    assert done.code == 0 and "can be read by others" in done.err, done
    assert "BEGIN" not in run_musterd("--print-config", config={"tls": one}).out
