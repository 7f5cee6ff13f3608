"""The command `invert`: photos to latents, with a record of each, so that a second run continues where one ended."""

import hashlib
import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zplus.command.inverting import Inverter, Request
from zplus.command.outputs import output_folder
from zplus.command.photo import aligned_face
from zplus.command.show import Show, complain, read_json, write_json
from zplus.errors import ImageError
from zplus.images import to_pixels, write_image
from zplus.latent import Latent, save_latent
from zplus.perception.quality import FIGURES


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


def invert_photos(photos: list[Path], folder: Path, request: Request, show: Show) -> int:
    """Invert photos into a folder; the exit code. A failing photo is named and does not keep the others."""
    folder = output_folder(folder)
    inverter = Inverter(request, show, len(photos))
    read = {"encoder": request.encoder, "start": request.start if inverter.start else None}
    hashes = {f"{name}_sha256": _fingerprint(Path(path)) for name, path in read.items() if path}
    results: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    interrupted = False
    for i, photo in enumerate(photos):
        try:
            count = f" ({i + 1} of {len(photos)})" if len(photos) > 1 else ""
            results.append(_one(inverter, photo, folder, hashes, count))
        except KeyboardInterrupt:
            interrupted = True
            break
        except Exception as error:
            if len(photos) == 1:
                raise
            failed.append({"photo": photo, "error": complain(error, str(photo))})
    if interrupted:
        show.say(f"Interrupted: {len(results)} of {len(photos)} photos are finished; run this again to go on.")
    summary = {"results": results, "failed": failed, "medians": _medians(results)}
    if len(photos) > 1:
        write_json(folder / "summary.json", summary)
    text = "\n".join(f"{r['photo']} -> {r['latent']}  {_in_short(r)}" for r in results)
    show.result(results[0] if len(photos) == 1 and results else summary, text)
    return 130 if interrupted else 0 if not failed else 1 if results else 2


def _one(inverter: Inverter, photo: Path, folder: Path, hashes: Mapping[str, str], count: str) -> dict[str, Any]:
    """Invert one photo, unless that was done before; its record. hashes: of what else was read."""
    asked, show = inverter.request, inverter.show
    content = _fingerprint(photo)
    key = {"photo_sha256": content, "fingerprint": inverter.generator.fingerprint, "request": asdict(asked), **hashes}
    files = _files(folder, photo, content)
    paths = {"photo": photo, **files.pictures}
    record = read_json(files.record) or {}
    if {name: record.get(name) for name in key} == key and all(path.is_file() for path in files.pictures.values()):
        show.say(f"{photo}: finished before with the same settings, so it is skipped.")
        return record | paths
    if record:
        show.warn(f"{photo} was inverted into this folder with other settings before: that is replaced.")
    aligned = aligned_face(photo, inverter.generator.resolution, asked.face, show, asked.align)
    latent = inverter.invert(aligned, f"Inverting {photo.name}{count}")
    image, facts = inverter.judge(latent, aligned)
    files.record.unlink(missing_ok=True)  # until all is new again
    save_latent(_with_figures(latent, facts), paths["latent"])
    write_image(paths["reconstruction"], to_pixels(image[0]), "inverted")
    write_image(paths["aligned"], aligned.pixels, "aligned")
    record = facts | paths | {"quad": aligned.quad.tolist()} | key
    write_json(files.record, record)
    return record


def _with_figures(latent: Latent, facts: dict[str, Any]) -> Latent:
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


def _fingerprint(photo: Path) -> str:
    """The hash of a file."""
    try:
        with photo.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ImageError(f"{photo} does not exist: check the name.") from None
    except IsADirectoryError:
        raise ImageError(f"{photo} is a folder: give a picture in it.") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{photo} cannot be read ({error}): check its name and its permissions.") from error


def _medians(results: list[dict[str, Any]]) -> dict[str, float | None]:
    """Over the photos that have a figure."""
    found = {}
    for name in (*FIGURES, "seconds"):
        values = [r[name] for r in results if r.get(name) is not None and math.isfinite(r[name])]
        found[name] = statistics.median(values) if values else None
    return found


def _in_short(record: dict[str, Any]) -> str:
    parts = [("LPIPS", "lpips_vgg", ".3f"), ("PSNR", "psnr", ".1f"), ("identity", "identity_distance", ".2f")]
    known = [(label, record[name], form) for label, name, form in parts if isinstance(record.get(name), float)]
    return ", ".join(f"{label} {value:{form}}" for label, value, form in known if math.isfinite(value))
