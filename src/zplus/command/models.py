"""`zplus models`."""

from zplus.command import options
from zplus.command.show import Show, table


def models(as_json: options.Json = False) -> None:
    """List what can be loaded, and its licence."""
    from zplus.workflow.models import KNOWN, about, is_here, licence, megabytes

    rows = [
        {"name": x, "what": about(x), "licence": licence(x), "here": is_here(x), "megabytes": megabytes(x)}
        for x in KNOWN
    ]
    cells: list[tuple[object, ...]] = []
    for row in rows:
        cells.append((row["name"], "yes" if row["here"] else "no", f"{row['megabytes']} MB", row["what"]))
        cells.append(("", "", "", f"({row['licence']})"))
    Show(as_json).result({"results": rows}, table(("NAME", "HERE", "SIZE", "WHAT"), cells))
