"""Photos to latents in a folder, with a record of each, so that a second run goes on where one ended."""

import hashlib
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zplus import __version__
from zplus.errors import ImageError
from zplus.generators.contract import fingerprint
from zplus.images import to_pixels, write_image
from zplus.latent import Latent, save_latent
from zplus.perception.quality import FIGURES
from zplus.workflow.callbacks import SILENT, Callbacks, collecting
from zplus.workflow.inverting import Inverter, load_inverter
from zplus.workflow.json_files import read_json, write_json
from zplus.workflow.options import InvertOptions
from zplus.workflow.photo import aligned_face

NEWER = ("zplus_version", "encoder_fingerprint")  # parts of the key that records of before do not have

Record = dict[str, Any]


@dataclass(frozen=True)
class Files:
    """Where the inversion of one photo lies."""

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


def invert_photos(
    photos: Sequence[Path], folder: Path, options: InvertOptions, callbacks: Callbacks = SILENT
) -> Iterator[tuple[Path, Record | Exception]]:
    """Invert photos into a folder: a latent, a reconstruction, the crop and a record each.

    A photo whose record in the folder has the same content, options and versions is not inverted again. An error in one
    photo does not stop the others.

    Args:
        photos: Files of photos.
        folder: An existing folder.
        options: How they are inverted.
        callbacks: See `Callbacks`.

    Yields:
        Each photo, with its record or the exception that it caused.

    Raises:
        ZplusError: The options are invalid, or a network is missing.
    """
    inverter = load_inverter(options, callbacks, len(photos))
    settings = _key(inverter)
    for i, photo in enumerate(photos):
        count = f" ({i + 1} of {len(photos)})" if len(photos) > 1 else ""
        found: Record | Exception
        try:
            found = _invert_one(inverter, photo, folder, settings, callbacks, count)
        except Exception as error:
            found = error
        yield photo, found


def summary(results: Sequence[Record], failed: Sequence[Mapping[str, Any]], interrupted: bool) -> Record:
    """The summary of a batch: its records, its failures, and medians of the figures."""
    found = {"results": list(results), "failed": list(failed), "medians": _medians(results)}
    return found | ({"error": "Interrupted."} if interrupted else {})


def _key(inverter: Inverter) -> Record:
    """All that determines a latent besides the photo."""
    options, encoder = inverter.options, inverter.encoder
    read = {"encoder": options.encoder, "start": options.start if inverter.start else None}
    return {
        "fingerprint": inverter.generator.fingerprint,
        "request": asdict(options),
        **{f"{name}_sha256": _file_hash(Path(path)) for name, path in read.items() if path},
        "zplus_version": __version__,
        "encoder_fingerprint": None if encoder is None else fingerprint(encoder.state_dict()),
    }


def _invert_one(
    inverter: Inverter, photo: Path, folder: Path, settings: Record, callbacks: Callbacks, count: str
) -> Record:
    """Invert one photo, unless that was done before; its record."""
    callbacks, warnings = collecting(callbacks)
    key = {"photo_sha256": _file_hash(photo), **settings}
    files = _files(folder, photo, key["photo_sha256"])
    paths = {"photo": photo, **files.pictures}
    record = read_json(files.record) or {}
    if _is_of(key, record) and all(path.is_file() for path in files.pictures.values()):
        callbacks.say(f"{photo}: finished before with the same settings, so it is skipped.")
        return record | paths
    if record:
        callbacks.warn(f"{photo} was inverted into this folder with other settings before: that is replaced.")
    options = inverter.options
    aligned = aligned_face(photo, inverter.generator.resolution, options.face, options.align, callbacks)
    latent = inverter.invert(aligned, callbacks, f"Inverting {photo.name}{count}")
    image, facts = inverter.judge(latent, aligned, callbacks)
    files.record.unlink(missing_ok=True)  # until all is new again
    save_latent(_with_figures(latent, facts), paths["latent"])
    write_image(paths["reconstruction"], to_pixels(image[0]), "inverted")
    write_image(paths["aligned"], aligned.pixels, "aligned")
    told = {"warnings": [*inverter.warnings, *warnings], "quad": aligned.quad.tolist()}
    record = facts | told | paths | key
    write_json(files.record, record)
    return record


def _is_of(key: Record, record: Record) -> bool:
    """Whether a record is of this key; one of before has no NEWER parts."""
    return all(record.get(name, value if name in NEWER else None) == value for name, value in key.items())


def _with_figures(latent: Latent, facts: Record) -> Latent:
    """The latent with its quality among its figures, where it is known."""
    known = {name: [facts[name]] for name in FIGURES if math.isfinite(facts[name])}
    return replace(latent, figures=latent.figures | known)


def _files(folder: Path, photo: Path, content: str) -> Files:
    """Names that no other photo has in the folder: the photo's own, or with a part of its hash where that is taken."""
    plain, long = Files(folder, photo.stem), Files(folder, f"{photo.stem}-{content[:8]}")
    owner = read_json(plain.record)
    if long.record.exists() or photo.stem == "summary":
        return long
    return plain if owner is None or owner.get("photo_sha256") == content else long


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist: check the name.") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder: give a picture in it.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path} cannot be read ({reason}): check its name and its permissions.") from error


def _medians(results: Sequence[Record]) -> dict[str, float | None]:
    """Over the photos that have a figure."""
    found = {}
    for name in (*FIGURES, "seconds"):
        values = [r[name] for r in results if r.get(name) is not None and math.isfinite(r[name])]
        found[name] = statistics.median(values) if values else None
    return found
