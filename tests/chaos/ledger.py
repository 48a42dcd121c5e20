"""What was asked for, what was acknowledged, what ran how often: kept outside Muster, and compared with what Muster says."""

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field

# The five zeros of the chaos issue, and what else must be zero at the end.
ZEROS = ("acknowledged and not run", "run too often", "active for ever", "lease held by two",
         "state contradicts the ledger", "unaccounted", "not supervised")

# How tasks of a kind may end when their workers are hit: a task that is hit often enough is dead, and says why.
ENDS_OF = {"hang": {"timeout", "crash"}, "crash": {"crash", "timeout"}}


@dataclass
class Entry:
    """One task that the driver has asked for. `text` is what it writes; through HTTP it is the id as well."""
    text: str
    kind: str
    door: str
    asked_at: float
    acknowledged_at: float = 0.0  # 0: nobody has said that it was taken
    refused: bool = False         # it was said that it was not taken
    cancel: str = ""              # "", "asked", "done" (a pending one was cancelled, and that was acknowledged)
    losses_before: int = 0        # nodes lost before it was asked for

    @property
    def effective(self):
        """Its run leaves a line."""
        return self.kind not in ENDS_OF


@dataclass
class View:
    """What Muster says of a task."""
    state: str
    attempts: int
    crashes: int
    max_attempts: int = field(compare=False)  # a record has it only after an execution
    kinds: list = field(default_factory=list)  # of the executions that did not succeed (at most the last ten)
    error: str = ""
    message: str = ""

    @property
    def ended(self):
        return self.state in ("succeeded", "dead", "cancelled")


LETTERS = {"S": "succeeded", "D": "dead", "C": "cancelled", "P": "pending", "R": "retrying"}


def view_of_record(record):
    """A value of :runs (None: there is none)."""
    if record is None:
        return View("pending", 0, 0, 0)
    head, _, body = record.decode().partition("\n")
    fields = head.split(" ")
    body = json.loads(body) if body else {}
    error = body.get("error") or {}
    return View(LETTERS[fields[0]], int(fields[2]), int(fields[3]), int(fields[4]),
                [entry["kind"] for entry in body.get("history") or []], error.get("kind", ""), error.get("message", ""))


def view_of_task(task):
    """A task as the API shows it."""
    error = task["error"] or {}
    return View(task["state"], task["attempts"], task["crashes"], task["max_attempts"],
                [entry["kind"] for entry in task["history"]], error.get("kind") or "", error.get("message") or "")


def judge(entry, views, runs, losses):
    """What is wrong with one task at rest: [(zero, sentence)]. `views`: of every task that carries this text; `losses`:
    nodes that were lost while it could have been held."""
    if not views:
        return list(judge_unknown(entry, runs))
    if len(views) > 1:
        return [("run too often", f"{len(views)} tasks were made of one")]
    return judge_view(entry, views[0], runs, losses)


def judge_unknown(entry, runs):
    if entry.acknowledged_at:
        yield ("state contradicts the ledger", "acknowledged, and nobody knows it")
        if entry.effective and runs == 0:
            yield ("acknowledged and not run", "acknowledged, unknown, not run")
    elif runs:
        yield ("state contradicts the ledger", f"ran {runs} times, and nobody knows it")


def judge_view(entry, view, runs, losses):
    wrong = []
    most = view.attempts + view.crashes + (view.state == "cancelled") + (not view.ended)
    if runs > most + losses:
        wrong.append(("run too often", f"ran {runs} times, {view.attempts} attempts and {view.crashes} crashes are on record"))
    if not view.ended:
        return [*wrong, ("active for ever", f"is still {view.state} at rest")]
    if not entry.effective:
        if view.state != "dead" or view.error not in ENDS_OF[entry.kind]:
            wrong.append(("state contradicts the ledger", f"a task that {entry.kind}s is {view.state} ({view.error})"))
        return wrong
    if view.state == "succeeded":
        wrong += judge_success(view, runs)
    if view.state == "dead" and not (view.error == "timeout" and view.attempts >= view.max_attempts):
        wrong.append(("state contradicts the ledger", f"is dead: {view.error} {view.message}"))
    if view.state == "cancelled" and not entry.cancel:
        wrong.append(("state contradicts the ledger", "is cancelled, and nobody asked for it"))
    if entry.cancel == "done" and (view.state != "cancelled" or runs > view.attempts + view.crashes + losses):
        wrong.append(("state contradicts the ledger", f"was cancelled while it waited, is {view.state}, ran {runs} times"))
    return wrong


def judge_success(view, runs):
    """Each execution that ended by success or by asking for another one has left its line."""
    least = 1 + view.kinds.count("retry")
    if runs == 0:
        yield ("acknowledged and not run", "succeeded, and left no line")
    elif runs < least:
        yield ("state contradicts the ledger", f"{least} executions ended on their own, {runs} lines are there")


class Tail:
    """The lines that the tasks have written, from every file that they write to; read as they grow."""

    def __init__(self):
        self.count = {}
        self.torn = []
        self.lines = 0
        self.positions = {}
        self.lock = threading.Lock()

    def read(self, paths):
        with self.lock:
            for path in paths:
                self.read_file(path)

    def read_file(self, path):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            file.seek(self.positions.get(path, 0))
            data = file.read()
            whole = data.rfind(b"\n") + 1
            self.positions[path] = self.positions.get(path, 0) + whole
            for line in data[:whole].decode(errors="replace").splitlines():
                self.count[line] = self.count.get(line, 0) + 1
                self.lines += 1


class Ledger:
    """All entries, by text. Any thread may call; what is wrong is collected in `wrong`: {zero: [sentence]}."""

    SHOWN = 12  # sentences that are kept of one zero; all are counted

    def __init__(self, prefix):
        self.prefix = prefix
        self.entries = {}
        self.tail = Tail()
        self.count = {zero: 0 for zero in ZEROS}
        self.wrong = {zero: [] for zero in ZEROS}
        self.waits = []     # seconds from asking to the acknowledgement
        self.losses = 0     # nodes that were lost with all their processes
        self.acknowledged = 0
        self.order = []     # texts in the order in which they were acknowledged
        self.lock = threading.Lock()

    def ask(self, kind, door):
        with self.lock:
            entry = Entry(f"{self.prefix}-{len(self.entries)}", kind, door, time.monotonic(), losses_before=self.losses)
            self.entries[entry.text] = entry
            return entry

    def acknowledge(self, entries):
        now = time.monotonic()
        with self.lock:
            for entry in entries:
                if not entry.acknowledged_at:
                    entry.acknowledged_at = now
                    self.acknowledged += 1
                    self.waits.append(now - entry.asked_at)
                    self.order.append(entry.text)

    def lose_node(self):
        with self.lock:
            self.losses += 1

    def fault(self, zero, sentence):
        with self.lock:
            self.count[zero] += 1
            if len(self.wrong[zero]) < self.SHOWN:
                self.wrong[zero].append(sentence)

    def outstanding(self):
        """About how many are acknowledged and have not yet run."""
        return self.acknowledged - len(self.tail.count)

    def compare(self, views):
        """At rest. views: {text: [View]} of all that Muster knows."""
        for entry in self.entries.values():
            runs = self.tail.count.get(entry.text, 0)
            for zero, sentence in judge(entry, views.get(entry.text, []), runs, self.losses - entry.losses_before):
                self.fault(zero, f"{entry.text} ({entry.kind}, by {entry.door}): {sentence}")
        for text in self.tail.count:
            if text not in self.entries:
                self.fault("state contradicts the ledger", f"a line that nobody asked for: {text!r}")
