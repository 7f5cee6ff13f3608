"""What the page answers to each thing that a visitor does: new values by the names of its parts (parts.py)."""

import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from zplus.errors import ZplusError
from zplus.studio.parcels import Parcels

if TYPE_CHECKING:  # torch comes with these, and the page is up before it
    from zplus.studio.job import Job, Seen
    from zplus.studio.session import Session

Values = dict[str, Any]
Answer = Callable[..., Iterator[Values]]  # of a Visit and the values of some parts
MOST_SLIDERS = 16
COMPARED = ("w+", "z+", "f/z+")
SHOWN_ON_SHELF = 24
CUT = "The picture is cut already"
FEATURES = {"Moved with the edit": "moved", "Only added to": "added", "Left as it is": "fixed"}
SPACES = {
    "f/z+": "F/Z+ - your photo as it looks",
    "z+": "Z+ - strong edits, likeness is enough",
    "w+": "W+ - as in most papers",
    **{name: name.upper() for name in ("f/w+", "f/z", "f/w", "f/s", "z", "w", "s")},
}


@dataclass(frozen=True)
class Visit:
    """Who asks: a session, the id of its visitor, and the files of all visitors."""

    session: "Session"
    owner: str
    parcels: Parcels


def status(words: str, kind: str = "") -> str:
    """A line that screen readers speak; kind "error" or "busy"."""
    role = 'role="alert"' if kind == "error" else 'role="status" aria-live="polite"'
    return f'<p class="status {kind}" {role}>{escape(words)}</p>'


def loaded(visit: Visit) -> Iterator[Values]:
    """The page was opened: what there is to choose from."""
    names = visit.session.models.names
    values = {"model": gr.update(choices=names, value=names[0]), **everything(visit.session)}
    yield values | {"status": status("Ready: drop a photo, take the example, or sample a face.")}


def took(visit: Visit, came: dict[str, str]) -> Iterator[Values]:
    """A file was dropped: the page tells its id, or why there is none."""
    session, parcel = visit.session, visit.parcels.take(str(came.get("key")))
    if parcel is None:
        raise ZplusError(str(came.get("refusal") or "This file did not arrive: drop it again."))
    yield {"status": status("Reading the file and looking for faces ...", "busy")}
    kind = session.take(parcel.content, parcel.name)
    yield everything(session) | {"status": status("The latent is open." if kind == "latent" else _found(session))}


def example(visit: Visit) -> Iterator[Values]:
    """The photo that comes with the package."""
    session = visit.session
    yield {"status": status("Looking for faces ...", "busy")}
    session.take(bundled_photo().read_bytes(), "astronaut.png")
    yield everything(session) | {"status": status(_found(session))}


def sampled(visit: Visit, model: str, space: str, seed: float | None) -> Iterator[Values]:
    """A face of nobody."""
    yield {"status": status("Drawing a face ...", "busy")}
    visit.session.sample(model, space, int(seed or 0))
    yield everything(visit.session) | {"status": status(f"Face {int(seed or 0)}: a person who does not exist.")}


def inverted(visit: Visit, model: str, space: str, quality: str, face: int | None) -> Iterator[Values]:
    """An inversion, with live progress."""
    session = visit.session
    how = import_how()(model, space, quality, 0 if face is None else int(face))
    job = session.invert(how)
    yield from _followed(session, job)
    yield everything(session) | {"status": status(_ended(session, job))}


def compared(visit: Visit, quality: str, face: int | None) -> Iterator[Values]:
    """The same edit in several spaces."""
    found: list[str] = []
    session = visit.session
    how = import_how()(session.model, quality=quality, face=0 if face is None else int(face))
    job = session.compare(COMPARED, how, lambda pictures: found.append(_figures(pictures)))
    yield from _followed(session, job)
    words = "The same edit in several spaces is below." if found else "Cancelled."
    yield (
        _idle(session)
        | _view(session, False)
        | {
            "spaces": gr.update(value="".join(found), visible=bool(found)),
            "status": status(words),
        }
    )


def stopped(visit: Visit, how: str) -> Iterator[Values]:
    """An inversion is to end now."""
    if visit.session.job is not None:
        visit.session.job.stop("keep" if how == "keep" else "drop")
    yield {"stop": gr.update(interactive=False), "cancel": gr.update(interactive=False)}


def moved(visit: Visit, where: str, feature: str, *strengths: float) -> Iterator[Values]:
    """A slider was moved, or another view asked for."""
    session, opened = visit.session, visit.session.opened
    if opened is None:
        raise ZplusError("There is nothing to edit yet: begin with a photo, or sample a face.")
    given = tuple(float(x) for x in strengths[: len(opened.sliders)])
    began = time.perf_counter()
    session.move(type(opened.wish)(given, FEATURES.get(feature, opened.wish.feature)))
    values = _view(session, where == "photo")
    session.save_soon()
    yield values | _steps(session) | {"status": status(f"Shown after {time.perf_counter() - began:.2f} s.")}


def stepped(visit: Visit, where: str, way: str) -> Iterator[Values]:
    """Undo, redo or reset."""
    session, opened = visit.session, visit.session.opened
    if opened is not None:
        {"undo": opened.history.undo, "redo": opened.history.redo, "reset": opened.reset}[way]()
        session.save_soon()
    yield _editing(session) | _view(session, where == "photo") | {"status": status(f"Done: {way}.")}


def downloaded(visit: Visit, where: str, kind: str) -> Iterator[Values]:
    """A file to save: its link, which the page follows at once."""
    opened = visit.session.opened
    if opened is None:
        raise ZplusError("There is nothing to save yet: begin with a photo, or sample a face.")
    yield {"status": status(f"Making the {kind} ...", "busy"), "link": gr.update(visible=False)}
    content, name = opened.download(kind, where == "photo")
    key = visit.parcels.put(content, name, visit.owner)
    link = f'<a href="download/{key}" download="{escape(name)}">Save {escape(name)} ({len(content) / 1e6:.1f} MB)</a>'
    yield {"status": status(f"The {kind} is ready."), "link": gr.update(value=link, visible=True)}


def reopened(visit: Visit, key: str) -> Iterator[Values]:
    """Something from the gallery."""
    if not key:
        raise ZplusError("Choose something from the gallery first.")
    yield {"status": status("Opening ...", "busy")}
    session = visit.session
    session.reopen(key)
    yield everything(session) | {"status": status(f"{session.name} is open again.")}


def deleted(visit: Visit) -> Iterator[Values]:
    """What is open is to be gone: in memory, and in the folder of the gallery."""
    visit.session.delete()
    visit.parcels.forget(visit.owner)
    yield everything(visit.session) | {"status": status("Deleted: nothing of it is left here.")}


def everything(session: "Session") -> Values:
    """The whole page as it should look now."""
    photo, known = session.photo is not None, session.opened is not None
    crops = [(pixels, f"face {i}") for i, pixels in enumerate(session.thumbnails())] if photo else []
    choices = [(caption if i else f"{caption} (the largest)", i) for i, (_, caption) in enumerate(crops)] + [(CUT, -1)]
    in_photo = known and session.opened is not None and session.opened.has_photo
    values: Values = {
        "faces": gr.update(value=_figures(crops), visible=len(crops) > 1),
        "face": gr.update(choices=choices, value=0 if crops else -1, visible=photo),
        "where": gr.update(value="face", visible=in_photo),
        "spaces": gr.update(visible=False),
        "link": gr.update(visible=False),
    }
    return values | _idle(session) | _editing(session) | _view(session, False) | _shelf(session)


def failed(error: BaseException, visit: Visit | None = None) -> Values:
    """What went wrong, in words; nothing else changes, but that what failed is not running."""
    if os.environ.get("ZPLUS_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, ZplusError):
        words = " ".join(str(error).split())
    elif isinstance(error, MemoryError) or "allocate memory" in str(error):
        words = "There is not enough memory: close other programs, or use a smaller picture."
    else:
        words = f"Something unforeseen happened ({type(error).__name__}): start with ZPLUS_DEBUG=1 to see where."
    told = {"status": status(words, "error")}
    job = visit and visit.session.job
    return told if visit is None or (job and job.running) else _idle(visit.session) | told


def bundled_photo() -> Path:
    """The photo that comes with the package, beside this file or in the repository."""
    installed = Path(str(files("zplus.studio") / "astronaut.png"))
    return installed if installed.is_file() else Path(__file__).parents[3] / "examples" / "astronaut.png"


def import_how() -> Any:
    """The class How, whose module brings torch."""
    from zplus.studio.session import How

    return How


def _followed(session: "Session", job: "Job") -> Iterator[Values]:
    """The progress of a job, with a live picture."""
    buttons = {"invert": gr.update(interactive=False), "compare": gr.update(interactive=False)}
    yield buttons | {name: gr.update(visible=True, interactive=True) for name in ("stop", "cancel")}
    for seen in job.watch():
        values: Values = {"status": status(_progress(seen), "busy")}
        if seen.image is not None:
            values["view"] = {**_pictures(seen), "caption": f"step {seen.step} of {seen.steps}"}
        yield values


def _progress(seen: "Seen") -> str:
    if not seen.step:
        return f"{seen.stage} ..."
    left = "" if seen.seconds_left is None else f", {seen.seconds_left:.0f} s left"
    return f"{seen.stage}: step {seen.step} of {seen.steps}, loss {seen.loss:.4f}{left}"


def _pictures(seen: "Seen") -> Values:
    from zplus.images import fitted, to_pixels
    from zplus.studio.pictures import address

    assert seen.image is not None
    return {"after": address(fitted(to_pixels(seen.image), 512))}


def _ended(session: "Session", job: "Job") -> str:
    if session.opened is None or (job.stopped and not job.kept):
        return "Cancelled."
    figures = session.opened.latent.figures
    steps, seconds = figures.get("steps", [0])[0], figures.get("seconds", [0.0])[0]
    return f"Inverted in {steps} steps and {seconds:.0f} s. Move a slider." + (" Stopped early." if job.stopped else "")


def _found(session: "Session") -> str:
    count = len(session.faces)
    if not count:
        return "No face was seen: if the picture shows one, cut as the model expects it, invert it as it is."
    return "One face was found: invert it." if count == 1 else f"{count} faces were found: choose one, and invert it."


def _idle(session: "Session") -> Values:
    """Nothing is running."""
    hidden = {name: gr.update(visible=False) for name in ("stop", "cancel")}
    free = {"invert": gr.update(interactive=session.photo is not None), "compare": gr.update(interactive=True)}
    return hidden | free


def _editing(session: "Session") -> Values:
    """The sliders, and what goes with them."""
    opened, values = session.opened, {}
    for i in range(MOST_SLIDERS):
        if opened is None or i >= len(opened.sliders):
            values[f"slider{i}"] = gr.update(visible=False, value=0)
        else:
            slider = opened.sliders[i]
            shown = {"label": slider.label, "info": slider.hint or None, "value": opened.wish.strengths[i]}
            values[f"slider{i}"] = gr.update(visible=True, **shown)
    words = {value: key for key, value in FEATURES.items()}
    mapped = opened is not None and opened.latent.space.startswith("f/")
    values["feature"] = gr.update(visible=mapped, value=words[opened.wish.feature] if opened else words["moved"])
    return values | _steps(session) | {"editing": gr.update(visible=opened is not None)}


def _steps(session: "Session") -> Values:
    opened = session.opened
    return {
        "undo": gr.update(interactive=opened is not None and opened.history.can_undo),
        "redo": gr.update(interactive=opened is not None and opened.history.can_redo),
    }


def _view(session: "Session", in_photo: bool) -> Values:
    """The comparison of before and after."""
    from zplus.images import fitted
    from zplus.studio.pictures import address

    opened = session.opened
    if opened is None:
        before = address(fitted(session.photo, 1024)) if session.photo is not None else ""
        return {"view": {"before": before, "after": before, "caption": "your photo" if before else ""}}
    in_photo = in_photo and opened.has_photo
    caption = f"{session.name}, {opened.latent.space.upper()} of {opened.latent.generator}"
    return {"view": {"before": address(opened.before(in_photo)), "after": address(opened.after(in_photo))}
            | {"caption": caption}}  # fmt: skip


def _figures(pictures: Sequence[tuple[Any, str]]) -> str:
    from zplus.studio.pictures import figures

    return figures(pictures) if pictures else ""


def _shelf(session: "Session") -> Values:
    """The gallery, where a folder was named."""
    if session.shelf is None:
        return {}
    items = session.shelf.items()
    names = [(f"{item.name}, {item.space.upper()} of {item.model}, {item.day}", item.key) for item in items]
    looks = [(session.shelf.look(item.key), item.name) for item in items[:SHOWN_ON_SHELF]]
    shown = gr.update(value=_figures(looks), visible=bool(looks))
    return {"gallery": gr.update(choices=names, value=session.kept), "looks": shown}
