"""Rows of measurements in a file of JSON lines: each is measured once, and a killed run goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def check_settings(work: Path, **settings: Any) -> None:
    """Keep the settings in WORK/settings.json. Ends the program where WORK was measured with others."""
    path, given = work / "settings.json", json.loads(json.dumps(settings))
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else given
    other = [key for key in {**before, **given} if before.get(key) != given.get(key)]
    if other:
        raise SystemExit(f"{work} was measured with other {', '.join(other)}: give another folder.")
    path.write_text(json.dumps(given, indent=1) + "\n", encoding="utf-8")


class Kept:
    """The rows of a file, by the values of `keys`. Delete the file when the code that made them has changed."""

    def __init__(self, path: Path, *keys: str):
        self.path, self.keys = path, keys
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows = {self._key(row): row for row in map(json.loads, lines)}

    def row(self, known: Row, measure: Callable[[], Row]) -> Row:
        """The row of what is known, which holds all keys; measured and written if it is not there yet."""
        if self._key(known) not in self.rows:
            row = known | measure()
            self.rows[self._key(row)] = row
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        return self.rows[self._key(known)]

    def _key(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[key] for key in self.keys)
