"""Harm done to Muster's data behind its back, one function each: a ledger that does not see these sees nothing. Returns
whether it could be done just now."""

import redis


def some(ledger):
    """An acknowledged task that has run."""
    for text in reversed(ledger.order):
        entry = ledger.entries[text]
        if entry.kind == "quick" and entry.door != "list" and ledger.tail.count.get(text):
            return text
    return None


def lose(herd, ledger):
    """A waiting task falls out of its queue."""
    return bool(herd.client().zpopmax(herd.key("scheduled:default")))


def double(herd, ledger):
    """A task that has ended stands in its queue once more."""
    text = some(ledger)
    client = herd.client()
    if text is None or (client.hget(herd.key("runs"), text) or b"")[:1] != b"S":
        return False
    client.lpush(herd.key("queue:default"), text)
    client.lpush(herd.key("bell:default"), 1)
    return True


def hold(herd, ledger):
    """A task stands in two leases."""
    client = herd.client()
    for element, _ in client.zpopmax(herd.key("scheduled:default")):
        for slot in ("elsewhere/default/0", "elsewhere/default/1"):
            client.hset(herd.key("leases"), slot, b"1 1 @default " + element)
        return True
    return False


def forget(herd, ledger):
    """An acknowledged task is unknown."""
    text = some(ledger)
    return text is not None and bool(herd.client().hdel(herd.key("tasks"), text))


def deny(herd, ledger):
    """A task that has run is said to be dead."""
    text = some(ledger)
    client = herd.client()
    record = client.hget(herd.key("runs"), text) if text else None
    return record is not None and record[:1] == b"S" and client.hset(herd.key("runs"), text, b"D" + record[1:]) == 0


def guarded(function):
    def harm(herd, ledger):
        try:
            return function(herd, ledger)
        except (redis.RedisError, OSError):
            return False
    return harm


SABOTAGE = {function.__name__: guarded(function) for function in (lose, double, hold, forget, deny)}
