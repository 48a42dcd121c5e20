#!/usr/bin/python3
"""Hands a task over and waits for its end.     submit.py CLASS METHOD [ARGUMENT…]
MUSTER_URL (http://127.0.0.1:7077), MUSTER_TOKEN"""
import json
import os
import sys
import urllib.error
import urllib.request
import uuid


def muster(method, path, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if os.environ.get("MUSTER_TOKEN"):
        headers["Authorization"] = "Bearer " + os.environ["MUSTER_TOKEN"]
    request = urllib.request.Request(os.environ.get("MUSTER_URL", "http://127.0.0.1:7077") + path, method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=70) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as problem:
        sys.exit(f"{problem.code}: {json.load(problem)['detail']}")  # every error says in `detail` what to do


_, class_, method, *param = sys.argv
# Sent again after a lost answer, the same key stores nothing twice.
task = muster("POST", "/v1/tasks", {"class": class_, "method": method, "param": param}, Idempotency_Key=uuid.uuid4().hex)
while task["state"] not in ("succeeded", "dead", "cancelled"):
    task = muster("GET", f"/v1/tasks/{task['id']}?wait=30s")
print(json.dumps({name: task[name] for name in ("state", "result", "error")}, separators=(",", ":")))
sys.exit(task["state"] != "succeeded")
