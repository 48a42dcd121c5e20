"""Requests made up from the API's description, as it allows them and with something wrong: each is answered, on a connection
that stays, with what the description has (the client looks), and never by a 5xx.

MUSTER_PROPERTY_SECONDS: so long for all calls together, with other requests each time; else a few fixed ones each."""

import http.client
import os
import string
import time
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import description
import harness
from client import Http

SECONDS = float(os.environ.get("MUSTER_PROPERTY_SECONDS", 0))
EXAMPLES = 12
DESCRIPTION = description.load()
OPERATIONS = [(method.upper(), path, operation) for path, methods in (DESCRIPTION.document["paths"] if DESCRIPTION else {}).items()
              for method, operation in methods.items()]

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=20)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
                    lambda one: st.lists(one, max_size=3) | st.dictionaries(TEXT, one, max_size=3), max_leaves=8)
# What exists, so that not every call ends in 404; and what must not take long, or grow.
KNOWN = {"id": ["mine", "waits", "none"], "queue": ["default", "mail", "none"], "pool": ["default", "none"],
         "slot": ["0", "1", "7"], "class": ["Demo", "None"], "node": ["none"], "state": ["dead", "pending", "none"]}
BOUNDED = {"wait": ["0ms", "1ms", "5ms", "5", "long"], "Prefer": ["wait=0", "wait=x", "respond-async"], "rate": ["100000", "0", "x"]}
SCALES = st.fixed_dictionaries({"workers": st.integers(-1, 3) | st.none() | TEXT})


def resolved(schema):
    while "$ref" in schema:
        schema = DESCRIPTION.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def instances(schema):
    """Values that a schema allows, as far as our descriptions go."""
    schema = resolved(schema)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if "anyOf" in schema:
        return st.one_of([instances(one) for one in schema["anyOf"]])
    types = schema.get("type", "any")
    return st.one_of([instances_of(type_, schema) for type_ in ([types] if isinstance(types, str) else types)])


def instances_of(type_, schema):
    if type_ == "string" and "pattern" in schema:
        return st.from_regex(schema["pattern"].rstrip("$") + r"\Z")
    if type_ == "string" and schema.get("format") == "date-time":
        return st.datetimes().map(lambda at: at.isoformat(timespec="seconds") + "Z")
    if type_ == "string":
        return st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), min_size=schema.get("minLength", 0), max_size=20)
    if type_ == "array":
        return st.lists(instances(schema.get("items", {})), max_size=3)
    if type_ == "object" and "properties" in schema:
        members = {name: instances(one) for name, one in schema["properties"].items()}
        required = set(schema.get("required", ()))
        return st.fixed_dictionaries({name: members[name] for name in required},
                                     optional={name: one for name, one in members.items() if name not in required})
    return {"integer": st.integers(schema.get("minimum", -2), schema.get("maximum", 2**40)), "number": st.floats(allow_nan=False),
            "boolean": st.booleans(), "null": st.none(), "any": JSON, "object": st.dictionaries(TEXT, JSON, max_size=3)}[type_]


def bodies(operation):
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return st.none() | st.just(b"{}")
    schema = content["application/json"]["schema"]
    if schema.get("$ref", "").endswith("/Scale"):
        return SCALES
    return instances(schema) | instances(schema) | JSON | st.binary(max_size=40)


def parameters(one):
    name = one["name"]
    if name in BOUNDED:
        return st.sampled_from(BOUNDED[name])
    values = instances(one["schema"]).map(lambda value: str(value).lower() if isinstance(value, bool) else str(value)) | TEXT
    return st.sampled_from(KNOWN[name]) | values if name in KNOWN else values


def as_header(value):
    return "".join(letter for letter in value if letter in string.printable[:95]).strip()


@st.composite
def requests(draw, path, operation):
    query, headers = {}, {}
    for one in operation["parameters"]:
        if one["in"] == "path":
            value = draw(parameters(one)) or "x"
            path = path.replace("{%s}" % one["name"], quote(value, safe="") if value not in (".", "..") else "x")
        elif draw(st.booleans()):
            value = draw(parameters(one))
            if one["in"] == "query":
                query[one["name"]] = value
            else:
                headers[one["name"]] = as_header(value)
    if draw(st.integers(0, 9)) == 0:
        query[draw(st.sampled_from(["no", "limit", "", "état"]))] = draw(TEXT)
    body = draw(bodies(operation))
    if body is not None and draw(st.integers(0, 9)) == 0:
        headers["Content-Type"] = draw(st.sampled_from(["text/plain", "application/json; charset=latin1", "application/x-ndjson", "/"]))
    return path + ("?" + urlencode(query) if query else ""), body, headers


@pytest.fixture(scope="module")
def m():
    one = harness.Muster({"queues": [{"name": "mail"}], "pools": [{"name": "default", "workers": 2}]}).start()
    one.submit("Demo", "noop", id="mine")
    one.submit("Demo", "noop", id="waits", queue="mail")
    yield one
    one.finish()


def ask(http, method, path, body, headers):
    """As Http.request, but a connection that is cut is no reason to try again."""
    if body is not None and not isinstance(body, bytes):
        body = description.json.dumps(body).encode()
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    return http.once(method, path, body, headers)


def begin_stream(port, method, path):
    """What never ends is looked at until its headers are there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15 * harness.SLOW)
    connection.request(method, path)
    answer = connection.getresponse()
    if answer.status >= 400:
        description.check(method, path, answer.status, answer.headers, answer.read())
    connection.close()
    return answer.status


@pytest.mark.skipif(not OPERATIONS, reason="the binary lies in no build: its description is not at hand")
@pytest.mark.parametrize("method,path,operation", OPERATIONS, ids=[one["operationId"] for _, _, one in OPERATIONS])
def test_each_call_is_answered_as_described(m, method, path, operation):
    if path == "/v1/reload":
        pytest.skip("a reload is asked for elsewhere: many at once make the supervisor say that it is behind")
    client = Http(port=m.port)

    @given(requests(path, operation))
    @settings(max_examples=200 if SECONDS else EXAMPLES, deadline=None, database=None, derandomize=not SECONDS,
              suppress_health_check=list(HealthCheck))
    def run(request):
        where, body, headers = request
        if path == "/v1/events" or "follow=" in where:
            status = begin_stream(m.port, method, where)
        else:
            status = ask(client, method, where, body, headers).status
        assert status < 500, (method, request, status)

    end = time.monotonic() + SECONDS / len(OPERATIONS)
    run()
    while time.monotonic() < end:
        run()
    client.close()
    assert m.get("/healthz").status == 200
