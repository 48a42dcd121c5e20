"""The class that tests/exec-kit/kit wants, in Python; with asyncio where it waits, so that several run at a time."""

import asyncio

import muster


@muster.task
class Kit:
    def noop(self):
        pass

    def echo(self, *param):
        return list(param)

    def add(self, a, b):
        return a + b

    def retry(self, message):
        raise muster.Retry(message)

    def fail(self, message):
        raise ValueError(message)

    def print(self, text):
        print(text, end="")

    async def sleep(self, ms):
        muster.beat()
        await asyncio.sleep(ms / 1000)

    def hang(self):
        muster.beat()
        while True:
            pass

    async def beat(self, n):
        for _ in range(n):
            muster.beat()
            await asyncio.sleep(0.02)
        return n

    def silence(self, for_):
        muster.beat(for_)

    def progress(self, percent, note):
        muster.progress(percent, note)

    def log(self, text):
        muster.log(text)

    def save(self, object_):
        muster.save(object_)

    def saved(self):
        return muster.saved()

    def push(self, class_, method):
        muster.push(class_, method)
