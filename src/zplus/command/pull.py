"""`zplus pull`."""

from typing import Annotated, Any

import typer

from zplus.command import options
from zplus.command.show import Show, complain

ALL = "all"


def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names that 'zplus models' shows, or all; all of them if none.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Fetch models, check and convert them."""
    raise typer.Exit(_pull_named(names or [ALL], Show(as_json)))


def _pull_named(names: list[str], show: Show) -> int:
    """Pull by name; the exit code: 1 if some of several failed, 2 if all did."""
    from zplus.workflow import models

    wanted = [known for name in names for known in (models.KNOWN if name == ALL else [models.checked_name(name)])]
    results: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for name in dict.fromkeys(wanted):
        try:
            before = models.is_here(name)
            models.pull_one(name, show.callbacks)
            results.append({"name": name, "megabytes": models.megabytes(name), "was_here": before})
        except Exception as error:
            failed.append({"name": name, "error": complain(error, name)})
    text = "\n".join(f"{r['name']}: {'was here already' if r['was_here'] else 'pulled'}" for r in results)
    show.result({"results": results, "failed": failed}, text)
    return 0 if not failed else 1 if results else 2
