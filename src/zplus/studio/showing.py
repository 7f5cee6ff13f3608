"""What the page is told of a session: values that JSON holds."""

import os
import traceback
from typing import TYPE_CHECKING, Any

from zplus.errors import sentence

if TYPE_CHECKING:  # torch comes with these, and the page is up before it
    from zplus.studio.entry import Entry
    from zplus.studio.job import Job
    from zplus.studio.opened import Opened
    from zplus.studio.session import Session

Values = dict[str, Any]
SHOWN_ON_SHELF = 24
LIVE = 512  # pixels of the longer side of the picture of a running job


def said(words: str, kind: str = "") -> Values:
    """What the status line says; kind is "error" or ""."""
    return {"words": words, "kind": kind}


def everything(session: "Session", words: str, in_photo: bool = False, kind: str = "") -> Values:
    """The whole page as it should look now."""
    entry, opened = session.entry, session.opened
    return {
        "models": session.models.names,
        "entries": [_entry(x, entry) for x in list(session.entries.values())],
        "photo": None if entry is None or entry.photo is None else _photo(entry),
        "opened": None if opened is None else _opened(session, opened),
        "view": view(session, in_photo),
        "job": None if session.job is None or not session.job.running else progress(session.job),
        "gallery": gallery(session),
        **said(words, kind),
    }


def failed(error: BaseException) -> Values:
    """What went wrong, in words; nothing else changes."""
    if os.environ.get("ZPLUS_DEBUG"):
        traceback.print_exception(error)
    return {"error": sentence(error)}


def progress(job: "Job", since: int = -1) -> Values:
    """How far a job is; its picture only if it is at another step than `since`."""
    from zplus.images import fitted, to_pixels
    from zplus.studio.pictures import picture_url

    seen = job.seen
    told: Values = {
        "kind": job.kind,
        "entry": job.entry,
        "stage": f"{job.count}: {seen.stage}" if job.count else seen.stage,
        "note": seen.note,
        "step": seen.step,
        "steps": seen.steps,
        "elapsed": round(job.elapsed, 1),
        "left": seen.seconds_left,
        "handles": [list(x) for x in seen.handles],
        "stopping": bool(job.stopped),
    }
    if seen.image is not None and seen.step != since:
        told["picture"] = picture_url(fitted(to_pixels(seen.image), LIVE))
    return told


def moves(session: "Session") -> Values:
    """Where the sliders stand, and whether there is something to undo or redo."""
    opened = session.something()
    return {
        "strengths": list(opened.state.strengths),
        "feature": opened.state.feature,
        "drags": len(opened.state.drags),
        "undo": opened.history.can_undo,
        "redo": opened.history.can_redo,
    }


def view(session: "Session", in_photo: bool, only_after: bool = False) -> Values | None:
    """The picture before and after; None where nothing is open. What is the same as before need not come again."""
    from zplus.studio.pictures import picture_url

    entry, opened = session.entry, session.opened
    if entry is None or opened is None:
        return None
    in_photo = in_photo and entry.photo is not None
    after = entry.preview() if in_photo else opened.after()
    told: Values = {
        "after": picture_url(after),
        "in_photo": in_photo,
        "height": after.shape[0],
        "width": after.shape[1],
    }
    if not only_after:
        told["before"] = entry.photo_url if in_photo else picture_url(opened.before(), edited=not opened.has_photo)
    return told


def gallery(session: "Session") -> list[Values] | None:
    """The newest of what is kept; None where nothing is."""
    from zplus.studio.pictures import picture_url

    if session.shelf is None:
        return None
    looks = session.shelf.looks(session.shelf.items()[:SHOWN_ON_SHELF])
    return [
        {"key": x.key, "name": x.name, "model": x.model, "space": x.space, "day": x.day, "look": picture_url(pixels)}
        for pixels, x in looks
    ]


def _entry(entry: "Entry", shown: "Entry | None") -> Values:
    told = {"number": entry.number, "name": entry.name, "look": entry.thumbnail, "shown": entry is shown}
    return told | {"open": len(entry.opened), "faces": len(entry.faces)}


def _photo(entry: "Entry") -> Values:
    """The photo, and where its faces are in it, as parts of its width and height."""
    assert entry.photo is not None
    height, width = entry.photo.shape[:2]
    faces = []
    for i in entry.ranked:
        left, top, right, bottom = entry.faces[i].box
        box = [left / width, top / height, right / width, bottom / height]
        faces.append({"number": i, "box": [min(max(x, 0.0), 1.0) for x in box], "open": i in entry.opened})
    return {"picture": entry.photo_url, "width": width, "height": height, "faces": faces, "face": entry.face,
            "why": entry.why_no_face}  # fmt: skip


def _opened(session: "Session", opened: "Opened") -> Values:
    from zplus.studio.presets import presets
    from zplus.studio.sliders import described

    entry, ends = session.entry, session.models.ends(opened.model)
    assert entry is not None
    strengths = opened.state.strengths
    return {
        "number": opened.number,
        "name": entry.name,
        "model": opened.model,
        "space": opened.latent.space,
        "resolution": opened.generator.resolution,
        "has_photo": opened.has_photo,
        "has_feature": opened.latent.layer is not None,
        "is_sample": opened.about.origin.seed is not None,
        "kept": opened.about.kept,
        "sliders": [described(*each) for each in zip(opened.sliders, strengths, ends, strict=True)],
        "presets": presets(opened.sliders),
        **moves(session),
    }
