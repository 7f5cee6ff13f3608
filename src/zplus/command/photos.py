"""What commands do with many photos: where the work is done, and what is said, written and counted of each."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from zplus.command import options
from zplus.command.show import Show, complain
from zplus.errors import UnknownNameError, ZplusError
from zplus.files import unlinked

Record = dict[str, Any]
Stream = Iterable[tuple[Path, list[Record] | Exception]]  # photos, with their records or what failed


def engine_of(context: options.Context, name: str, address: str | None, workers: int | None, gpus: float) -> Any:
    """Where photos are inverted. Raises ZplusError where there is no such place."""
    if name == "ray":
        from zplus.workflow.cluster import Cluster

        return partial(Cluster, address=address, workers=workers, gpus=gpus)
    if name != "here":
        raise UnknownNameError("engine", name, ("here", "ray"))
    options.refuse(context, "they are for --engine ray", "address", "workers", "gpus")
    from zplus.workflow.batch import Here

    return Here


def photos_of(given: list[Path], out: Path) -> tuple[list[Path], Path | None]:
    """The photos, and the folder that they lie in if one was given. Raises ZplusError."""
    from zplus.workflow.manifest import photos_in

    if not any(path.is_dir() for path in given):
        return given, None
    if len(given) > 1:
        raise ZplusError("Give one folder, or photos alone.")
    return photos_in(given[0], out), given[0]


def inverted(
    photos: Sequence[Path], folder: Path, how: options.InvertOptions, batch: int | None, engine: Any, show: Show
) -> Stream:
    """The stream of `invert_photos`, in batches for as many photos as are probably not finished."""
    from zplus.workflow.batch import invert_photos
    from zplus.workflow.finished import unfinished
    from zplus.workflow.manifest import was_cut

    expected = None if was_cut(folder) else unfinished(photos, folder)
    return invert_photos(photos, folder, how, show.callbacks, batch, expected, engine)


def work_through(
    stream: Stream,
    photos: Sequence[Path],
    folder: Path,
    root: Path | None,
    show: Show,
    line: Callable[[Record], str],
) -> int:
    """Show what comes of photos, with a manifest and a summary in the folder; the exit code.

    Of photos in a folder, which may be very many, the records are not kept.
    """
    if root is None and len(photos) == 1:
        return _work_on_one(stream, show, line)

    from zplus.workflow.json_files import write_json
    from zplus.workflow.manifest import manifest

    done, interrupted, summary = 0, False, unlinked(folder / "summary.json")
    results: list[Record] = []
    with manifest(folder, photos, root) as rows:
        try:
            for photo, found in stream:
                done += 1
                rows.add(photo, found)
                if isinstance(found, Exception):
                    complain(found, str(photo))
                elif root is None:
                    results += found
        except KeyboardInterrupt:
            interrupted = True
            finished = done - len(rows.failed)
            show.say(f"Interrupted: {finished} of {len(photos)} photos are finished; run this again to go on.")
            rows.wait(photos[done:])
    facts = rows.summary() | ({"error": "Interrupted."} if interrupted else {})
    if root is None:
        facts = {"results": results} | facts
    write_json(summary, facts)
    finished = done - len(rows.failed)
    text = "\n".join(map(line, results)) or f"{finished} of {len(photos)} photos are finished: {rows.path}"
    show.result(facts, text)
    return 130 if interrupted else 0 if not rows.failed else 1 if finished else 2


def _work_on_one(stream: Stream, show: Show, line: Callable[[Record], str]) -> int:
    """Show what comes of a single photo, without a manifest; the exit code. Raises what failed."""
    try:
        ((_, found),) = stream
    except KeyboardInterrupt:
        show.say("Interrupted: 0 of 1 photos are finished; run this again to go on.")
        show.result({"results": [], "error": "Interrupted."}, "")
        return 130
    if isinstance(found, Exception):
        raise found
    show.result(found[0] if len(found) == 1 else {"results": found}, "\n".join(map(line, found)))
    return 0
