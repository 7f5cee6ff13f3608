"""Edit a film: one frame is inverted whole, the others from their neighbours, and one edit is made in all of them.

The way: faces are found and followed, their landmarks smoothed, crops cut out, inverted from the key frame to both
ends, edited, pasted, and written with the source's times and sound. What is done of each frame is kept in a folder
beside the result until the film is written, so that a killed run goes on.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zplus.editing import find_direction
from zplus.errors import ZplusError
from zplus.faces.detector import FaceDetector
from zplus.faces.paste import bounds
from zplus.generators.contract import fingerprint
from zplus.images import read_image, write_edited_film, write_image
from zplus.inversion import invert
from zplus.latent import load_latent, save_latent
from zplus.video import Frame, is_video
from zplus.workflow.callbacks import SILENT, Callbacks, collecting, python_warnings
from zplus.workflow.editing import noted
from zplus.workflow.film_edit import FrameEditor
from zplus.workflow.film_faces import Places, crop_file, cut_faces, find_places, key_frame
from zplus.workflow.film_work import FilmWork, open_work
from zplus.workflow.finished import file_hashes, settings_of
from zplus.workflow.footage import Footage, open_footage
from zplus.workflow.inverting import Inverter, load_inverter
from zplus.workflow.json_files import read_json, write_json
from zplus.workflow.masks import check_mask, check_painted
from zplus.workflow.models import needed, pull_missing
from zplus.workflow.options import InvertOptions, VideoOptions

AFRESH = 4  # times the steps of a frame whose neighbour shows no face


def edit_video(
    source: str | Path,
    out: str | Path,
    strengths: Mapping[str, float],
    options: VideoOptions | None = None,
    inverting: InvertOptions | None = None,
    callbacks: Callbacks = SILENT,
    detector: FaceDetector | None = None,
) -> dict[str, Any]:
    """Edit the face in a film. Models that are missing are pulled.

    A run that was ended goes on where it was, from the folder OUT.work, if content, settings and versions are the same.

    Args:
        source: A film, or a folder of frames as pictures of one size.
        out: The .mp4 to write, for its owner alone, with the source's frame times, size and sound.
        strengths: Strength by the name or file of a direction, in standard deviations of the attribute.
        options: The mask, pasting, steps of a frame, quality, and the rate of a folder; None for the defaults.
        inverting: How the key frame is inverted; None for the defaults. Without `align`, the square in the middle of
            every frame is taken.
        callbacks: See `zplus.workflow.Callbacks`.
        detector: Finds the faces; None loads dlib's.

    Returns:
        Figures by the keys of `zplus video --json`.

    Raises:
        ImageError: The source is no film or folder of frames, is damaged, or has less than two frames.
        FaceError: The face is in no frame.
        MissingExtraError: PyAV is not installed.
        ZplusError: An option is invalid.
    """
    began, source, out = time.perf_counter(), Path(source), Path(out)
    options, inverting = options or VideoOptions(), inverting or InvertOptions()
    if inverting.face == "all":
        raise ZplusError("In a film one face is followed at a time: give its number, 0 being the largest.")
    callbacks, warnings = collecting(callbacks)
    footage = _checked(source, out, strengths, options)
    for line in footage.lost_sound():
        callbacks.warn(line)
    pull_missing(needed(inverting.model), callbacks)
    inverter = load_inverter(inverting, callbacks, photos=100)
    _check_fit(inverter, strengths, options)
    work = open_work(out, _key(footage, inverter, strengths, options))
    size = inverter.generator.resolution
    places = find_places(footage, work, inverting.face, inverting.align, callbacks, detector)
    cut_faces(footage, work, places, size, callbacks)
    key, facts = _invert_key(inverter, work, places, callbacks)
    _invert_others(inverter, work, places.edited, key, options.frame_steps, callbacks)
    with python_warnings(callbacks):
        _edit_frames(footage, inverter, work, places, key, options, strengths, callbacks)
    _write(footage, work, places, out, options, strengths, callbacks)
    work.remove()
    seconds = time.perf_counter() - began
    return facts | {
        "video": out,
        "frames": places.frames,
        "edited_frames": len(places.edited),
        "key_frame": key,
        "rate": float(footage.timing.rate),
        "direction": list(strengths),
        "strength": list(strengths.values()),
        "frame_steps": options.frame_steps,
        "seconds": round(seconds, 3),
        "seconds_per_frame": round(seconds / places.frames, 3),
        "warnings": list(dict.fromkeys([*inverter.warnings, *warnings])),
    }


def _checked(source: Path, out: Path, strengths: Mapping[str, float], options: VideoOptions) -> Footage:
    """The footage, once it is clear that the rest can be done without the networks."""
    if not is_video(out):
        raise ZplusError(f"{out} is no name for a film: end it in .mp4.")
    if not strengths:
        raise ZplusError("Say what to change: -d smile=1.")
    if options.frame_steps < 1 or not 0 <= options.quality <= 51 or not 0.1 <= options.rate <= 240:
        raise ZplusError("Steps of a frame are 1 or more, quality is 0 to 51, and the rate 0.1 to 240 frames a second.")
    if options.mask is not None:
        check_mask(options.mask)
    return open_footage(source, options.rate)


def _check_fit(inverter: Inverter, strengths: Mapping[str, float], options: VideoOptions) -> None:
    """Refuse what does not fit the generator, before hours of work."""
    for name in strengths:
        find_direction(name, inverter.generator)
    if options.mask is not None:
        check_painted(options.mask, inverter.generator)
    if {"sam", "pti"} & set(inverter.settings.stages):
        raise ZplusError("A film cannot be edited by SAM or PTI, which change the generator frame by frame.")


def _key(footage: Footage, inverter: Inverter, strengths: Mapping[str, float], options: VideoOptions) -> dict[str, Any]:
    """All that determines the film."""
    return settings_of(inverter) | {
        "content": footage.digest(),
        "directions": {name: fingerprint(find_direction(name, inverter.generator).tensors) for name in strengths},
        "strengths": dict(strengths),
        "video": asdict(options),
        "files": file_hashes([options.mask or ""]),
        "mode": inverter.execution.describe(),
    }


def _invert_key(inverter: Inverter, work: FilmWork, places: Places, callbacks: Callbacks) -> tuple[int, dict[str, Any]]:
    """The number of the key frame, inverted whole, and the figures of its reconstruction."""
    record = work.folder / "key_frame.json"
    known = read_json(record)
    key = key_frame(work, places) if known is None else int(known["key_frame"])
    if known is None:
        write_json(record, {"key_frame": key})
    crop = crop_file(work.crop(key))
    if not work.latent(key).exists():
        save_latent(inverter.invert(crop, callbacks, f"Inverting frame {key}"), work.latent(key))
    _, facts = inverter.judge(load_latent(work.latent(key)), crop, callbacks)
    del facts["seconds_per_step"]  # which a file does not tell
    return key, facts


def _invert_others(
    inverter: Inverter, work: FilmWork, frames: list[int], key: int, steps: int, callbacks: Callbacks
) -> None:
    """Invert from the key frame to both ends, each frame from its neighbour's code and F."""
    after, before = [i for i in frames if i > key], [i for i in reversed(frames) if i < key]
    options, done = inverter.options, 1
    with callbacks.stage("Inverting the other frames", len(frames)) as tick, python_warnings(callbacks):
        for order in (after, before):
            last = key
            for i in order:
                if not work.latent(i).exists():
                    latent = invert(
                        inverter.generator,
                        crop_file(work.crop(i)).image,
                        options.space,
                        "default",
                        options.layer,
                        options.psi,
                        load_latent(work.latent(last)),
                        callbacks.step,
                        inverter.execution,
                        inverter.encoder,
                        steps=steps if abs(i - last) == 1 else AFRESH * steps,
                        seed=options.seed,
                    )
                    save_latent(latent, work.latent(i))
                last, done = i, done + 1
                tick(done, "")


def _edit_frames(
    footage: Footage, inverter: Inverter, work: FilmWork, places: Places, key: int, options: VideoOptions,
    strengths: Mapping[str, float], callbacks: Callbacks,
) -> None:  # fmt: skip
    wanted = {i for i in places.edited if not work.patch(i).exists()}
    if not wanted:
        return
    editor = FrameEditor(inverter, work, places, key, options, strengths, float(footage.timing.rate))
    with callbacks.stage("Editing", places.frames) as tick:
        for i, frame in enumerate(footage.frames()):
            if i in wanted:
                write_image(work.patch(i), editor.patch(i, frame.pixels), "edited")
            tick(i + 1, "")


def _write(
    footage: Footage, work: FilmWork, places: Places, out: Path, options: VideoOptions,
    strengths: Mapping[str, float], callbacks: Callbacks,
) -> None:  # fmt: skip
    with callbacks.stage("Writing the film", places.frames) as tick:

        def followed() -> Iterator[Frame]:
            for i, frame in enumerate(edited_frames(footage, work, places)):
                yield frame
                tick(i + 1, "")

        write_edited_film(out, followed(), footage.timing, noted(strengths), options.quality, footage.sound)


def edited_frames(footage: Footage, work: FilmWork, places: Places) -> Iterator[Frame]:
    """The frames with their patches in them."""
    wanted = set(places.edited)
    for i, frame in enumerate(footage.frames()):
        pixels = frame.pixels.copy()
        if i in wanted:
            left, top, right, bottom = bounds(places.quad(pixels, i), *pixels.shape[:2])
            pixels[top:bottom, left:right] = read_image(work.patch(i), min_side=1)
        yield Frame(frame.time, pixels)
