"""What one visitor has: photos, their faces, a job that can be stopped, and what is open. It knows no page."""

import itertools
from collections.abc import Callable, Sequence
from threading import RLock, Timer
from typing import Any

from zplus.errors import DownloadError, FaceError, LatentError, MissingExtraError, ZplusError
from zplus.faces.align import Aligned
from zplus.faces.detector import DetectedFace
from zplus.images import read_image, to_pixels
from zplus.latent import Decoding, Latent, Point, load_latent
from zplus.spaces import convert, latent_of, make_space
from zplus.studio.entry import Entry
from zplus.studio.job import Job, Kind
from zplus.studio.models import Models
from zplus.studio.opened import About, Opened, Origin
from zplus.studio.passing import stem, taken_in
from zplus.studio.shelf import Shelf
from zplus.workflow.photo import Pixels

SAMPLE_PSI = 0.7  # truncation of sampled faces; without it some are odd
MAX_ENTRIES = 12
MAX_PIXELS = 128_000_000  # of all photos of a visitor together
REST = 1.0  # seconds after the last move of a slider
LATENT = ".safetensors"


class Session:
    """One visitor's work, in memory; on the disk only what goes to the shelf, where there is one.

    What is open changes under a lock and as a whole, so that nothing that ends late brings back what was deleted.

    Attributes:
        entries: By number, in the order in which they came.
        job: The last one, running or not; None once its end was told.
        trouble: Of saving in the background, in words.
    """

    def __init__(self, models: Models, shelf: Shelf | None = None):
        self.models, self.shelf = models, shelf
        self._lock, self._numbers = RLock(), itertools.count(1)
        self._clear()

    def _clear(self) -> None:
        self.job: Job | None = None
        self.entries: dict[int, Entry] = {}
        self.trouble = ""
        self._at: int | None = None
        self._saving: Timer | None = None
        self._unsaved: Opened | None = None

    @property
    def entry(self) -> Entry | None:
        """The one that the page shows."""
        return None if self._at is None else self.entries.get(self._at)

    @property
    def opened(self) -> Opened | None:
        """What the sliders belong to."""
        return None if self.entry is None else self.entry.now

    def something(self) -> Opened:
        """What is open. Raises ZplusError where nothing is."""
        if self.opened is None:
            raise ZplusError("There is nothing to edit yet: begin with a photo, or draw a face.")
        return self.opened

    def shown(self) -> tuple[Entry, Opened]:
        """The entry that is shown, and what is open of it. Raises ZplusError where nothing is."""
        opened = self.something()
        assert self.entry is not None
        return self.entry, opened

    def forget(self) -> None:
        """Drop all photos, latents and edits, and stop what runs. What is on the shelf stays, edits included."""
        with self._lock:
            if self.job is not None:
                self.job.stop("drop")
            self.save_now()
            self._clear()

    def delete(self) -> None:
        """Forget the entry that is shown, and remove all of it from the shelf."""
        with self._lock:
            entry = self.entry
            if entry is None:
                raise ZplusError("There is nothing to delete.")
            if self.job is not None and self.is_at_work(entry):
                self.job.stop("drop")
            for opened in entry.opened.values():
                if self.shelf is not None and opened.about.kept is not None:
                    self.shelf.delete(opened.about.kept)
                    opened.about.kept = None
            if self._unsaved in entry.opened.values():
                self._saving = self._unsaved = None
            del self.entries[entry.number]
            self._at = next(reversed(self.entries), None)

    def take(self, content: bytes, name: str, show: bool = True) -> str:
        """Open an uploaded file: a photo, or a latent that was saved before. Raises ZplusError.

        Args:
            content: Its bytes.
            name: What it is called.
            show: Whether the page shows it now, or later.

        Returns:
            "latent" or "photo".
        """
        if name.lower().endswith(LATENT) or _has_header(content):
            self.open_latent(taken_in(content, load_latent), stem(name))
            return "latent"
        photo = taken_in(content, read_image)
        faces, why = self._faces(photo)
        self._add(Entry(next(self._numbers), stem(name), photo, name, faces, why), show)
        return "photo"

    def show(self, number: int, face: int | None = None) -> None:
        """Show another entry, or another face of it that is open. Raises ZplusError."""
        with self._lock:
            if number not in self.entries:
                raise ZplusError("This is no longer open: load the page again.")
            self.save_now()
            self._at = number
            entry = self.entries[number]
            if face in entry.opened:
                entry.face = face

    def sample(self, model: str, space: str, seed: int) -> None:
        """Show a face of nobody, drawn from the prior of a model."""
        if not 0 <= seed < 2**31:
            raise ZplusError("A seed is a whole number from 0 to 2147483647.")
        generator = self.models.generator(model)
        start, kind = (make_space(name, generator, decoding=Decoding(SAMPLE_PSI)) for name in ("z", space))
        point, _ = convert(start, Point(start.sample(1, seed)), kind)
        latent = latent_of(kind, point, settings={"seed": seed})
        self._add_opened(f"face-{seed}", Opened(self.models, model, latent, None, About(Origin(seed=seed))))

    def open_latent(self, latent: Latent, name: str, target: Aligned | None = None, kept: str | None = None) -> None:
        """Show a latent, with its photo if that is here. Raises LatentError where its model is not."""
        model = next((n for n in self.models.names if self._made(n, latent)), None)
        if model is None:
            raise LatentError(
                f"This latent belongs to the model {latent.generator[:60]} ({latent.fingerprint[:16]}), which is not "
                "here: run 'zplus pull', or start the studio with --model FILE."
            )
        self._add_opened(name, Opened(self.models, model, latent[0], target, About(kept=kept)))

    def reopen(self, key: str) -> None:
        """Show what lies on the shelf."""
        if self.shelf is None:
            raise ZplusError("There is no gallery: start the studio with --keep FOLDER.")
        self.save_now()  # it may be what is open
        for entry in self.entries.values():
            if face := [face for face, one in entry.opened.items() if one.about.kept == key]:
                return self.show(entry.number, face[0])
        item = self.shelf.item(key)
        target = self.shelf.target(item, self.models.generator(item.model).resolution)
        self.open_latent(self.shelf.latent(key), item.name, target, key)

    def save_soon(self, opened: Opened) -> None:
        """Bring the shelf up to date with the edits of a face, once its sliders rest."""
        with self._lock:
            if self._unsaved is not opened:
                self.save_now()
            if self._saving is not None:
                self._saving.cancel()
            self._unsaved = opened
            self._saving = Timer(REST, self.save_now)
            self._saving.daemon = True
            self._saving.start()

    def save_now(self) -> None:
        """Save what waits for the sliders to rest; `trouble` says what hindered it."""
        with self._lock:
            if self._saving is None:
                return
            self._saving.cancel()
            opened, self._saving, self._unsaved = self._unsaved, None, None
            if self.shelf is None or opened is None or opened.about.kept is None:
                return
            try:
                self.shelf.update(opened.about.kept, opened.edited(opened.state), opened.after())
                self.trouble = ""
            except (ZplusError, OSError) as error:
                self.trouble = f"The last edits are not in the gallery: {error}"

    def begin(self, kind: Kind, entry: int, work: Callable[[Job], Any]) -> Job:
        """Begin a job on an entry. Raises ZplusError while another one runs."""
        with self._lock:
            if self.job is not None and self.job.running:
                raise ZplusError("Something is running already: wait for it, or cancel it.")
            self.job = Job(kind, entry, work)
            return self.job

    def put(self, job: Job, entry: Entry, face: int, opened: Opened, latent: Latent) -> None:
        """Open a face that a job has found, and keep it on the shelf, unless it is not wanted any more."""
        with self._lock:
            job.check()
            if self.entries.get(entry.number) is not entry:
                return
            self.save_now()
            entry.opened[face], entry.face = opened, face
            if self.shelf is not None:
                look = to_pixels(opened.reconstruction)
                opened.about.kept = self.shelf.add(entry.name, opened.model, latent, opened.target, look)

    def is_at_work(self, entry: Entry) -> bool:
        """Whether a job runs on an entry."""
        return self.job is not None and self.job.running and self.job.entry == entry.number

    def _faces(self, photo: Pixels) -> tuple[Sequence[DetectedFace], str]:
        """The faces of a photo; or none, and why."""
        try:
            return self.models.detector.find(photo), ""
        except (FaceError, DownloadError, MissingExtraError) as error:
            return (), str(error)

    def _add(self, entry: Entry, show: bool = True) -> None:
        """Add an entry; a sample that nobody has edited makes room.

        Raises an error where there are too many, or where the page could not show it.
        """
        entry.check()
        with self._lock:
            self.save_now()
            old, entries = self.entry, {**self.entries, entry.number: entry}
            if old is not None and old.is_untouched_sample and not self.is_at_work(old):
                del entries[old.number]
            held = sum(x.photo.size // 3 for x in entries.values() if x.photo is not None)
            if len(entries) > MAX_ENTRIES or held > MAX_PIXELS:
                raise ZplusError("Too much is open at once: delete a photo, and drop this one again.")
            self.entries = entries
            if show or self.entry is None:
                self._at = entry.number

    def _add_opened(self, name: str, opened: Opened) -> None:
        photo = opened.target.photo if opened.has_photo else None
        self._add(Entry(next(self._numbers), name, photo, opened={0: opened}, face=0))

    def _made(self, model: str, latent: Latent) -> bool:
        own = model in self.models.files or model == latent.generator  # others need not be loaded to know
        try:
            return own and self.models.generator(model).fingerprint == latent.fingerprint
        except ZplusError:  # a file that cannot be used keeps no latent of another
            return False


def _has_header(content: bytes) -> bool:
    """Whether a file begins as one of safetensors: the length of a header, and the header."""
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content)
