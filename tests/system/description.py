"""Holds answers against the API's description, doc/openapi.json of the build that is tested: the client calls check() for
each answer that it sees. Nothing that stands in no description may be answered, not even one member more."""

import functools
import gzip
import json
import os
import re
from pathlib import Path
from urllib.parse import unquote

import jsonschema

MUSTERD = Path(os.environ.get("MUSTERD") or Path(__file__).resolve().parents[2] / "build" / "musterd")
LARGEST = 256 * 1024  # bytes of an answer whose every member is looked at

formats = jsonschema.FormatChecker(())


@formats.checks("date-time")
def is_time(value):
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value))


def tightened(schema):
    """An object with named members has no others: clients must bear new ones, the tests need not."""
    if isinstance(schema, list):
        return [tightened(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: tightened(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


class Description:
    def __init__(self, document):
        self.document = document
        self.strict = tightened(document)
        self.paths = [(re.compile(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(pattern)) + "$"), pattern)
                      for pattern in document["paths"]]

    def operation(self, method, path):
        path = unquote(path.split("?")[0])
        for expression, pattern in self.paths:
            found = self.document["paths"][pattern].get(method.lower())
            if found and expression.match(path):
                return found
        return None

    def response(self, operation, status):
        found = operation["responses"].get(str(status))
        if found and "$ref" in found:
            found = self.document["components"]["responses"][found["$ref"].rsplit("/", 1)[1]]
        return found

    @functools.lru_cache(maxsize=None)
    def validator(self, operation_id, status, type_):
        for methods in self.document["paths"].values():
            for operation in methods.values():
                if operation["operationId"] == operation_id:
                    schema = self.response(operation, status)["content"][type_]["schema"]
        return self.of_schema(schema)

    @functools.lru_cache(maxsize=None)
    def problem(self):
        return self.of_schema({"$ref": "#/components/schemas/Problem"})

    def of_schema(self, schema):
        return jsonschema.Draft202012Validator({**tightened(schema), "components": self.strict["components"]},
                                               format_checker=formats)

    def check(self, method, path, status, headers, body):
        """Raises AssertionError for an answer that the description does not have."""
        said = f"{method} {path}: {status} {body[:1000]!r}"
        if "X-Request-Id" not in headers and status >= 400:
            return  # refused by libmicrohttpd, before anything of ours was called
        if method == "HEAD" or status in (204, 304):
            assert not body, said
            return
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        type_ = (headers.get("Content-Type") or "").split(";")[0]
        operation = self.operation(method, path)
        if operation is None:
            assert status in (400, 401, 403, 404, 405, 413, 415, 429), said
            validator = self.problem()
        else:
            response = self.response(operation, status)
            assert response, f"{operation['operationId']} has no answer {status}: {said}"
            assert type_ in response.get("content", {}), f"{operation['operationId']} has no {type_}: {said}"
            if type_ not in ("application/json", "application/problem+json") or len(body) > LARGEST:
                return
            validator = self.validator(operation["operationId"], status, type_)
        fault = jsonschema.exceptions.best_match(validator.iter_errors(json.loads(body)))
        assert not fault, f"{fault.message} at {fault.json_path}: {said}"


@functools.lru_cache(maxsize=None)
def load():
    """The build's description; None: the binary that is tested lies in no build."""
    path = MUSTERD.parent / "doc" / "openapi.json"
    return Description(json.loads(path.read_text())) if path.exists() else None


def check(method, path, status, headers, body):
    known = load()
    if known:
        known.check(method, path, status, headers, body)
