"""/openapi.json: what it says is valid, whole, and what is answered. That each answer of every other test is as described is
checked where they are seen (client.py)."""

import json
import re

import jsonschema
import pytest

import description
import harness


@pytest.fixture(scope="module")
def m():
    one = harness.Muster().start()
    yield one
    one.finish()


@pytest.fixture(scope="module")
def document(m):
    answer = m.get("/openapi.json")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    return answer.json


def operations(document):
    return [(path, method, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from references(one)


def test_it_is_what_the_tests_hold_answers_against(document):
    assert description.load().document == document


def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.") and document["info"]["title"] and document["info"]["version"]
    for reference in references(document):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_each_operation_is_whole(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 15
    for path, method, operation in operations(document):
        assert operation["summary"] and operation["tags"] and "security" in operation, path
        named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), path
        for parameter in operation["parameters"]:
            jsonschema.Draft202012Validator.check_schema(parameter["schema"])
        assert any(status < "400" for status in operation["responses"]), path
        if method in ("post", "delete", "patch", "put"):
            assert "401" in operation["responses"] and "403" in operation["responses"], path


def test_a_task_is_described_as_the_validator_has_it(document):
    task = document["components"]["schemas"]["NewTask"]
    assert task["required"] == ["class", "method"] and task["additionalProperties"] is False
    assert task["properties"]["priority"] == {"type": "integer", "minimum": 0, "maximum": 9, "default": 5,
                                              "description": task["properties"]["priority"]["description"]}
    assert "pending" in document["components"]["schemas"]["TaskState"]["enum"]


def test_405_allows_what_is_described(m, document):
    for path, methods in document["paths"].items():
        plain = re.sub(r"{\w+}", "x", path)
        allow = m.request("OPTIONS", plain).headers["Allow"].split(", ")
        assert {method.upper() for method in methods} <= set(allow), path
        assert m.request("TRACE", plain).status == 405


def test_it_is_not_sent_twice(m):
    tag = m.get("/openapi.json").headers["ETag"]
    assert m.get("/openapi.json", **{"If-None-Match": tag}).status == 304


@pytest.mark.parametrize("answer", [
    (200, "application/json", b'{"queues":[],"more":1}'), (200, "application/json", b'{}'), (500, "application/problem+json", b'{}'),
    (200, "text/plain", b"queues"), (404, "application/problem+json", b'{"detail":"no"}')])
def test_an_answer_that_is_not_described_is_noticed(answer):
    status, type_, body = answer
    with pytest.raises(AssertionError):
        description.check("GET", "/v1/queues", status, {"Content-Type": type_, "X-Request-Id": "x"}, body)
    good = json.dumps({"queues": []}).encode()
    description.check("GET", "/v1/queues", 200, {"Content-Type": "application/json", "X-Request-Id": "x"}, good)
