"""What the page answers to each thing that a visitor does: new values by the names of its parts."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from zplus.errors import ZplusError
from zplus.studio.parcels import Parcels
from zplus.studio.showing import FEATURES, Values, editing, everything, gallery_of, idle, progress, status, steps, view

if TYPE_CHECKING:  # torch comes with these, and the page is up before it
    from zplus.studio.job import Job
    from zplus.studio.session import Session

Answer = Callable[..., Iterator[Values]]  # of a Visit and the values of some parts
COMPARED = ("w+", "z+", "f/z+")
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
    how = _how()(model, space, quality, 0 if face is None else int(face))
    job = session.invert(how)
    yield from _followed(job)
    yield everything(session) | {"status": status(_ended(session, job))}


def compared(visit: Visit, quality: str, face: int | None) -> Iterator[Values]:
    """The same edit in several spaces."""
    found: list[str] = []
    session = visit.session
    how = _how()(session.model, quality=quality, face=0 if face is None else int(face))
    job = session.compare(COMPARED, how, lambda pictures: found.append(gallery_of(pictures)))
    yield from _followed(job)
    words = "The same edit in several spaces is below." if found else "Cancelled."
    yield (
        idle(session)
        | view(session, False)
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
    wish = type(opened.wish)(given, FEATURES.get(feature, opened.wish.feature))
    dragged = wish != opened.wish  # or else another view is asked for
    session.move(wish)
    values = view(session, where == "photo", only_after=dragged)
    session.save_soon()
    shown = status(f"Shown after {time.perf_counter() - began:.2f} s.")
    yield values | steps(session) | {"status": status(session.trouble, "error") if session.trouble else shown}


def stepped(visit: Visit, where: str, way: str) -> Iterator[Values]:
    """Undo, redo or reset."""
    session, opened = visit.session, visit.session.opened
    if opened is not None:
        {"undo": opened.history.undo, "redo": opened.history.redo, "reset": opened.reset}[way]()
        session.save_soon()
    yield editing(session) | view(session, where == "photo") | {"status": status(f"Done: {way}.")}


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


def bundled_photo() -> Path:
    """The photo that comes with the package, beside this file or in the repository."""
    installed = Path(str(files("zplus.studio") / "astronaut.png"))
    return installed if installed.is_file() else Path(__file__).parents[3] / "examples" / "astronaut.png"


def _how() -> Any:
    """The class How, whose module brings torch."""
    from zplus.studio.session import How

    return How


def _followed(job: "Job") -> Iterator[Values]:
    """The progress of a job, with a live picture."""
    buttons = {"invert": gr.update(interactive=False), "compare": gr.update(interactive=False)}
    yield buttons | {name: gr.update(visible=True, interactive=True) for name in ("stop", "cancel")}
    for seen in job.watch():
        yield progress(seen)


def _ended(session: "Session", job: "Job") -> str:
    if session.opened is None or (job.stopped and not job.kept):
        return "Cancelled."
    figures = session.opened.latent.figures
    count, seconds = figures.get("steps", [0])[0], figures.get("seconds", [0.0])[0]
    way = f"in {count} steps" if count else "by the encoder alone"
    return f"Inverted {way}, {seconds:.0f} s. Move a slider." + (" Stopped early." if job.stopped else "")


def _found(session: "Session") -> str:
    count = len(session.faces)
    if not count:
        return f"{session.why_no_face} A picture that is cut as the model expects it can be inverted as it is."
    return "One face was found: invert it." if count == 1 else f"{count} faces were found: choose one, and invert it."
