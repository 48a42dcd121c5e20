"""A service: each line that is appended to a file becomes a task that delivers it.

    feed.py FILE URL

How far it has come stands in FILE.offset. That is written after Muster has accepted the lines, never before: whatever
ends this program in between, no line is lost. Lines that it hands over a second time have the ids that they had the first
time, and are no second tasks.
"""
import os
import signal
import sys
import time

import muster

LINES = 500  # handed over at a time


def main(source, url):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # an ordered stop: nothing is half done at any moment
    client = muster.Client()  # $MUSTER_URL
    offset = read_offset(source)
    print(f"begins at byte {offset} of {source}", file=sys.stderr)
    while True:
        print('{"beat": true, "for": "1m"}', flush=True)  # for so long the client may have to wait for the server
        lines, after = read_lines(source, offset)
        if not lines:
            time.sleep(0.1)
            continue
        client.push_many(delivery(source, url, at, line) for at, line in lines)
        keep_offset(source, after)
        offset = after


def delivery(source, url, at, line):
    """The task: the bundled class Http posts the line, and tries again for as long as the queue says."""
    return {"class": "Http", "method": "push", "param": [url, line.decode(errors="replace")], "queue": "deliveries",
            "id": f"line-{os.stat(source).st_ino}-{at}"}


def read_lines(source, offset):
    """Whole lines, each with where it begins; and where the next one will."""
    lines = []
    try:
        with open(source, "rb") as file:
            file.seek(offset)
            while len(lines) < LINES and (line := file.readline()).endswith(b"\n"):
                lines.append((offset, line[:-1]))
                offset += len(line)
    except FileNotFoundError:
        pass  # not there yet
    return lines, offset


def read_offset(source):
    try:
        with open(source + ".offset", encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        return 0


def keep_offset(source, offset):
    """In one step: there is the old number or the new one, and never half of it."""
    with open(source + ".new", "w", encoding="ascii") as file:
        file.write(str(offset))
        file.flush()
        os.fsync(file.fileno())
    os.replace(source + ".new", source + ".offset")


main(*sys.argv[1:])
