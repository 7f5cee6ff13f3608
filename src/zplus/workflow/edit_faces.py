"""Edit all faces of a photo, alike or each by its own wish; and all photos of a folder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy import array

from zplus.faces.align import Aligned, crop, no_such_face
from zplus.files import unlinked
from zplus.generators import Generator
from zplus.images import WRITTEN, read_image, write_image
from zplus.inversion.batch_size import batch_size
from zplus.latent import Latent, load_latent
from zplus.workflow.callbacks import SILENT, Callbacks, collecting
from zplus.workflow.editing import (
    Facts,
    Subject,
    check_names,
    check_options,
    edited_latent,
    finished,
    judged,
    masked,
    noted,
)
from zplus.workflow.finished import Record, file_hashes
from zplus.workflow.inverting import Inverter, halved, load_inverter
from zplus.workflow.json_files import plain, read_json, write_json
from zplus.workflow.models import needed, pull_missing
from zplus.workflow.options import EditOptions, InvertOptions
from zplus.workflow.photo import Pixels, aligned_faces

KEYS = (  # of a record
    "photo_sha256", "fingerprint", "request", "start_sha256", "zplus_version", "encoder_fingerprint",
)  # fmt: skip


def edit_all_faces(
    photo: Path, out: Path, options: EditOptions, inverting: InvertOptions, callbacks: Callbacks = SILENT
) -> Facts:
    """Edit all faces of a photo and write the image. Faces that no strength applies to are left as they are.

    Args:
        photo: The file of a photo.
        out: The image to write.
        options: The edit; `own` holds the wishes of single faces, the largest being number 0.
        inverting: How the faces are inverted, all at once as far as the memory suffices.
        callbacks: See `Callbacks`.

    Returns:
        The picture, the warnings, and for each edited face the figures by the keys of `zplus edit --json`.

    Raises:
        ZplusError: Something is invalid, or there is no face of a number.
    """
    callbacks, warnings = collecting(callbacks)
    check_options(options)
    read_image(photo)  # a bad photo is refused before anything is fetched
    pull_missing(needed(inverting.model), callbacks)
    inverter = load_inverter(inverting, callbacks)
    check_names(options, inverter.generator)
    crops = aligned_faces(photo, inverter.generator.resolution, "all", inverting.align, callbacks)
    wanted = wishes(options, len(crops))
    subjects = {}
    for i, latent in zip(wanted, _latents(inverter, [crops[i] for i in wanted], photo, callbacks), strict=True):
        _, facts = inverter.judge(latent, crops[i], callbacks)
        subjects[i] = Subject(inverter.generator, latent, crops[i], facts, inverter.identity)
    pixels, found, note = edit_faces(subjects, crops, options, callbacks)
    write_image(out, pixels, note)
    return {"photo": photo, "picture": out, "results": found, "warnings": list(dict.fromkeys(warnings))}


def _latents(inverter: Inverter, crops: Sequence[Aligned], photo: Path, callbacks: Callbacks) -> list[Latent]:
    """The latents of crops, as many at once as the memory bears."""
    found: list[Latent] = []
    size = min(len(crops), batch_size(inverter.generator, inverter.settings))
    title = f"Inverting {len(crops)} faces of {photo.name}"
    while len(found) < len(crops):
        try:
            found += inverter.invert_all(crops[len(found) : len(found) + size], size, callbacks, title)
        except Exception as error:
            size = halved(size, error, callbacks)
    return found


def wishes(options: EditOptions, faces: int) -> list[int]:
    """The numbers of the faces that are to be edited. Raises FaceError where one is not there."""
    if missing := [number for number in options.own if number >= faces]:
        raise no_such_face(missing[0], faces)
    return [i for i in range(faces) if options.of_face(i).moved or options.targets]


def edit_faces(
    subjects: Mapping[int, Subject], crops: Sequence[Aligned], options: EditOptions, callbacks: Callbacks
) -> tuple[Pixels, list[Facts], str]:
    """Edit faces of one photo and paste them into it, one after another.

    Args:
        subjects: The faces that are edited, by number.
        crops: All faces of the photo.
        options: The edit.
        callbacks: See `Callbacks`.

    Returns:
        The photo, the figures of each face, and a note on the edits.
    """
    pixels, facts, notes = crops[0].photo, [], []
    for i, subject in subjects.items():
        own = options.of_face(i)
        edited, strengths = edited_latent(masked(subject, own.mask), own, callbacks)
        with callbacks.stage("Editing", None):
            after, found = judged(subject, edited, strengths, own, callbacks)
            others = [x for j, x in enumerate(crops) if j != i]
            pixels = finished(subject.generator, edited, after, crops[i], own.paste, others, pixels)
        facts.append({"face": i} | subject.facts | found)
        notes.append(noted(strengths))
    return pixels, facts, "; ".join(dict.fromkeys(notes))


def edit_photos(
    inverted: Iterable[tuple[Path, list[Record] | Exception]],
    generator: Generator,
    folder: Path,
    options: EditOptions,
    callbacks: Callbacks = SILENT,
) -> Iterator[tuple[Path, list[Record] | Exception]]:
    """Edit photos that `invert_photos` inverted into a folder, and write the edited ones beside.

    What was edited before with the same wishes is not edited again. An error in one photo does not stop the others.

    Args:
        inverted: Photos with their records.
        generator: The generator of their latents.
        folder: Where the edited photos are written, as NAME.edited and the photo's own suffix, or .png.
        options: The edit.
        callbacks: See `Callbacks`.

    Yields:
        Each photo, with its records and "picture" in them, or the exception that it caused.
    """
    files = file_hashes([*options.moved, *options.targets, options.mask or ""])
    for photo, records in inverted:
        try:
            if isinstance(records, Exception):
                raise records
            key = plain({"edit": asdict(options), "files": files} | {x: [r.get(x) for r in records] for x in KEYS})
            yield photo, _edited(photo, records, generator, folder, options, key, callbacks)
        except Exception as error:
            yield photo, error


def _edited(
    photo: Path,
    records: Sequence[Record],
    generator: Generator,
    folder: Path,
    options: EditOptions,
    key: dict[str, Any],
    callbacks: Callbacks,
) -> list[Record]:
    name = Path(records[0]["latent"]).name.removesuffix(".latent.safetensors")
    name = name.removesuffix(".face0") if "face" in records[0] else name  # else the photo itself is called so
    suffix = photo.suffix.lower() if photo.suffix.lower() in WRITTEN else ".png"
    out, record = folder / f"{name}.edited{suffix}", folder / f"{name}.edited.json"
    before = read_json(record) or {}
    if before.get("key") != key or not out.is_file():
        unlinked(out), unlinked(record)
        pixels = read_image(photo)
        crops = [crop(pixels, array(r["quad"]), generator.resolution) for r in records]
        subjects = {
            i: Subject(generator, load_latent(records[i]["latent"]), crops[i], {}) for i in wishes(options, len(crops))
        }
        edited, facts, note = edit_faces(subjects, crops, options, callbacks)
        record.unlink(missing_ok=True)
        write_image(out, edited, note)
        write_json(record, {"photo": photo, "picture": out, "results": facts, "key": key})
    return [r | {"picture": out} for r in records]
