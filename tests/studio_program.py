"""The program `zplus studio` as tests start it, and what it may leave on the disk."""

import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from command_line import cache_with_networks
from zplus.studio.serve import TOKEN_FILE

WATCH = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        host = arguments[1][0] if event != "socket.getaddrinfo" else arguments[0]
        if host not in ("127.0.0.1", "localhost", "::1"):
            with open({!r}, "a") as file:
                file.write(f"{{event}} {{host}}\\n")
            raise OSError("no other machine may be reached")
sys.addaudithook(watch)
"""

SHORT = """
from dataclasses import replace
from zplus.command.app import main
from zplus.inversion.settings import PRESETS
from zplus.studio.models import QUALITIES
PRESETS["default"] = replace(PRESETS["default"], lpips_size=64)
QUALITIES["quick"] = {"steps": 8}
main()
"""


def watched(folder: Path) -> dict[str, str]:
    """An environment whose Python reaches this machine alone, and writes to `asked` what else it was to reach."""
    paths = os.pathsep.join(filter(None, (str(folder / "watch"), os.environ.get("PYTHONPATH"))))
    environment = {**cache_with_networks(folder), "PYTHONUNBUFFERED": "1", "PYTHONPATH": paths}
    (folder / "watch").mkdir(exist_ok=True)
    (folder / "watch" / "sitecustomize.py").write_text(WATCH.format(str(folder / "asked")), encoding="utf-8")
    return environment


class Studio:
    """The program `zplus studio`, on a free port; `asked` holds every other machine that it tried to reach.

    short: inversions judge smaller pictures, and quick ones take fewer steps.
    """

    def __init__(self, folder: Path, *options: str, port: int = 0, short: bool = False):
        program = ["-c", SHORT] if short else ["-m", "zplus"]
        command = [sys.executable, *program, "studio", "--port", str(port), "--no-open", *options]
        self._asked, environment = folder / "asked", watched(folder)
        began = time.perf_counter()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.lines: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if line.startswith("The studio is at "):
                break
        else:
            raise AssertionError(self.lines)
        self.seconds = time.perf_counter() - began
        self.address = line.split()[4]
        self.port = int(self.address.split(":")[2].split("/")[0])
        self._rest = threading.Thread(target=self._read, daemon=True)
        self._rest.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines += list(self.process.stderr)

    @property
    def asked(self) -> list[str]:
        return self._asked.read_text(encoding="utf-8").splitlines() if self._asked.exists() else []

    def end(self, kill: bool = False) -> int:
        (self.process.kill if kill else self.process.terminate)()
        code = self.process.wait(timeout=20)
        self._rest.join(timeout=5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


class Page:
    """A page without a browser."""

    def __init__(self, studio, key=None):
        self.studio, self.key = studio, secrets.token_hex(16) if key is None else key

    def post(self, path, body=b"", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.studio.port, timeout=60)
        try:
            connection.request("POST", f"/api/{path}", body, {"x-visitor": self.key, **headers})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def call(self, name, **values):
        status, _, content = self.post(name, json.dumps(values).encode())
        return status, json.loads(content)


def kept_in(folder: Path) -> list[str]:
    """All files of a gallery but that of the page's token."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if str(path) != TOKEN_FILE)


def until(condition: Callable[[], object]) -> None:
    """Wait for something, half a minute at most."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def temporary_files() -> set[str]:
    """Files of the program in the system's folder for temporary ones."""
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("zplus-")}
