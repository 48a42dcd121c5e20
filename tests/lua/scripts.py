"""Muster's side of the scripts, as core/broker*.c speaks to them."""
import pathlib

import redis

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "core" / "broker"
NAMES = sorted(path.stem for path in FOLDER.glob("*.lua") if path.stem not in ("common", "demands", "lease"))
GENERATION = (3 << 32) + 7  # epoch 3, incarnation 7
SLOT = "node1/default/0"
DAY_MS = 24 * 3600 * 1000


def script_text(name):
    """As broker_script_text puts it together."""
    first, rest = (FOLDER / f"{name}.lua").read_text().split("\n", 1)
    shared = ["common", *(part for part in ("lease", "demands") if rest.startswith(f"-- with {part}.lua\n"))]
    return "".join([first, "\n", *((FOLDER / f"{part}.lua").read_text() for part in shared), rest])


def text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [text(item) for item in value]
    return value


def head(queue="default", created=1000, run_at=0, source="h", attempts=1, priority=5, **options):
    """The options of a head are letters: p, e, r, u, t."""
    options = {"p": priority, **options} if priority != 5 else options
    words = "".join(f" {name}={value}" for name, value in options.items())
    return f"{created} {run_at} {source} {attempts} {queue}{words}\n"


def record(letter, executions=1, attempts=1, crashes=0, maximum=1, started=10, finished=20, due=0, worker=SLOT, body=""):
    return f"{letter} {executions} {attempts} {crashes} {maximum} {started} {finished} {due} {worker}\n{body}"


class Taken:
    """The answer of a turn."""

    def __init__(self, answer):
        self.admitted, self.elements, self.stored, self.records = answer or [0, [], [], []]

    def __eq__(self, other):
        return vars(self) == vars(other)

    def documents(self):
        return [None if stored is None else stored.split("\n", 1)[1] for stored in self.stored]


class Broker:
    """One deployment: namespace `muster`, queues and their plain lists."""

    def __init__(self, client, namespace="muster"):
        self.client, self.tag = client, "{%s}" % namespace
        self.queues, self.lists = ["default", "mail"], {}
        self.shas, self.bases = {}, 0

    def call(self, name, *arguments, client=None):
        client = client or self.client
        if name not in self.shas:
            self.shas[name] = client.script_load(script_text(name))
        return text(client.evalsha(self.shas[name], 1, self.tag, *arguments))

    def key(self, name):
        return f"{self.tag}:{name}"

    def _lists(self):
        return [len(self.lists), *(part for pair in self.lists.items() for part in pair)]

    def turn(self, sequence, want=10, outcomes=(), slot=SLOT, generation=GENERATION, queues=None, active=None):
        """active: queue -> its max_active."""
        queues = self.queues if queues is None else queues
        queues = [f"{queue} 0 {active[queue]}" if queue in (active or {}) else queue for queue in queues]
        self.bases += 1
        return Taken(self.call("turn", slot, generation, sequence, want, f"BASE{self.bases:014d}", 15000, *self._lists(),
                               len(queues), *queues, *(part for pair in outcomes for part in pair)))

    def recover(self, outcomes=(), slot=SLOT, generation=GENERATION):
        return self.call("recover", slot, generation, *self._lists(), *(part for pair in outcomes for part in pair))

    def submit(self, *ids, queue="default", run_at=0, document="{}", own=True, depth=None, group=False, key="", **fields):
        """depth: of the queue; group: all or none; key: their Idempotency-Key. Returns the letters, and the ids behind them."""
        priority = fields.get("priority", 5)
        line = queue if priority == 5 else f"{queue}:{priority}"
        tasks = [part for id in ids for part in (id, -1 if own else 1, run_at, head(queue, run_at=run_at, **fields) + document)]
        demands = [f"depth {queue} {depth}"] if depth is not None else []
        demands += [f"array 1 {len(ids)} {key}"] if group or key else []
        demands += ["options"] if set(fields) & set("eru") else []
        answer = self.call("submit", *self._lists(), 1, line, len(demands), *demands, *tasks)
        return answer if "\n" not in answer else answer.split("\n")

    def look(self, *ids, watch=0):
        answer = self.call("look", 120000, *(part for id in ids for part in (id, watch)))
        return [tuple(answer[i:i + 4]) for i in range(0, len(answer), 5)]

    def runner(self, id):
        return text(self.call("look", 0, id, 0)[4])

    def state(self, id):
        stored, _, state, _ = self.look(id)[0]
        return state if stored is not None else None

    def cancel(self, id):
        return int(self.call("cancel", 0, id))

    def retry(self, *ids):
        return self.call("retry", *self._lists(), *ids)

    def change(self, *ids, queue="", priority="", run_at=""):
        return self.call("change", queue, priority, run_at, *self._lists(), *ids)

    def why(self, id):
        return self.call("why", id)

    def delete(self, *ids):
        return self.call("delete", *ids)

    def purge(self, state, queue="default", limit=1000):
        return self.call("purge", queue, state, limit, *self._lists())

    def pause(self, what, name, on=True):
        return self.call("pause", int(on), what, name, *self._lists())

    def resume(self, what, name):
        return self.pause(what, name, False)

    def restore(self, limit=1000):
        return self.call("restore", limit)

    def page(self, place, at="", last="", limit=1000, bare=0, queue="default"):
        """(ids, at, last, scanned); every task's own position in between as well."""
        answer = self.call("page", queue, place, at, last, limit, bare)
        entries = [answer[i:i + 7] for i in range(3, len(answer), 7)]
        return [entry[0] for entry in entries], answer[1], answer[2], answer[0], entries

    def pages(self, place, limit, between=lambda: None, **options):
        """All ids, page by page."""
        found, at, last = [], "", ""
        while True:
            ids, at, last, scanned, _ = self.page(place, at, last, limit, **options)
            assert scanned <= limit
            found += ids
            if at == "":
                return found
            between()

    def due(self, limit=500):
        return self.call("due", limit, *self._lists(), len(self.queues), *self.queues)

    def retain(self, succeeded=DAY_MS, dead=DAY_MS, cancelled=DAY_MS, maximum=100000, limit=1000):
        return self.call("retain", limit, 15000,
                         *(part for queue in self.queues for part in (queue, succeeded, dead, cancelled, maximum)))

    def depths(self):
        names = "pending scheduled retrying active dead succeeded_total dead_total cancelled_total oldest_ms paused".split()
        answer = self.call("depths", *self._lists(), len(self.queues), *self.queues)
        depths = {queue: dict(zip(names, answer[10 * i:])) for i, queue in enumerate(self.queues)}
        return depths, answer[-2]

    def unaccounted(self):
        return self.depths()[1]

    def holdings(self, node=""):
        answer = self.call("holdings", node)
        return {answer[i]: (int(answer[i + 1]), int(answer[i + 2]), answer[i + 3].split()) for i in range(0, len(answer), 4)}

    def bell(self, queue="default"):
        return self.client.llen(self.key(f"bell:{queue}"))

    def silence(self, queue="default"):
        """What an idle worker's BLPOP does."""
        self.client.delete(self.key(f"bell:{queue}"))

    def armed(self, name):
        return self.client.delete(self.key(f"armed:{name}"))

    def run(self, id):
        return text(self.client.hget(self.key("runs"), id))

    def counter(self, name):
        return int(self.client.hget(self.key("counters"), name) or 0)

    def now_ms(self):
        seconds, micros = self.client.time()
        return seconds * 1000 + micros // 1000


def refused(call, word):
    """True when the call fails with an error reply that begins with this word."""
    try:
        call()
    except redis.ResponseError as error:
        return str(error).startswith(word)
    return False




def assert_ledger(broker, ids):
    """Every task stands in exactly one place, an ended one nowhere else, and the counters agree."""
    client, places = broker.client, {id: [] for id in ids}
    for queue in broker.queues:
        withdrawn = {text(item) for item in client.smembers(broker.key(f"withdrawn:{queue}"))}
        levels = text(client.hget(broker.key("levels"), queue)) or ""
        lists = [broker.key(f"queue:{queue}"), *(broker.key(f"queue:{queue}:{level}") for level in levels)]
        for element in (text(item) for key in lists for item in client.lrange(key, 0, -1)):
            element = element.split("^")[0]
            if element not in withdrawn:
                places[element.split("~")[0]].append("queue")
        for kind in ("scheduled", "retrying"):
            for element in map(text, client.zrange(broker.key(f"{kind}:{queue}"), 0, -1)):
                places[element.split("~")[0]].append(kind)
        for id in map(text, client.lrange(broker.key(f"succeeded:{queue}"), 0, -1)):
            places[id].append("succeeded")
        for kind in ("dead", "cancelled"):
            for id in map(text, client.zrange(broker.key(f"{kind}:{queue}"), 0, -1)):
                places[id].append(kind)
    for slot, (_, _, elements) in broker.holdings().items():
        for element in elements:
            places[element.split("~")[0]].append(slot)
    assert {id: place for id, place in places.items() if len(place) != 1} == {}
    assert broker.unaccounted() == 0
    return {id: place[0] for id, place in places.items()}
