"""Load for tests of faults: submits tasks whose effect is a line in a file, and knows which of them were acknowledged."""

import collections
import http.client
import threading

from harness import SLOW, Http, until


class Load(threading.Thread):
    """Submits arrays of Demo.record tasks under own ids until stopped. What was not acknowledged is not said again."""

    def __init__(self, muster, name="ran", size=5, pause=0.004, **members):
        super().__init__(daemon=True)
        self.muster, self.name_of_file, self.size, self.pause, self.members = muster, name, size, pause, members
        self.acknowledged, self.refused, self.number = [], collections.Counter(), 0
        self.over = threading.Event()

    def run(self):
        client = Http(port=self.muster.port)
        while not self.over.wait(self.pause):
            ids = [f"{self.name_of_file}-{self.number + n}" for n in range(self.size)]
            self.number += self.size
            try:
                answer = client.request("POST", "/v1/tasks", [
                    {"class": "Demo", "method": "record", "param": [self.name_of_file, id_], "id": id_, **self.members}
                    for id_ in ids])
            except (OSError, http.client.HTTPException):
                self.refused["connection"] += 1
                continue
            if answer.status == 201:
                self.acknowledged += ids
            else:
                self.refused[answer.status] += 1
        client.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *problem):
        self.over.set()
        self.join()

    def goes_on(self, more=100, timeout=30.0):
        """Waits until so many more are acknowledged."""
        began = len(self.acknowledged)
        try:
            until(lambda: len(self.acknowledged) >= began + more, timeout)
        except AssertionError:
            raise AssertionError(f"accepted in {timeout * SLOW} s: {len(self.acknowledged) - began} instead of {more}, "
                                 f"refused: {self.refused}, submitting: {self.is_alive()}") from None

    def runs(self):
        return collections.Counter(self.muster.record_lines(self.name_of_file))

    def missing(self):
        runs = self.runs()
        return [id_ for id_ in self.acknowledged if id_ not in runs]

    def assert_each_ran_once(self, timeout=40.0):
        """Nothing acknowledged is lost, nothing ran twice, nothing is left in anybody's hands."""
        until(lambda: not self.missing(), timeout, "all that was acknowledged ran")
        twice = {id_: count for id_, count in self.runs().items() if count > 1}
        assert not twice, twice
        self.assert_nothing_is_left(timeout)

    def assert_nothing_is_left(self, timeout=20.0):
        def idle():
            queue = self.muster.queue()
            return queue["pending"] == queue["active"] == queue["retrying"] == 0
        until(idle, timeout, "nothing waits and nobody holds anything")
        assert self.muster.metrics().value("muster_tasks_unaccounted") == 0
