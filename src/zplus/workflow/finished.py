"""What a folder of inversions holds: the files of each photo, and a record that says what they were made of."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zplus import __version__
from zplus.errors import ImageError
from zplus.files import regular
from zplus.generators.contract import fingerprint
from zplus.workflow.inverting import Inverter
from zplus.workflow.json_files import read_json

NEWER = ("zplus_version", "encoder_fingerprint")  # parts of the key that records of before do not have
TAKEN = ("summary", "manifest")  # names of files about all photos
Record = dict[str, Any]


@dataclass(frozen=True)
class Files:
    """Where the inversion of one face lies."""

    folder: Path
    name: str

    @property
    def record(self) -> Path:
        """Written last: where it is, the others are."""
        return self.folder / f"{self.name}.json"

    @property
    def pictures(self) -> dict[str, Path]:
        """The latent and the pictures, by their names in the record."""
        ends = {"latent": ".latent.safetensors", "reconstruction": ".reconstruction.png", "aligned": ".aligned.png"}
        return {kind: self.folder / (self.name + end) for kind, end in ends.items()}

    def face(self, number: int) -> "Files":
        """Where one of several faces of the photo lies."""
        return Files(self.folder, f"{self.name}.face{number}")

    def finished(self, key: Record) -> Record | None:
        """The record, if all files are there and were made of what the key says."""
        record = read_json(self.record)
        if record is None or not _is_of(key, record) or not all(path.is_file() for path in self.pictures.values()):
            return None
        return record | self.pictures


class Names:
    """Gives every photo a name that no other photo has in the folder.

    It is the photo's own, or one with a part of its hash where that is taken.
    """

    def __init__(self, folder: Path, face: int | str):
        self.folder, self.suffix, self.given = folder, ".face0" if face == "all" else "", dict[str, str]()

    def files(self, photo: Path, content: str) -> Files:
        """The files of a photo with this hash."""
        plain, long = Files(self.folder, photo.stem), Files(self.folder, f"{photo.stem}-{content[:8]}")
        if photo.stem in TAKEN or (self.folder / f"{long.name}{self.suffix}.json").exists():
            return long
        owner = self.given.get(photo.stem) or self._owner(plain)
        if owner not in (None, content):
            return long
        self.given[photo.stem] = content
        return plain

    def _owner(self, files: Files) -> str | None:
        record = read_json(self.folder / f"{files.name}{self.suffix}.json")
        return None if record is None else str(record.get("photo_sha256"))


def faces_finished(files: Files, key: Record, face: int | str) -> list[Record]:
    """The records of a photo whose faces are all finished; else none."""
    if face != "all":
        found = files.finished(key)
        return [] if found is None else [found]
    first = files.face(0).finished(key)
    records = [] if first is None else [files.face(i).finished(key) for i in range(int(first["faces"]))]
    return [] if None in records else [record for record in records if record is not None]


def unfinished(photos: Iterable[Path], folder: Path) -> int:
    """About how many photos have no record in the folder, by name alone."""
    return sum(not any((folder / f"{x.stem}{end}.json").exists() for end in ("", ".face0")) for x in photos)


def file_hashes(names: Iterable[str]) -> dict[str, str]:
    """The hashes of those names that are files: a direction's, a mask's."""
    return {name: file_hash(Path(name)) for name in names if Path(name).is_file()}


def settings_of(inverter: Inverter) -> Record:
    """All that determines a latent besides the photo."""
    options, encoder = inverter.options, inverter.encoder
    read = {"encoder": options.encoder, "start": options.start if inverter.start else None}
    request = asdict(options)
    if options.transform is None:  # records of before do not have it
        del request["transform"]
    return {
        "fingerprint": inverter.generator.fingerprint,
        "request": request,
        **{f"{name}_sha256": file_hash(Path(path)) for name, path in read.items() if path},
        "zplus_version": __version__,
        "encoder_fingerprint": None if encoder is None else fingerprint(encoder.state_dict()),
    }


def file_hash(path: Path) -> str:
    """The SHA-256 of a photo's bytes. Raises ImageError where it cannot be read."""
    try:
        with regular(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist: check the name.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path} cannot be read ({reason}): check its name and its permissions.") from error


def _is_of(key: Record, record: Record) -> bool:
    """Whether a record is of this key; one of before has no NEWER parts."""
    return all(record.get(name, value if name in NEWER else None) == value for name, value in key.items())
