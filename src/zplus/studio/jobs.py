"""The jobs of a visitor: to invert faces, to compare spaces, to drag points. Each has the machine for itself."""

from collections.abc import Sequence

from zplus.editing import drag as drag_points
from zplus.errors import FaceError, ZplusError
from zplus.execution import COMPILING
from zplus.faces.align import Aligned, whole
from zplus.generators import Generator
from zplus.images import to_pixels
from zplus.latent import Latent
from zplus.spaces import make_space
from zplus.studio import AS_IT_IS
from zplus.studio.entry import Entry
from zplus.studio.job import Job
from zplus.studio.models import QUALITIES, chosen
from zplus.studio.opened import About, Opened, Origin
from zplus.studio.painted import Stroke, painted
from zplus.studio.session import Session
from zplus.workflow.judging import latent_doubts
from zplus.workflow.photo import Pixels, crop_doubts, cut

MAX_FACES = 8  # that are open of one photo; each holds a latent and what renders it

Pair = tuple[float, float, float, float]


def invert(
    session: Session, model: str, space: str = "f/z+", quality: str = "standard", face: int | None = None
) -> Job:
    """Begin to invert a face of the photo that is shown.

    Args:
        session: The visitor's.
        model: The name of a model.
        space: The name of a space.
        quality: A name of QUALITIES.
        face: Its number; AS_IT_IS for the picture as it is; None for the likeliest.

    Raises:
        ZplusError: There is no photo, or no such model, space or quality.
    """
    entry = session.entry
    if entry is None or entry.photo is None:
        raise ZplusError("There is no photo yet: drop one, or choose a file.")
    if face is None:
        face = entry.ranked[0] if entry.ranked else 0
    return _invert(session, [(entry, face)], model, space, quality)


def invert_all(session: Session, model: str, space: str = "f/z+", quality: str = "standard") -> Job:
    """Begin to invert the likeliest face of every photo that has none open, one after the other."""
    waiting = [(x, x.ranked[0]) for x in session.entries.values() if x.ranked and not x.opened]
    if not waiting:
        raise ZplusError("No photo with a face is waiting: drop some, or choose files.")
    return _invert(session, waiting, model, space, quality)


def compare(session: Session, spaces: Sequence[str], quality: str = "standard") -> Job:
    """Begin to make the same edit in several spaces; the job's result is the pictures with their names."""
    entry, opened = session.shown()
    chosen(opened.generator, quality)  # an unknown name is refused at once

    def work(job: Job) -> list[tuple[Pixels, str]]:
        pictures = [(opened.before(), "original")]
        for space in spaces:
            latent = _inverted(session, job, entry, opened.model, opened.target, space, quality)
            job.stage(f"The edit in {space.upper()}")
            other = Opened(session.models, opened.model, latent, opened.target)
            pictures.append((to_pixels(other.picture(opened.state)), space.upper()))
        return pictures

    return session.begin("compare", entry.number, work)


def drag(session: Session, pairs: Sequence[Pair], strokes: Sequence[Stroke] = ()) -> Job:
    """Begin to drag points of what is open; the result is one step, which can be undone.

    Args:
        session: The visitor's.
        pairs: x and y of each handle and of its target, in pixels of the crop.
        strokes: What may move, as painted in the crop; none for everything.
    """
    entry, opened = session.shown()
    mask = painted(strokes, opened.generator.resolution)

    def work(job: Job) -> None:
        with session.models.turns.turn(job.waits):
            job.stage("Moving the points")
            with opened.lock:
                begun = opened.edited(opened.state)
            latent = drag_points(opened.generator, begun, list(pairs), mask, callback=job.dragged)
        job.check()
        opened.dragged(latent)
        session.save_soon(opened)

    return session.begin("drag", entry.number, work)


def _invert(session: Session, faces: Sequence[tuple[Entry, int]], model: str, space: str, quality: str) -> Job:
    generator = session.models.generator(model)
    make_space(space, generator), chosen(generator, quality)  # unknown names are refused at once

    def work(job: Job) -> None:
        for i, (entry, face) in enumerate(faces, 1):
            job.entry = entry.number
            job.count = f"{entry.name}, {i} of {len(faces)}" if len(faces) > 1 else ""
            job.stage("Cutting out the face")
            target = _cut(entry, face, generator)
            latent = _inverted(session, job, entry, model, target, space, quality)
            job.stage("Getting the sliders ready")
            method = chosen(generator, quality)[0]
            origin = Origin(face, None, method, QUALITIES[quality].get("steps") if method != "e4e" else None)
            about = About(origin, crop_doubts(target) + latent_doubts(latent))
            session.put(job, entry, face, Opened(session.models, model, latent, target, about), latent)
            if job.stopped:
                break

    return session.begin("invert", faces[0][0].number, work)


def _cut(entry: Entry, face: int, generator: Generator) -> Aligned:
    assert entry.photo is not None
    if face not in entry.opened and len(entry.opened) >= MAX_FACES:
        raise ZplusError(f"{MAX_FACES} faces of this photo are open: save it, and drop the saved photo to go on.")
    if face == AS_IT_IS:
        return whole(entry.photo, generator.resolution)
    if not entry.faces:
        raise FaceError("No face was found in this photo: take another, or use the picture as it is.")
    return cut(entry.photo, entry.faces, face, generator.resolution)


def _inverted(
    session: Session, job: Job, entry: Entry, model: str, target: Aligned, space: str, quality: str
) -> Latent:
    """The latent of a crop, found now or before; one inversion runs at a time on this machine."""
    key = (model, space, quality, str(target.quad.tolist()))
    if key in entry.found:
        return entry.found[key]
    with session.models.turns.turn(job.waits):
        inverter = session.models.inverter(model, space, quality)
        ready = inverter.execution.is_ready(inverter.generator)
        job.stage("Preparing the face", "" if ready else f"Compiling for this machine, once: {COMPILING}.")
        latent = inverter.invert(target, job.callbacks, "Preparing the face")
        session.models.runs += inverter.settings.all_steps
    if not job.stopped:
        entry.found[key] = latent
    return latent
