"""Processes: started, waited for, and stopped with all that they started."""

import os
import signal
import socket
import subprocess
import time

from . import machine


class Failed(Exception):
    """Something could not be started, or does not do the job."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One program in a session of its own, its output in a file."""

    def __init__(self, command, log, *, environment=None, folder=None):
        self.log = log
        with open(log, "wb") as output:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self.pid = self.child.pid
        machine.favour_session(self.pid)

    def wait_for_port(self, port, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise Failed(f"ended with {self.child.returncode}: {self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failed(f"not listening after {seconds} s: {self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as output:
            return " / ".join(output.read().strip().splitlines()[-3:])

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, patience=0):
        """Ends the whole session, after seconds in which it may end by itself."""
        try:
            if patience:
                self.signal(signal.SIGTERM)
                self.child.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
