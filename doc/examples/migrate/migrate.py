"""Copies a table from one database to another, a chunk of rows at a time.

After each chunk it saves how far it has come. Whatever ends it in between (a crash, kill -9, a restart), the task's next
execution goes on from there. At most one chunk is copied twice, and the second copy of a row is passed over: so it is
in the target once.
"""
import os
import sqlite3

import muster

try:
    import psycopg2
    AWAY = (sqlite3.OperationalError, psycopg2.OperationalError)
except ImportError:  # SQLite needs nothing
    AWAY = sqlite3.OperationalError


@muster.task("Migrate")
def table(name, key="id", chunk=1000):
    """Copies the table; `key` is its primary key, which the rows are read in the order of."""
    try:
        return copy(name, key, chunk, Database(os.environ["SOURCE"]), Database(os.environ["TARGET"]))
    except AWAY as problem:  # it cannot be reached, or is locked: the queue says when to try again
        raise muster.Retry(str(problem))


def copy(name, key, chunk, source, target):
    muster.beat(for_="10m")  # to count the rows, and to find the first ones, may take its time
    done = muster.saved() or {"rows": 0, "after": None, "of": source.count(name)}
    if done["rows"] > 0:
        print(f"goes on after {key} {done['after']}")
    while rows := source.read(name, key, done["after"], chunk):
        target.write(name, key, source.columns, rows)
        done["rows"] += len(rows)
        done["after"] = rows[-1][source.columns.index(key)]
        muster.save(done)  # after the rows are written, never before
        muster.beat()
        muster.progress(done["rows"] * 100 // max(done["rows"], done["of"]), f"{done['rows']} of {done['of']} rows")
    return {"rows": done["rows"]}


class Database:
    """sqlite:PATH or postgresql://…"""

    def __init__(self, address):
        is_sqlite = address.startswith("sqlite:")
        self.connection = sqlite3.connect(address[len("sqlite:"):]) if is_sqlite else psycopg2.connect(address)
        self.mark = "?" if is_sqlite else "%s"  # where a value goes
        self.cursor = self.connection.cursor()
        self.columns = []  # of what was read last

    def count(self, table):
        self.cursor.execute(f"SELECT count(*) FROM {quoted(table)}")
        return self.cursor.fetchone()[0]

    def read(self, table, key, after, limit):
        """The next rows. By key, not by OFFSET: the last chunk costs as much as the first, and rows that come or go
        meanwhile shift nothing."""
        start = f"WHERE {quoted(key)} > {self.mark}" if after is not None else ""
        self.cursor.execute(f"SELECT * FROM {quoted(table)} {start} ORDER BY {quoted(key)} LIMIT {int(limit)}",
                            [after] if after is not None else [])
        self.columns = [column[0] for column in self.cursor.description]
        return self.cursor.fetchall()

    def write(self, table, key, columns, rows):
        """All of these rows or none; those that are there stay as they are."""
        names, marks = ", ".join(map(quoted, columns)), ", ".join([self.mark] * len(columns))
        with self.connection:  # a transaction
            self.cursor.executemany(f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks}) "
                                    f"ON CONFLICT ({quoted(key)}) DO NOTHING", rows)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'
