#!/usr/bin/env python3
"""The demonstration city, in a folder of its own and on a free port; nothing of it outlives whoever started it.

Tests in Python use `City`. Others start this file as a command: it prints one line of JSON, `{"url", "tokens"}`, once the city is
ready, and ends the city when its standard input closes, however that comes about. Standard library only.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

BINARY = Path(__file__).resolve().parent.parent / "target" / "debug" / "suikang"
START_S, MORNING_S, STOP_S = 120, 240, 60
ADDRESS = re.compile(r" lives at (http://[0-9.:]+)/")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class City:
    """`with City() as city:` gives a city that is ready. After `stop` its folder is still there, to the end of the block."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="suikang-city-")
        self.folder = Path(self._folder.name)
        self._log = self.folder / "city.log"
        self.url = None
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [BINARY, "up", "--demo", "--listen", "127.0.0.1:0"], cwd=self.folder, env=environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
            )
        try:
            self._until(START_S, "ready", self._is_ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()  # of no effect if it has stopped
        self._process.wait()
        self._folder.cleanup()

    def _is_ready(self):
        if self.url is None:
            found = ADDRESS.search(self.log())
            self.url = found and found[1]
        if self.url is None:
            return False
        try:
            return self.get("/readyz").status == 200
        except (urllib.error.HTTPError, urllib.error.URLError):
            return False

    def wait_for_morning(self):
        """Until the declarations and scans are in with which the city begins."""
        self._until(MORNING_S, "through its morning", lambda: "the city has had its morning" in self.log())

    def stop(self):
        """As an operator does. Everything accepted is in the lake when this returns."""
        self._process.send_signal(signal.SIGTERM)
        exit_status = self._process.wait(STOP_S)
        assert exit_status == 0, f"the city ended with {exit_status}:\n{self.log()}"

    def command(self, *arguments):
        """What a command prints that is run where the city's data is."""
        done = subprocess.run([BINARY, *arguments], cwd=self.folder, env=environment(), capture_output=True, text=True,
                              encoding="utf-8", timeout=60, check=False)
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def token(self, role, login="e2e", area="4401"):
        return self.command("token", "--role", role, "--area", area, "--login", login, "--ttl", "1h").strip()

    def get(self, path):
        return urllib.request.urlopen(self.url + path, timeout=30)

    def post(self, path, body, token, **headers):
        """The answer's status and JSON."""
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode(), method="POST", headers={
            "Content-Type": "application/json", "Authorization": f"Bearer {token}", **headers})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)

    def log(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _until(self, seconds, what, holds):
        end = time.monotonic() + seconds
        while not holds():
            if self._process.poll() is not None:
                raise AssertionError(f"the city ended before it was {what}:\n{self.log()}")
            if time.monotonic() > end:
                raise AssertionError(f"the city was not {what} in {seconds} s:\n{self.log()}")
            time.sleep(0.1)


def environment():
    """Ours, without settings of another city."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SUIKANG_")}


def die_with_parent():
    """Even if the tests are killed, and so cannot clean up."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with City() as city:
        roles = ("resident", "headquarters_investigator")
        print(json.dumps({"url": city.url, "tokens": {role: city.token(role) for role in roles}}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
