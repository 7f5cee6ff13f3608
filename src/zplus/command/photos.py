"""What commands do with many photos: where the work is done, and what is said, written and counted of each."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from zplus.command import options
from zplus.command.show import Show, complain
from zplus.errors import UnknownNameError, ZplusError

Record = dict[str, Any]


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


def work_through(
    stream: Iterable[tuple[Path, list[Record] | Exception]],
    photos: Sequence[Path],
    folder: Path,
    root: Path | None,
    show: Show,
    line: Callable[[Record], str],
) -> int:
    """Show what comes of photos, with a manifest and a summary in the folder; the exit code.

    Of photos in a folder, which may be very many, the records are not kept.
    """
    from zplus.workflow.json_files import write_json
    from zplus.workflow.manifest import manifest

    alone, done, interrupted = root is None and len(photos) == 1, 0, False
    results: list[Record] = []
    with nullcontext() if alone else manifest(folder, photos, root) as rows:
        try:
            for photo, found in stream:
                if rows is None and isinstance(found, Exception):
                    raise found
                done += 1
                if rows is not None:
                    rows.add(photo, found)
                if isinstance(found, Exception):
                    complain(found, str(photo))
                elif root is None:
                    results += found
        except KeyboardInterrupt:
            interrupted = True
            finished = done - len(rows.failed) if rows is not None else 0
            show.say(f"Interrupted: {finished} of {len(photos)} photos are finished; run this again to go on.")
            if rows is not None:
                rows.wait(photos[done:])
    if rows is None:
        if results:
            shown = results[0] if len(results) == 1 else {"results": results}
            show.result(shown, "\n".join(map(line, results)))
        else:
            show.result({"results": [], "error": "Interrupted."}, "")
        return 130 if interrupted else 0
    facts = rows.summary() | ({"error": "Interrupted."} if interrupted else {})
    if root is None:
        facts = {"results": results} | facts
    write_json(folder / "summary.json", facts)
    finished = done - len(rows.failed)
    text = "\n".join(map(line, results)) or f"{finished} of {len(photos)} photos are finished: {rows.path}"
    show.result(facts, text)
    return 130 if interrupted else 0 if not rows.failed else 1 if finished else 2
