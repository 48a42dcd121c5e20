"""The API as a client sees it: one keep-alive connection, each answer held against the description; and the metrics' text."""

import http.client
import json
import re
import socket
import time

import description
from waiting import SLOW


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Http:
    """One keep-alive connection; opened anew when it was closed or idle."""

    IDLE = 1.0

    def __init__(self, port=None, path=None, timeout=15.0):
        self.port, self.path, self.timeout = port, path, timeout * SLOW
        self.connection, self.used = None, 0.0

    def open(self):
        if self.path:
            return UnixConnection(self.path, self.timeout)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def once(self, method, path, body, headers):
        if self.connection is None or time.monotonic() - self.used > self.IDLE:
            self.close()
            self.connection = self.open()
        self.connection.request(method, path, body=body, headers=headers)
        answer = self.connection.getresponse()
        response = Response(answer.status, answer.headers, answer.read())
        self.used = time.monotonic()
        if answer.will_close:
            self.close()
        description.check(method, path, response.status, response.headers, response.body)
        return response

    def request(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        if isinstance(body, str):
            body = body.encode()
        try:
            return self.once(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
            self.close()
            if method not in ("GET", "HEAD", "OPTIONS"):
                raise
            return self.once(method, path, body, headers)
        except Exception:
            self.close()
            raise


class Metrics:
    """Prometheus text, read strictly enough to notice nonsense."""

    LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (\S+)$')
    LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')

    def __init__(self, text):
        self.text, self.samples, self.types, self.helps = text, [], {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ", 3)
                assert name not in self.types, f"two TYPE lines for {name}"
                self.types[name] = kind
            elif line.startswith("# HELP "):
                self.helps[line.split(" ", 3)[2]] = line
            elif line and not line.startswith("#"):
                match = self.LINE.match(line)
                assert match, f"not a sample: {line!r}"
                self.samples.append((match[1], dict(self.LABEL.findall(match[3] or "")), float(match[4])))

    def value(self, name, **labels):
        """The sum of the samples that carry these labels; None when there are none."""
        found = [value for sample, has, value in self.samples
                 if sample == name and all(has.get(key) == str(want) for key, want in labels.items())]
        return sum(found) if found else None

    def names(self):
        return {name for name, _, _ in self.samples}
