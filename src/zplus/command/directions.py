"""The commands `directions list`, `show` and `learn`."""

from pathlib import Path
from typing import Any

from zplus.command.prepare import open_generator, output_file
from zplus.command.show import Show, table
from zplus.direction import Direction, save_direction
from zplus.editing import directions_of, find_direction, learn_boundary, score_prior
from zplus.errors import UnknownNameError, ZplusError
from zplus.perception.attributes import ATTRIBUTES, Scorers


def show_list(model: str, show: Show) -> None:
    """The directions that come for a model."""
    found = directions_of(open_generator(model, "cpu"))
    cells = [
        (d.name, d.space, d.card.get("attribute", "-"), d.card.get("accuracy", "-"), d.card.get("samples", "-"))
        for d in found.values()
    ]
    text = table(("NAME", "SPACE", "ATTRIBUTE", "ACCURACY", "SAMPLES"), cells)
    show.result({"model": model, "results": [_described(d) for d in found.values()]}, text)


def show_card(name: str, model: str, show: Show) -> None:
    """All that is known of a direction."""
    described = _described(find_direction(name, open_generator(model, "cpu")))
    show.result(described, table(("", ""), list(described.items())).lstrip("\n"))


def learn(
    attribute: str,
    name: str,
    out: Path,
    samples: int,
    layers: str | None,
    model: str,
    label: int | None,
    seed: int | None,
    device: str,
    show: Show,
) -> None:
    """Learn a direction from scored samples and write it."""
    output_file(out, picture=False)
    if attribute not in ATTRIBUTES:
        raise UnknownNameError("attribute", attribute, ATTRIBUTES)
    generator, scorers = open_generator(model, device, label), Scorers()
    codes = None if layers is None else layer_range(layers, generator.num_codes)

    def score(pixels: Any) -> dict[str, float]:
        return scorers.measure(pixels, [attribute])

    with show.stage(f"Scoring samples by {attribute}", samples) as tick:
        scored = score_prior(generator, score, samples, 1 if seed is None else seed, lambda done: tick(done, ""))
    with show.stage("Finding the boundary"):
        direction = learn_boundary(generator, name, attribute, scored, score, layers=codes)
    save_direction(direction, out)
    described = _described(direction)
    show.result({"direction": out, **described}, f"{out}\n{table(('', ''), list(described.items()))}")


def layer_range(text: str, codes: int) -> tuple[int, int]:
    """FIRST:LAST as numbers. Raises ZplusError where there are no such codes."""
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and int(first) < int(last) <= codes):
        raise ZplusError(f"--layers is {text!r}, but must be FIRST:LAST with 0 <= FIRST < LAST <= {codes}.")
    return int(first), int(last)


def _described(direction: Direction) -> dict[str, Any]:
    return {"name": direction.name, "space": direction.space, "unit": direction.unit, **direction.card}
