"""`zplus distance`."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.show import Show
from zplus.errors import ZplusError

SIDES = (32, 64, 128, 256)  # pixels: features of larger pictures take long, and of photos cost more than they tell


def distance(
    first: Annotated[
        str,
        typer.Argument(
            metavar="MODEL-OR-PICTURES", help="A model by name or file, or a folder or zip.", show_default=False
        ),
    ],
    second: Annotated[
        Path, typer.Argument(metavar="PICTURES", help="A folder or zip to compare with.", show_default=False)
    ],
    count: Annotated[int, typer.Option("--count", min=4, help="The most pictures of each side.")] = 1000,
    resolution: Annotated[
        int, typer.Option("--resolution", help="Pixels a side: 32, 64, 128 or 256, at most those of the model.")
    ] = SIDES[-1],
    label: options.Label = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the samples.")] = 0,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Measure how far samples of a model, or pictures, are from other pictures.

    The kernel distance is 0 in the mean for pictures of one kind; the Frechet distance falls with their number. Compare
    only figures of the same number of pictures and the same resolution.
    """
    show = Show(as_json)
    if resolution not in SIDES:
        raise ZplusError(f"Pictures are compared at {', '.join(map(str, SIDES))} pixels a side, not at {resolution}.")

    import numpy as np

    from zplus.generators import load_generator
    from zplus.generators.zoo import chosen_device
    from zplus.perception.lpips import LPIPS
    from zplus.training.distance import distances, picture_features, sample_features
    from zplus.training.stream import open_pictures

    lpips = LPIPS("vgg").to(chosen_device(device))
    held = Path(first).is_dir() or Path(first).suffix.lower() == ".zip"
    generator = None if held else load_generator(first, device, label)
    side = resolution if generator is None else min(resolution, generator.resolution)

    def seen(source: Path) -> np.ndarray:
        with show.stage("Reading pictures") as tick:
            pictures = open_pictures(source, side, 0, lambda done, total: tick(done, f"of {total}"), show.warn)
        some = min(count, len(pictures))
        with show.stage("Comparing pictures", some) as tick:
            return picture_features(pictures, some, lpips, lambda done: tick(done, ""))

    b = seen(second)
    if generator is None:
        a = seen(Path(first))
    else:
        with show.stage("Comparing samples", len(b)) as tick:
            a = sample_features(generator, side, len(b), lpips, seed, lambda done: tick(done, ""))
    found = distances(a, b)
    told = f"kernel distance {found['kernel_distance']:.5f}, Frechet distance {found['frechet_distance']:.2f}"
    show.result(
        {**found, "resolution": side, "warnings": show.warnings},
        f"{told} ({len(a)} and {len(b)} pictures of {side} px)",
    )
