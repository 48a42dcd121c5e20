"""tests/chaos/cutter.py before a Redis: a line that can be cut, delayed and parted."""

import subprocess
import sys

from harness import REPO


class Relay:
    def __init__(self, server):
        self.process = subprocess.Popen([sys.executable, str(REPO / "tests" / "chaos" / "cutter.py"), server.socket],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def order(self, text):
        """Returns how many connections were cut so far."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def kill(self):
        """What it holds back is lost, as with the machine that it stands for."""
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
