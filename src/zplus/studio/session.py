"""What one visitor does: a photo, its faces, an inversion that can be stopped, and the edits. It knows no page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import RLock, Timer
from typing import Any

from zplus.errors import DownloadError, FaceError, LatentError, MissingExtraError, ZplusError
from zplus.execution import COMPILING
from zplus.faces.align import Aligned, whole
from zplus.faces.detector import DetectedFace
from zplus.generators import Generator
from zplus.images import read_image, to_pixels
from zplus.latent import Decoding, Latent, Point, load_latent
from zplus.spaces import convert, latent_of, make_space
from zplus.studio import AS_IT_IS
from zplus.studio.job import Job
from zplus.studio.models import Models, chosen
from zplus.studio.opened import Opened
from zplus.studio.passing import taken_in
from zplus.studio.shelf import Shelf
from zplus.workflow.judging import latent_doubts
from zplus.workflow.photo import Pixels, crop_doubts, cut

SAMPLE_PSI = 0.7  # truncation of sampled faces; without it some are odd
THUMBNAIL = 128
REST = 1.0  # seconds after the last move of a slider


class Session:
    """One visitor's work, in memory; on the disk only what goes to the shelf, where there is one.

    What is open changes under a lock and as a whole, so that nothing that ends late brings back what was deleted.
    """

    def __init__(self, models: Models, shelf: Shelf | None = None):
        self.models, self.shelf = models, shelf
        self._lock = RLock()
        self._clear()

    def _clear(self) -> None:
        self.job: Job | None = None
        self.photo: Pixels | None = None
        self.name = ""
        self.faces: list[DetectedFace] = []
        self.why_no_face = ""
        self.in_photo = False  # whether the page shows the whole photo
        self.trouble = ""  # of saving in the background
        self.opened: Opened | None = None
        self.doubts: list[str] = []  # about the inversion that is open
        self.kept: str | None = None  # the id on the shelf
        self._saving: Timer | None = None
        self._latents: dict[tuple[str, ...], Latent] = {}  # of this photo, by how they were found

    def forget(self) -> None:
        """Drop the photo, the latent and all edits, and stop what runs. What is on the shelf stays, edits included."""
        with self._lock:
            if self.job is not None:
                self.job.stop("drop")
            self.save_now()
            self._clear()

    def delete(self) -> None:
        """Forget it, and remove what is open from the shelf."""
        with self._lock:
            if self.shelf is not None and self.kept is not None:
                self.shelf.delete(self.kept)
                self.kept = None
            self.forget()

    def something(self) -> Opened:
        """What is open. Raises ZplusError where nothing is."""
        if self.opened is None:
            raise ZplusError("There is nothing to edit yet: begin with a photo, or sample a face.")
        return self.opened

    def take(self, content: bytes, name: str) -> str:
        """Open an uploaded file: a photo, or a latent that was saved before; says what it was. Raises ZplusError."""
        stem = _stem(name)
        if content[8:9] == b"{":  # how the header of every safetensors file begins, and no picture
            self.open_latent(taken_in(content, load_latent), stem)
            return "latent"
        photo, faces, why = taken_in(content, read_image), [], ""
        try:
            faces = self.models.detector.find(photo)
        except (FaceError, DownloadError, MissingExtraError) as error:
            why = str(error)
        with self._lock:
            self.forget()
            self.photo, self.name, self.faces, self.why_no_face = photo, stem, faces, why
        return "photo"

    def thumbnails(self) -> list[Pixels]:
        """The faces of the photo, the largest first, each as a small crop."""
        if self.photo is None:
            return []
        return [cut(self.photo, self.faces, face, THUMBNAIL).pixels for face in range(len(self.faces))]

    def invert(self, model: str, space: str = "f/z+", quality: str = "standard", face: int = 0) -> Job:
        """Begin to invert the photo; the job tells how far it is, and `opened` is there once it has ended."""
        photo, generator = self.photo, self.models.generator(model)
        if photo is None:
            raise ZplusError("There is no photo yet: drop one, or choose a file.")
        make_space(space, generator), chosen(generator, quality)  # unknown names are refused at once

        def work(job: Job) -> None:
            job.stage("Cutting out the face")
            target = self._cut(photo, face, generator)
            latent = self._inverted(job, model, target, space, quality)
            job.stage("Getting the sliders ready")
            doubts = crop_doubts(target) + latent_doubts(latent)
            self._open(Opened(self.models, model, latent, target, self.name), latent, job, doubts)

        return self._begin(work)

    def compare(self, spaces: Sequence[str], quality: str = "standard") -> Job:
        """Begin to make the same edit in several spaces; the job's result is the pictures with their names."""
        opened = self.something()

        def work(job: Job) -> list[tuple[Pixels, str]]:
            pictures = []
            for space in spaces:
                latent = self._inverted(job, opened.model, opened.target, space, quality)
                job.stage(f"The edit in {space.upper()}")
                other = Opened(self.models, opened.model, latent, opened.target, opened.name)
                pictures.append((to_pixels(other.picture(opened.state)), space.upper()))
            return pictures

        return self._begin(work)

    def sample(self, model: str, space: str, seed: int) -> None:
        """Open a face of nobody, drawn from the prior of a model."""
        if not 0 <= seed < 2**31:
            raise ZplusError("A seed is a whole number from 0 to 2147483647.")
        generator = self.models.generator(model)
        start, kind = (make_space(name, generator, decoding=Decoding(SAMPLE_PSI)) for name in ("z", space))
        point, _ = convert(start, Point(start.sample(1, seed)), kind)
        self._go_on(model, latent_of(kind, point, settings={"seed": seed}), None, f"sample-{seed}")

    def open_latent(self, latent: Latent, name: str, target: Aligned | None = None, kept: str | None = None) -> None:
        """Go on with a latent, with its photo if that is here. Raises LatentError where its model is not."""
        model = next((n for n in self.models.names if self._made(n, latent)), None)
        if model is None:
            raise LatentError(
                f"This latent belongs to the model {latent.generator[:60]} ({latent.fingerprint[:16]}), which is not "
                "here: run 'zplus pull', or start the studio with --model FILE."
            )
        self._go_on(model, latent[0], target, name, kept)

    def reopen(self, key: str) -> None:
        """Go on with what lies on the shelf."""
        if self.shelf is None:
            raise ZplusError("There is no gallery: start the studio with --keep FOLDER.")
        self.save_now()  # it may be what is open
        item = self.shelf.item(key)
        target = self.shelf.target(item, self.models.generator(item.model).resolution)
        self.open_latent(self.shelf.latent(key), item.name, target, key)

    def save_soon(self) -> None:
        """Bring the shelf up to date with the edits, once the sliders rest."""
        with self._lock:
            if self._saving is not None:
                self._saving.cancel()
            self._saving = Timer(REST, self.save_now)
            self._saving.daemon = True
            self._saving.start()

    def save_now(self) -> None:
        """Save what waits for the sliders to rest; `trouble` says what hindered it."""
        with self._lock:
            if self._saving is None:
                return
            self._saving.cancel()
            self._saving = None
            if self.shelf is None or self.kept is None or self.opened is None:
                return
            try:
                self.shelf.update(self.kept, self.opened.edited(self.opened.state), self.opened.after(False))
                self.trouble = ""
            except (ZplusError, OSError) as error:
                self.trouble = f"The last edits are not in the gallery: {error}"

    def _begin(self, work: Callable[[Job], Any]) -> Job:
        with self._lock:
            if self.job is not None and self.job.running:
                raise ZplusError("An inversion is running: wait for it, or cancel it.")
            self.job = Job(work)
            return self.job

    def _cut(self, photo: Pixels, face: int, generator: Generator) -> Aligned:
        if face == AS_IT_IS:
            return whole(photo, generator.resolution)
        if not self.faces:
            raise FaceError("No face was found in this photo: take another, or say that it is cut already.")
        return cut(photo, self.faces, face, generator.resolution)

    def _inverted(self, job: Job, model: str, target: Aligned, space: str, quality: str) -> Latent:
        """The latent of a crop, found now or before; one inversion runs at a time on this machine."""
        key = (model, space, quality, str(target.quad.tolist()))
        known = self._latents
        if key in known:
            return known[key]
        job.stage("Waiting until another inversion on this machine has ended")
        job.wait_for(lambda: self.models.turn.acquire(blocking=False))
        try:
            inverter = self.models.inverter(model, space, quality)
            ready = inverter.execution.is_ready(inverter.generator)
            first = "" if ready else f"; first, once, compiling for this machine ({COMPILING})"
            latent = inverter.invert(target, job.callbacks, f"Inverting in {space.upper()}{first}")
            self.models.runs += inverter.settings.all_steps
        finally:
            self.models.turn.release()
        if not job.stopped:
            known[key] = latent
        return latent

    def _open(self, opened: Opened, latent: Latent, job: Job, doubts: list[str]) -> None:
        """Show what a job has found, and keep it, unless it was cancelled meanwhile."""
        with self._lock:
            job.check()
            self.save_now()
            self.opened, self.doubts = opened, doubts
            if self.shelf is not None:
                look = to_pixels(opened.reconstruction)
                self.kept = self.shelf.add(opened.name, opened.model, latent, opened.target, look)

    def _go_on(self, model: str, latent: Latent, target: Aligned | None, name: str, kept: str | None = None) -> None:
        """Forget what was there, and open a latent."""
        opened = Opened(self.models, model, latent, target, name)
        with self._lock:
            self.forget()
            self.name, self.opened, self.kept = name, opened, kept

    def _made(self, model: str, latent: Latent) -> bool:
        own = model in self.models.files or model == latent.generator  # others need not be loaded to know
        try:
            return own and self.models.generator(model).fingerprint == latent.fingerprint
        except ZplusError:  # a file that cannot be used keeps no latent of another
            return False


def _stem(name: str) -> str:
    """What a file was called, without its ending and whatever a file name should not hold."""
    stem = Path(name.replace("\\", "/")).name.partition(".")[0]
    return "".join(c for c in stem if c.isalnum() or c in "-_ ")[:60].strip() or "picture"
