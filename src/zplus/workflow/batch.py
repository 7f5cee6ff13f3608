"""Photos to latents in a folder, many at once, so that a second run goes on where one ended."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, islice, tee
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

from zplus.workflow.callbacks import SILENT, Callbacks, Tick
from zplus.workflow.finished import Files, Names, Record, faces_finished, file_hash, settings_of
from zplus.workflow.inverting import Inverter
from zplus.workflow.options import InvertOptions
from zplus.workflow.worker import Crop, Entry, Worker

FEW = 20  # photos; of more each is not spoken of, because the manifest has a row for each
AHEAD = 2  # photos a row of a batch that may be read before they are inverted

Found = list[Record] | Exception
Work = tuple[Path, Files, Record]
Batch = list[Crop]
T = TypeVar("T")
U = TypeVar("U")


class Engine(Protocol):
    """Where photos are aligned and inverted. Both methods keep the order, and work on a bounded number at a time.

    Attributes:
        inverter: The networks, by which it is known what is finished already.
        size: How many faces are inverted at once.
    """

    inverter: Inverter
    size: int

    def align(self, works: Iterable[Work | Entry]) -> Iterator[Entry]:
        """Read and crop photos; what is an entry already is passed on."""

    def invert(self, batches: Iterable[Batch], line: "Line") -> Iterator[list[Record | Exception]]:
        """Invert the crops of batches."""


class Here:
    """This process: photos are read in a thread while others are inverted."""

    def __init__(self, options: InvertOptions, batch: int | None, photos: int, callbacks: Callbacks):
        self.worker = Worker(options, batch, photos, callbacks=callbacks)
        self.inverter, self.size = self.worker.inverter, self.worker.size

    def align(self, works: Iterable[Work | Entry]) -> Iterator[Entry]:
        """See `Engine`."""
        with ThreadPoolExecutor(1) as thread:

            def submit(work: Work | Entry) -> Future[Entry] | Entry:
                return work if isinstance(work, Entry) else thread.submit(self.worker.align, *work)

            try:
                yield from in_order(works, submit, lambda x: x.result() if isinstance(x, Future) else x, self.ahead)
            finally:
                thread.shutdown(wait=False, cancel_futures=True)

    def invert(self, batches: Iterable[Batch], line: "Line") -> Iterator[list[Record | Exception]]:
        """See `Engine`."""
        for batch in batches:
            yield self.worker.invert(batch, line.callbacks, line.title(batch))

    @property
    def ahead(self) -> int:
        """How many photos are read before they are inverted."""
        return AHEAD * self.size


def in_order(values: Iterable[T], submit: Callable[[T], Any], take: Callable[[Any], U], most: int) -> Iterator[U]:
    """Submit values, at most so many at a time, and take their results in their order."""
    waiting: deque[Any] = deque()
    for value in values:
        waiting.append(submit(value))
        if len(waiting) > most:
            yield take(waiting.popleft())
    while waiting:
        yield take(waiting.popleft())


class Line:
    """The one line of progress for all photos, and what is said of each while they are few."""

    def __init__(self, photos: int, callbacks: Callbacks, tick: Tick):
        self.photos, self.tick, self.done, self.inverted, self.began = photos, tick, 0, 0, perf_counter()
        told = callbacks if photos <= FEW else SILENT
        own = callbacks.stage if photos == 1 else self._stage
        self.callbacks = Callbacks(stage=own, step=callbacks.step, say=told.say, warn=told.warn)

    def title(self, batch: Batch) -> str:
        """The title of a batch's stage."""
        return f"Inverting {batch[0].record['photo'].name}"

    def count(self, inverted: bool) -> None:
        """Another photo is done."""
        self.done, self.inverted = self.done + 1, self.inverted + inverted
        self.tick(self.done, self._rate())

    def _rate(self) -> str:
        if not self.inverted:
            return ""
        each = (perf_counter() - self.began) / self.inverted
        left = timedelta(seconds=round(each * (self.photos - self.done)))
        return f"{3600 / each:.0f} photos an hour, {left} left"

    @contextmanager
    def _stage(self, title: str, total: int | None) -> Iterator[Tick]:
        """The steps of a batch, as a note in the line."""
        yield lambda step, note: self.tick(self.done, f"{self._rate()} (step {step} of {total})".lstrip())


def invert_photos(
    photos: Sequence[Path],
    folder: Path,
    options: InvertOptions,
    callbacks: Callbacks = SILENT,
    batch: int | None = None,
    expected: int | None = None,
    engine: Callable[..., Engine] = Here,
) -> Iterator[tuple[Path, Found]]:
    """Invert photos into a folder: a latent, a reconstruction, the crop and a record for each face.

    A photo whose record in the folder has the same content, options and versions is not inverted again. An error in one
    photo does not stop the others.

    Args:
        photos: Files of photos.
        folder: An existing folder.
        options: How they are inverted.
        callbacks: See `Callbacks`.
        batch: How many faces are inverted at once; None for as many as suit the memory and the processor. At one size
            the latents of a photo have the same bytes whatever photos are beside it.
        expected: About how many are not finished; None is all. Fewer make smaller batches.
        engine: Where the work is done: `Here`, or `zplus.workflow.cluster.Cluster`.

    Yields:
        Each photo, with the records of its faces or the exception that it caused.

    Raises:
        ZplusError: The options are invalid, a network is missing, or nothing more can be written.
    """
    where = engine(options, batch, max(1, len(photos) if expected is None else expected), callbacks)
    with _line(photos, callbacks) as line:
        ahead, entries = tee(where.align(_planned(photos, folder, where.inverter, line.callbacks)))
        crops = (crop for entry in ahead for crop in entry.crops)
        results = chain.from_iterable(where.invert(_parts(crops, where.size), line))
        for entry in entries:
            for text in entry.said:
                line.callbacks.say(text)
            found = [*entry.records, *islice(results, len(entry.crops))]
            failed = entry.error or next((x for x in found if isinstance(x, Exception)), None)
            line.count(bool(entry.crops))
            yield entry.photo, failed or [x for x in found if not isinstance(x, Exception)]


@contextmanager
def _line(photos: Sequence[Path], callbacks: Callbacks) -> Iterator[Line]:
    if len(photos) == 1:
        yield Line(1, callbacks, lambda done, note: None)
        return
    with callbacks.stage(f"Inverting {len(photos)} photos", len(photos)) as tick:
        yield Line(len(photos), callbacks, tick)


def _planned(photos: Iterable[Path], folder: Path, inverter: Inverter, callbacks: Callbacks) -> Iterator[Work | Entry]:
    """What is to be done for each photo."""
    options = inverter.options
    settings, names = settings_of(inverter), Names(folder, options.face)
    for photo in photos:
        try:
            key = {"photo_sha256": file_hash(photo), **settings}
        except Exception as error:
            yield Entry(photo, error=error)
            continue
        files = names.files(photo, key["photo_sha256"])
        if records := faces_finished(files, key, options.face):
            callbacks.say(f"{photo}: finished before with the same settings, so it is skipped.")
            yield Entry(photo, records=[record | {"photo": photo} for record in records])
        else:
            if files.record.exists():
                callbacks.warn(f"{photo} was inverted into this folder with other settings before: that is replaced.")
            yield photo, files, key


def _parts(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` values; the last may be shorter."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
