"""The manifest of a folder of inversions, a line of JSON for each face; and the summary of a run."""

import json
import math
import statistics
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zplus.errors import ImageError, sentence
from zplus.files import atomic, unlinked
from zplus.images import READABLE
from zplus.perception.quality import FIGURES
from zplus.workflow.batch import Found
from zplus.workflow.finished import Record, file_hash
from zplus.workflow.json_files import plain

NAME = "manifest.jsonl"
WAITING = "waiting"  # the status of photos that a run did not come to


class Manifest:
    """Collects the rows of a run. Times are in "seconds" alone: without them equal runs give equal bytes.

    Args:
        path: The file, once it is whole.
        temporary: The file that is being written.
        root: The folder that photos are named from; None names them as they were given.

    Attributes:
        failed: The photos that failed, and why.
    """

    def __init__(self, path: Path, temporary: Path, root: Path | None):
        self.path, self.root = path, root
        self.file = temporary.open("r+", encoding="utf-8", newline="\n")
        self.failed: list[Record] = []
        self._figures = {name: array("d") for name in (*FIGURES, "seconds")}

    def add(self, photo: Path, found: Found) -> None:
        """The rows of a photo: one for each face, or one that says why there is none."""
        if isinstance(found, Exception):
            self.failed.append({"photo": photo, "error": sentence(found)})
            self._write(photo, status="failed", sha256=_hash(photo), reason=self._reason(photo, found))
            return
        for record in found:
            more = {"face": record["face"]} if "face" in record else {}
            figures = {name: record.get(name) for name in FIGURES}
            latent, seconds = Path(record["latent"]).name, record.get("seconds")
            if "picture" in record:
                more["picture"] = Path(record["picture"]).name
            facts = {"sha256": record["photo_sha256"], "latent": latent, "steps": record.get("steps"), **figures}
            self._write(photo, **more, status="finished", **facts, seconds=seconds)
            for name, values in self._figures.items():
                if record.get(name) is not None and math.isfinite(record[name]):
                    values.append(record[name])

    def wait(self, photos: Iterable[Path]) -> None:
        """The rows of photos that are still to be done."""
        for photo in photos:
            self._write(photo, status=WAITING)

    def summary(self) -> Record:
        """The failures, and medians of the figures over the faces that have them."""
        medians = {name: statistics.median(x) if x else None for name, x in self._figures.items()}
        return {"failed": self.failed, "medians": medians, "manifest": self.path}

    def _write(self, photo: Path, **facts: Any) -> None:
        self.file.write(json.dumps(plain({"photo": self._name(photo), **facts})) + "\n")

    def _name(self, photo: Path) -> str:
        return str(photo) if self.root is None else photo.relative_to(self.root).as_posix()

    def _reason(self, photo: Path, error: Exception) -> str:
        return sentence(error).replace(str(photo), self._name(photo))


@contextmanager
def manifest(folder: Path, photos: Sequence[Path], root: Path | None) -> Iterator[Manifest]:
    """Write the manifest of a run; until it ends all photos are said to be waiting."""
    with _writing(folder, root) as first:
        first.wait(photos)
    with _writing(folder, root) as found:
        yield found


@contextmanager
def _writing(folder: Path, root: Path | None) -> Iterator[Manifest]:
    with atomic(unlinked(folder / NAME)) as temporary:
        found = Manifest(folder / NAME, temporary, root)
        try:
            yield found
        finally:
            found.file.close()


def was_cut(folder: Path) -> bool:
    """Whether a run ended before it had come to all photos."""
    try:
        with (folder / NAME).open(encoding="utf-8") as file:
            return any(f'"status": "{WAITING}"' in line for line in file)
    except (OSError, ValueError):
        return False


def photos_in(folder: Path, out: Path) -> list[Path]:
    """The photos in a folder and in those below it, in the order of their names, without those in `out`.

    Raises:
        ImageError: There are none.
    """
    found = [path for path in folder.rglob("*") if path.suffix.lower() in READABLE and path.is_file()]
    out = out.resolve()
    shown = [x for x in found if not (x.name.startswith(".") or out in x.resolve().parents)]
    if not shown:
        raise ImageError(f"{folder} holds no photos: they must end in {', '.join(READABLE)}.")
    return sorted(shown)


def _hash(photo: Path) -> str | None:
    try:
        return file_hash(photo)
    except ImageError:
        return None
