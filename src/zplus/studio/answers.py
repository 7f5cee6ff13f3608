"""What the page answers to each thing that a visitor does.

Each answer takes a session and values by name, whose types the page's call must have (api.py), and returns what
showing.py tells of the session. torch comes with the first of them, when the page is up.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

from zplus.errors import UnknownNameError, ZplusError
from zplus.studio.showing import Values, everything, moves, progress, said, view
from zplus.wording import signed, words_of
from zplus.workflow.options import Feature

if TYPE_CHECKING:
    from zplus.studio.entry import Entry
    from zplus.studio.job import Job
    from zplus.studio.session import Session

COMPARED = ("w+", "z+", "f/z+")
EXAMPLE_SEED = 9
MOST_POINTS = 32
MAX_NUMBER = 1e9  # no strength and no pixel of a crop is further from 0
POINTS_MOVED = " If more changed than it should, undo it and paint what may move."


def hello(session: "Session") -> Values:
    """The page was opened, or has lost its thread: all of it, with an example face if there is nothing else."""
    if session.entry is None and session.job is None:
        names = session.models.names
        if not names:
            raise ZplusError("No model is here yet: run 'zplus pull all', then load this page again.")
        session.sample(names[0], "f/z+", EXAMPLE_SEED)
        return everything(session, "This is an example, a person who does not exist. Move a slider, or drop a photo.")
    return everything(session, "")


def uploaded(session: "Session", content: bytes, name: str, show: bool) -> Values:
    """A file came."""
    kind = session.take(content, name, show)
    return everything(session, "The latent is open." if kind == "latent" else _found(session), True)


def example(session: "Session") -> Values:
    """The photo that comes with the package."""
    from zplus.images import example_photo

    path = example_photo()
    session.take(path.read_bytes(), path.name)
    return everything(session, _found(session), True)


def sampled(session: "Session", model: str, space: str, seed: int) -> Values:
    """Another face of nobody."""
    session.sample(model, space, seed)
    return everything(session, f"Face {seed}: a person who does not exist.")


def shown(session: "Session", entry: int, face: int, in_photo: bool) -> Values:
    """Another photo, or another face that is open."""
    session.show(entry, face)
    return everything(session, "" if session.opened else _found(session), in_photo)


def inverted(session: "Session", model: str, space: str, quality: str, face: int | None) -> Values:
    """Find a face of the photo in the model."""
    from zplus.studio.jobs import invert

    return {"job": progress(invert(session, model, space, quality, face))}


def inverted_all(session: "Session", model: str, space: str, quality: str) -> Values:
    """Find a face of every photo that waits."""
    from zplus.studio.jobs import invert_all

    return {"job": progress(invert_all(session, model, space, quality))}


def compared(session: "Session", quality: str) -> Values:
    """The same edit in several spaces."""
    from zplus.studio.jobs import compare

    return {"job": progress(compare(session, COMPARED, quality))}


def dragged(session: "Session", opened: int, points: list[Any], strokes: list[Any]) -> Values:
    """Move points of the face."""
    from zplus.studio.jobs import drag

    _check(session, opened)
    if len(points) > MOST_POINTS:
        raise ZplusError(f"More than {MOST_POINTS} points: clear some.")
    pairs = [(a, b, c, d) for a, b, c, d in _rows(points, 4)]
    return {"job": progress(drag(session, pairs, [(x, y, r) for x, y, r in _rows(strokes, 3)]))}


def watched(session: "Session", since: int) -> Values:
    """How far the job is; once, when it has ended, everything and how it ended."""
    job = session.job
    if job is None:
        return everything(session, "")
    if job.running:
        return {"job": progress(job, since)}
    session.job = None
    if job.error is not None:
        raise job.error
    entry = session.entries.get(job.entry)
    pictures = {"spaces": _captioned(job)} if job.kind == "compare" and job.result else {}
    in_photo = job.kind == "invert" and entry is not None and entry is session.entry and len(entry.opened) > 1
    return everything(session, _ended(job, entry), in_photo) | pictures


def stopped(session: "Session", how: Literal["keep", "drop"]) -> Values:
    """A job is to end now."""
    if session.job is not None:
        session.job.stop("keep" if how == "keep" else "drop")
    return said("Stopping ...")


def moved(session: "Session", opened: int, gesture: str, strengths: list[Any], feature: str, in_photo: bool) -> Values:
    """Sliders were moved, or the way that F follows was changed."""
    one = _check(session, opened)
    if feature not in get_args(Feature):
        raise UnknownNameError("move of F", feature, get_args(Feature))
    one.move(*_rows([strengths], len(one.sliders)), feature, gesture)
    session.save_soon(one)
    values = moves(session) | {"view": view(session, in_photo, only_after=True)}
    if session.trouble:
        return values | said(session.trouble, "error")
    return values | said(_edit(one))


def viewed(session: "Session", opened: int, in_photo: bool) -> Values:
    """The face, or the whole photo."""
    _check(session, opened)
    return {"view": view(session, in_photo)}


def stepped(session: "Session", opened: int, way: str, in_photo: bool) -> Values:
    """Undo, redo or reset."""
    one = _check(session, opened)
    ways = {"undo": one.history.undo, "redo": one.history.redo, "reset": one.reset}
    if way not in ways:
        raise UnknownNameError("step", way, ways)
    ways[way]()
    session.save_soon(one)
    done = {"undo": "Undone.", "redo": "Redone.", "reset": "All is as it was found. Undo brings the edit back."}
    return moves(session) | {"view": view(session, in_photo, only_after=True)} | said(done[way])


def saved(session: "Session", opened: int, kind: str, in_photo: bool) -> tuple[bytes, str]:
    """A file to save: its bytes and its name."""
    from zplus.studio import saving

    _check(session, opened)
    entry, one = session.shown()
    return saving.saved(entry, one, kind, in_photo)


def recipe(session: "Session", opened: int) -> Values:
    """What was done, as commands and as Python."""
    from zplus.studio import recipe

    _check(session, opened)
    return recipe.recipe(session.models, *session.shown())


def reopened(session: "Session", key: str) -> Values:
    """Something from the gallery."""
    session.reopen(key)
    return everything(session, f"{session.shown()[0].name} is open again.")


def deleted(session: "Session") -> Values:
    """The photo that is shown is to be gone: in memory, and in the folder of the gallery."""
    session.delete()
    if session.entry is None:
        return hello(session) | said("Deleted: nothing of it is left here.")
    return everything(session, "Deleted: nothing of it is left here.")


ANSWERS: dict[str, Callable[..., Values]] = {
    "hello": hello, "example": example, "sample": sampled, "show": shown, "invert": inverted,
    "invert-all": inverted_all, "compare": compared, "drag": dragged, "watch": watched, "stop": stopped, "move": moved,
    "view": viewed, "step": stepped, "recipe": recipe, "reopen": reopened, "delete": deleted,
}  # fmt: skip


def _check(session: "Session", number: int) -> Any:
    """What is open, if it is what the page speaks of. Raises ZplusError."""
    opened = session.something()
    if opened.number != number:
        raise ZplusError("This face is no longer open: what is open now is shown.")
    if session.job is not None and session.job.kind == "drag" and session.is_at_work(session.shown()[0]):
        raise ZplusError("Points are moving: wait for them, or cancel.")
    return opened


def _rows(rows: list[Any], length: int) -> list[tuple[float, ...]]:
    """Rows of so many numbers each, none of them huge or nan. Raises ZplusError."""
    for row in rows:
        if not isinstance(row, list) or len(row) != length or not all(map(_is_number, row)):
            raise ZplusError("The numbers of this call do not fit what is open: load the page again.")
    return [tuple(map(float, row)) for row in rows]


def _is_number(value: Any) -> bool:
    """Whether a value of JSON is a number of the size that the page sends; true is none."""
    return type(value) in (int, float) and abs(value) <= MAX_NUMBER


def _edit(opened: Any) -> str:
    """What is changed, in words."""
    moved = opened.moved(opened.state)
    parts = [f"{words_of(one.name).title} {signed(round(strength, 2))}" for one, strength in moved]
    return f"{', '.join(parts)}." if parts else "Nothing is changed."


def _captioned(job: "Job") -> list[Values]:
    from zplus.studio.pictures import picture_url

    return [{"picture": picture_url(pixels, words != "original"), "words": words} for pixels, words in job.result]


def _ended(job: "Job", entry: "Entry | None") -> str:
    if job.stopped == "drop":
        return "Cancelled."
    if job.kind == "compare":
        return "The same edit in several spaces is below."
    if job.kind == "drag":
        return "The points were moved." + (" Stopped early." if job.stopped else "") + POINTS_MOVED
    opened = None if entry is None else entry.now
    if opened is None:
        return "Done."
    figures = opened.latent.figures
    count, seconds = figures.get("steps", [0])[0], figures.get("seconds", [0.0])[0]
    way = f"in {count} steps" if count else "by the encoder alone"
    ended = f"Found {way}, {seconds:.0f} s. Move a slider." + (" Stopped early." if job.stopped else "")
    return " ".join([ended, *opened.about.doubts])


def _found(session: "Session") -> str:
    entry = session.entry
    if entry is None:
        return ""
    count = len(entry.faces)
    if not count:
        return f"{entry.why_no_face} A picture that is cut as the model expects it can be used as it is."
    return "One face was found." if count == 1 else f"{count} faces were found."
