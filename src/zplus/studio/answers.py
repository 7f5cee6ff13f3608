"""What the page answers to each thing that a visitor does: new values by the names of its parts."""

import time
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Literal, NamedTuple

import gradio as gr

from zplus.errors import ZplusError
from zplus.studio.parcels import Parcels
from zplus.studio.showing import FEATURES, Values, editing, everything, idle, progress, status, steps, view

if TYPE_CHECKING:  # torch comes with these, and the page is up before it
    from zplus.studio.job import Job
    from zplus.studio.session import Session

Answer = Callable[..., Values | Iterator[Values]]  # of a Visit and the values of some parts
COMPARED = ("w+", "z+", "f/z+")


class Visit(NamedTuple):
    """Who asks: a session, the id of its visitor, and the files of all visitors."""

    session: "Session"
    owner: str
    parcels: Parcels


def loaded(visit: Visit) -> Values:
    """The page was opened: what there is to choose from."""
    names = visit.session.models.names
    if not names:
        raise ZplusError("No model is here yet: run 'zplus pull all', then load this page again.")
    values = everything(visit.session, "Ready: drop a photo, take the example, or sample a face.")
    return values | {"model": gr.update(choices=names, value=names[0])}


def took(visit: Visit, came: dict[str, str]) -> Values:
    """A file was dropped: the page tells its id, or why there is none."""
    parcel = visit.parcels.take(str(came.get("key")))
    if parcel is None:
        raise ZplusError(str(came.get("refusal") or "This file did not arrive: drop it again."))
    kind = visit.session.take(parcel.content, parcel.name)
    return everything(visit.session, "The latent is open." if kind == "latent" else _found(visit.session))


def example(visit: Visit) -> Values:
    """The photo that comes with the package."""
    from zplus.images import example_photo

    path = example_photo()
    visit.session.take(path.read_bytes(), path.name)
    return everything(visit.session, _found(visit.session))


def sampled(visit: Visit, model: str, space: str, seed: float | None) -> Values:
    """A face of nobody."""
    number = int(seed or 0)
    visit.session.sample(model, space, number)
    return everything(visit.session, f"Face {number}: a person who does not exist.")


def inverted(visit: Visit, model: str, space: str, quality: str, face: int | None) -> Iterator[Values]:
    """An inversion, with live progress."""
    job = visit.session.invert(model, space, quality, face or 0)
    yield from _followed(job)
    yield everything(visit.session, _ended(visit.session, job))


def compared(visit: Visit, quality: str) -> Iterator[Values]:
    """The same edit in several spaces."""
    from zplus.studio.pictures import figures

    job = visit.session.compare(COMPARED, quality)
    yield from _followed(job, ("cancel",))  # one space that was stopped would stand beside others that were not
    found = figures(job.result or ())
    words = status("The same edit in several spaces is below." if found else "Cancelled.")
    shown = {"spaces": gr.update(value=found, visible=bool(found))}
    yield idle(visit.session) | view(visit.session, False) | shown | words


def stopped(visit: Visit, how: Literal["keep", "drop"]) -> Values:
    """An inversion is to end now."""
    if visit.session.job is not None:
        visit.session.job.stop(how)
    return {"stop": gr.update(interactive=False), "cancel": gr.update(interactive=False)}


def moved(visit: Visit, where: str, feature: str, *strengths: float) -> Values:
    """A slider was moved, or another view asked for."""
    began, session, opened = time.perf_counter(), visit.session, visit.session.something()
    old = opened.state
    opened.move(type(old)(tuple(map(float, strengths[: len(opened.sliders)])), FEATURES.get(feature, old.feature)))
    values = view(session, where == "photo", only_after=opened.state != old)
    session.save_soon()
    seconds = f"Shown after {time.perf_counter() - began:.2f} s."
    return values | steps(session) | (status(session.trouble, "error") if session.trouble else status(seconds))


def stepped(visit: Visit, where: str, way: str) -> Values:
    """Undo, redo or reset."""
    session, opened = visit.session, visit.session.something()
    {"undo": opened.history.undo, "redo": opened.history.redo, "reset": opened.reset}[way]()
    session.save_soon()
    return editing(session) | view(session, where == "photo") | status(f"Done: {way}.")


def downloaded(visit: Visit, where: str, kind: str) -> Values:
    """A file to save: its link, which the page follows at once."""
    content, name = visit.session.something().download(kind, where == "photo")
    key = visit.parcels.put(content, name, visit.owner)
    link = f'<a href="download/{key}" download="{escape(name)}">Save {escape(name)} ({len(content) / 1e6:.1f} MB)</a>'
    return {"link": gr.update(value=link, visible=True)} | status(f"The {kind} is ready.")


def reopened(visit: Visit, key: str) -> Values:
    """Something from the gallery."""
    if not key:
        raise ZplusError("Choose something from the gallery first.")
    visit.session.reopen(key)
    return everything(visit.session, f"{visit.session.name} is open again.")


def deleted(visit: Visit) -> Values:
    """What is open is to be gone: in memory, and in the folder of the gallery."""
    visit.session.delete()
    visit.parcels.forget(visit.owner)
    return everything(visit.session, "Deleted: nothing of it is left here.")


def _followed(job: "Job", ways: Sequence[str] = ("stop", "cancel")) -> Iterator[Values]:
    """The progress of a job, with a live picture, and the ways to end it."""
    began = {name: gr.update(interactive=False) for name in ("invert", "compare")}
    yield began | {name: gr.update(visible=True, interactive=True) for name in ways} | status("Beginning ...", "busy")
    for seen in job.watch():
        yield progress(seen) | {name: gr.update(visible=True) for name in ways}  # a quick series may lose the first


def _ended(session: "Session", job: "Job") -> str:
    if session.opened is None or job.stopped == "drop":
        return "Cancelled."
    figures = session.opened.latent.figures
    count, seconds = figures.get("steps", [0])[0], figures.get("seconds", [0.0])[0]
    way = f"in {count} steps" if count else "by the encoder alone"
    ended = f"Inverted {way}, {seconds:.0f} s. Move a slider." + (" Stopped early." if job.stopped else "")
    return " ".join([ended, *session.doubts])


def _found(session: "Session") -> str:
    count = len(session.faces)
    if not count:
        return f"{session.why_no_face} A picture that is cut as the model expects it can be inverted as it is."
    return "One face was found: invert it." if count == 1 else f"{count} faces were found: choose one, and invert it."
