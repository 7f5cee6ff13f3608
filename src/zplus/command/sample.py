"""`zplus sample`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_folder
from zplus.command.show import Show
from zplus.errors import ZplusError
from zplus.files import unlinked

MAX_SEEDS = 10_000  # pictures in one go
THUMBNAIL = 192  # pixels a side on the contact sheet
SHEET = 400  # pictures on it at most, so that it stays a picture that can be opened


def sample(
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for the pictures; it is made if missing.")],
    seeds: Annotated[str, typer.Option("--seeds", help="Numbers and ranges: 0-35 or 1,4,7-9.")] = "0-15",
    model: options.Model = options.DEFAULT_MODEL,
    label: options.Label = None,
    transform: options.Transform = None,
    psi: options.Psi = 0.7,
    device: options.Device = options.InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Draw faces of nobody, and a contact sheet."""
    numbers, folder, show = parse_seeds(seeds), output_folder(out), Show(as_json)
    paths, sheet = [unlinked(folder / f"seed{seed:06d}.png") for seed in numbers], unlinked(folder / "sheet.png")

    import torch

    from zplus.generators import load_generator
    from zplus.generators.transform import read_transform
    from zplus.images import fitted, to_pixels, write_image
    from zplus.latent import Decoding
    from zplus.spaces import make_space
    from zplus.workflow.sheet import Cell, contact_sheet

    generator = load_generator(model, device, label)
    generator = generator if transform is None else generator.with_transform(read_transform(transform))
    space = make_space("z", generator, decoding=Decoding(psi))
    results, cells = [], []
    with show.stage("Sampling", len(numbers)) as tick:
        for i, (seed, path) in enumerate(zip(numbers, paths, strict=True)):
            with torch.inference_mode():
                image = generator.synthesize(space.decode(space.sample(1, seed)))
            pixels = to_pixels(image[0])
            write_image(path, pixels, f"sampled from {generator.name}, seed {seed}, psi {psi:g}")
            results.append({"seed": seed, "picture": path})
            if i < SHEET:
                cells.append(Cell(fitted(pixels, THUMBNAIL), str(seed)))
            tick(i + 1, "")
    across = math.ceil(math.sqrt(len(cells)))
    rows = [cells[i : i + across] for i in range(0, len(cells), across)]
    write_image(sheet, contact_sheet(rows, THUMBNAIL), f"sampled from {generator.name}")
    data = {"model": generator.name, "psi": psi, "results": results, "sheet": sheet}
    show.result(data, f"{len(results)} pictures and {sheet}")


def parse_seeds(text: str) -> list[int]:
    """Numbers and ranges, both ends included.

    >>> parse_seeds("0-3,8")
    [0, 1, 2, 3, 8]
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise ZplusError(f"{text!r} is no list of seeds: write it like 0-35 or 1,4,7-9.")
        ends = int(first), int(last or first)
        if ends[1] < ends[0] or len(found) + ends[1] - ends[0] >= MAX_SEEDS or ends[1] >= 2**63:
            raise ZplusError(
                f"The range {part.strip()} is empty or too long: write it upwards, {MAX_SEEDS} seeds in all."
            )
        found.extend(range(ends[0], ends[1] + 1))
    return list(dict.fromkeys(found))


def _is_number(text: str) -> bool:
    """Whether this is a whole number of at most 64 bits."""
    return text.isdecimal() and len(text) <= 19
