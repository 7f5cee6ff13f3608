"""The commands `train`: pictures to a generator of one's own, a generator to its encoder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zplus.command.outputs import output_folder
from zplus.command.show import Show
from zplus.errors import MissingExtraError
from zplus.generators import load_generator
from zplus.inversion.encoder import config_for, load_encoder
from zplus.training.data import Pictures
from zplus.training.settings import TrainSettings
from zplus.training.stream import StreamedPictures, open_pictures


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
    settings = TrainSettings(resolution=data.resolution, **_given(wishes))
    samples, generator = folder / "samples.png", folder / "generator.safetensors"
    show.say(f"{len(data)} pictures of {data.resolution} px. Samples appear in {samples}.")
    show.say("An interrupted run goes on from its last snapshot when the command is run again.")
    with show.stage("Training", settings.steps) as tick:
        last = train(settings, data, folder, tick, cpu, start)
    show.result({"generator": generator, "samples": samples, **last}, f"{generator} after {last['kimg']:g} kimg")


def train_encoder(
    model: str,
    label: int | None,
    folder: Path,
    source: Path | None,
    layer: str | None,
    start: Path | None,
    device: str,
    wishes: Mapping[str, Any],
    sizes: Mapping[str, Any],
    show: Show,
) -> None:
    """Train an encoder in a folder, or go on there.

    `wishes` are fields of EncoderSettings, `sizes` of EncoderConfig; None for the default.
    """
    try:
        import zplus.training.encoder as training  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "accelerate", "train") from error
    settings, folder = training.EncoderSettings(**_given(wishes)), output_folder(folder)
    generator = load_generator(model, device, label)
    config = config_for(generator, layer, **_given(sizes))
    begun = None if start is None else load_encoder(start, generator)
    if begun is not None:  # whose layers have their offsets, and whose pictures are worth comparing
        settings = replace(settings, progressive=0.0, images_from=0.0)
    photos = None if source is None else _read(source, config.side, 0, show)
    show.say(f"Held-out pictures, and what the encoder makes of them, appear in {folder / 'samples.png'}.")
    with show.stage("Making pairs", settings.pairs) as make, show.stage("Training", settings.steps) as tick:
        last = training.train_encoder(settings, generator, config, folder, photos, tick, make, begun)
    encoder = folder / "encoder.safetensors"
    show.result(
        {"encoder": encoder, "samples": folder / "samples.png", **last}, f"{encoder} after {settings.steps} steps"
    )


def _given(wishes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wishes.items() if value is not None}


def _read(source: Path, resolution: int | None, holdout: int, show: Show) -> Pictures | StreamedPictures:
    with show.stage("Reading pictures") as tick:
        return open_pictures(source, resolution, holdout, lambda done, total: tick(done, f"of {total}"), show.warn)
