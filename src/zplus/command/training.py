"""The command `train generator`: a folder or zip of pictures to a generator of one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zplus.command.prepare import output_folder
from zplus.command.show import Show
from zplus.errors import MissingExtraError
from zplus.training.data import Pictures, read_pictures
from zplus.training.settings import TrainSettings


def train_generator(
    source: Path,
    folder: Path,
    resolution: int | None,
    holdout: int,
    cpu: bool,
    start: Path | None,
    wishes: Mapping[str, Any],
    show: Show,
) -> None:
    """Train in a folder, or go on there; `wishes` are fields of TrainSettings, None for the default."""
    try:
        from zplus.training.generator import train  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "accelerate", "train") from error
    folder = output_folder(folder)
    data = _read(source, resolution, holdout, show)
    wanted = {name: value for name, value in wishes.items() if value is not None}
    settings = TrainSettings(resolution=data.resolution, **wanted)
    samples, generator = folder / "samples.png", folder / "generator.safetensors"
    show.say(f"{len(data.train)} pictures of {data.resolution} px. Samples appear in {samples}.")
    show.say("An interrupted run goes on from its last snapshot when the command is run again.")
    with show.stage("Training", settings.steps) as tick:
        last = train(settings, data, folder, tick, cpu, start)
    show.result({"generator": generator, "samples": samples, **last}, f"{generator} after {last['kimg']:g} kimg")


def _read(source: Path, resolution: int | None, holdout: int, show: Show) -> Pictures:
    with show.stage("Reading pictures") as tick:
        return read_pictures(source, resolution, holdout, lambda done, total: tick(done, f"of {total}"))
