"""`zplus train generator`, `encoder` and `base-code`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zplus.command import options
from zplus.command.outputs import output_folder
from zplus.command.show import Show
from zplus.errors import MissingExtraError

if TYPE_CHECKING:
    from zplus.training.data import Pictures
    from zplus.training.stream import StreamedPictures

Out = Annotated[Path, typer.Option("-o", "--out", help="The folder for what comes out; it is made if missing.")]
Photos = Annotated[
    Path | None, typer.Option("--photos", help="Aligned photos to learn from as well: a folder or a zip.")
]
PairCount = Annotated[int | None, typer.Option("--pairs", help="Samples to learn from, 400 or more, by 200s.")]
StepCount = Annotated[int | None, typer.Option("--steps", min=1, help="Steps of the training.")]
PairBatch = Annotated[int | None, typer.Option("--batch", min=1, help="Pairs in a step, of all devices.")]
Images = Annotated[int | None, typer.Option("--images", min=1, help="Of them, those rendered and compared.")]
Rate = Annotated[float | None, typer.Option("--learning-rate", min=0, help="Adam's, at its peak.")]
Channels = Annotated[int | None, typer.Option("--channels", min=8, max=2048, help="Width of convolutions.")]
Minutes = Annotated[float | None, typer.Option("--snapshot-minutes", min=0, help="The most that a killed run loses.")]
Likeness = Annotated[
    float | None, typer.Option("--identity", min=0, help="Weight of face descriptors, for models of faces; try 1.")
]
Begin = Annotated[
    Path | None,
    typer.Option("--start", help="An encoder to begin with, of the same model and sizes: the file of another run."),
]

train = typer.Typer(help="Train a generator of your own, or an encoder for one.", no_args_is_help=True)


@train.command("generator")
def train_generator(
    data: Annotated[Path, typer.Argument(help="A folder or a zip of pictures (png, jpg, webp).", show_default=False)],
    out: Out,
    resolution: Annotated[
        int | None,
        typer.Option("--resolution", help="Pixels a side, 8 to 1024; by default those of the first picture."),
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--start", help="The folder of another run whose networks to begin with.")
    ] = None,
    kimg: Annotated[float | None, typer.Option("--kimg", help="How many thousand pictures are shown.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Pictures in a step, of all devices.")] = None,
    z_dim: Annotated[int | None, typer.Option("--z-dim", min=1, help="Numbers in z and in w.")] = None,
    channel_base: Annotated[
        int | None, typer.Option("--channel-base", min=1, help="Feature maps times resolution, where below the most.")
    ] = None,
    channel_max: Annotated[
        int | None, typer.Option("--channel-max", min=1, help="The most feature maps at any resolution.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", min=0, help="Of both networks.")] = None,
    r1_gamma: Annotated[
        float | None, typer.Option("--gamma", min=0, help="Weight of R1; by default by the size.")
    ] = None,
    path_length: Annotated[
        float | None, typer.Option("--path-length", min=0, help="Weight of path length regularisation; 2 in StyleGAN2.")
    ] = None,
    augment: Annotated[bool, typer.Option("--augment", help="Augment: for small sets.")] = False,
    flip: Annotated[bool, typer.Option("--flip", help="Learn from mirrored pictures as well.")] = False,
    holdout: Annotated[int, typer.Option("--holdout", min=0, help="How many of the last pictures are not shown.")] = 0,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None, typer.Option("--precision", help="bfloat16 is faster on recent GPUs.")
    ] = None,
    snapshot_minutes: Minutes = None,
    seed: options.Seed = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="Use the CPU even where there is a GPU.")] = False,
    as_json: options.Json = False,
) -> None:
    """Train a StyleGAN2 on pictures.

    The same command again goes on from the last snapshot.
    """
    given, show = locals(), Show(as_json)
    from zplus.training.settings import TrainSettings

    with _extra():
        from zplus.training.generator import train as run
    folder = output_folder(out)
    pictures = _read(data, resolution, holdout, show)
    settings = options.record(TrainSettings, _known(given), resolution=pictures.resolution)
    samples, generator = folder / "samples.png", folder / "generator.safetensors"
    show.say(f"{len(pictures)} pictures of {pictures.resolution} px. Samples appear in {samples}.")
    show.say("An interrupted run goes on from its last snapshot when the command is run again.")
    with show.stage("Training", settings.steps) as tick:
        last = run(settings, pictures, folder, tick, cpu, start)
    show.result({"generator": generator, "samples": samples, **last}, f"{generator} after {last['kimg']:g} kimg")


@train.command("encoder")
def train_encoder(
    out: Out,
    model: options.Model = options.DEFAULT_MODEL,
    label: options.Label = None,
    photos: Photos = None,
    layer: options.Layer = None,
    pairs: PairCount = None,
    steps: StepCount = None,
    batch: PairBatch = None,
    images: Images = None,
    learning_rate: Rate = None,
    identity: Likeness = None,
    start: Begin = None,
    channels: Channels = None,
    hidden: Annotated[int | None, typer.Option("--hidden", min=8, max=2048, help="Width before the codes.")] = None,
    snapshot_minutes: Minutes = None,
    seed: options.Seed = None,
    device: options.Device = options.InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Train the encoder of a generator: codes in W+ and Z+, and F.

    Pairs of pictures and known codes are made first. The same command again goes on from the last snapshot.
    """
    _train_encoder(locals(), {"channels": channels, "hidden": hidden}, Show(as_json))


@train.command("base-code")
def train_base_code(
    out: Out,
    model: options.Model = options.DEFAULT_MODEL,
    label: options.Label = None,
    photos: Photos = None,
    layer: options.Layer = None,
    pairs: PairCount = None,
    steps: StepCount = None,
    batch: PairBatch = None,
    images: Images = None,
    learning_rate: Rate = None,
    identity: Likeness = None,
    start: Begin = None,
    channels: Channels = None,
    snapshot_minutes: Minutes = None,
    seed: options.Seed = None,
    device: options.Device = options.InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Train an encoder that gives F alone, at any layer (BDInvert).

    Pairs of pictures and known codes are made first. The same command again goes on from the last snapshot.
    """
    _train_encoder(locals(), {"channels": channels, "forms": ()}, Show(as_json))


def _train_encoder(given: Mapping[str, Any], sizes: Mapping[str, Any], show: Show) -> None:
    """Train, or go on. given: the parameters of the command; sizes: of EncoderConfig, None for the default."""
    from zplus.generators import load_generator
    from zplus.inversion.encoder import config_for, load_encoder

    with _extra():
        from zplus.training import encoder as training
    settings, folder = options.record(training.EncoderSettings, _known(given)), output_folder(given["out"])
    generator = load_generator(given["model"], given["device"], given["label"])
    config = config_for(generator, given["layer"], **_known(sizes))
    begun = None if given["start"] is None else load_encoder(given["start"], generator)
    if begun is not None:  # whose layers have their offsets, and whose pictures are worth comparing
        settings = replace(settings, progressive=0.0, images_from=0.0)
    photos = None if given["photos"] is None else _read(given["photos"], config.side, 0, show)
    samples, encoder = folder / "samples.png", folder / "encoder.safetensors"
    show.say(f"Held-out pictures, and what the encoder makes of them, appear in {samples}.")
    last = training.train_encoder(settings, generator, config, folder, photos, show.stage, begun)
    show.result({"encoder": encoder, "samples": samples, **last}, f"{encoder} after {settings.steps} steps")


@contextmanager
def _extra() -> Iterator[None]:
    """What is imported in the block comes with the extra `train`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "accelerate", "train") from error


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given; None is the default of the settings."""
    return {name: value for name, value in given.items() if value is not None}


def _read(source: Path, resolution: int | None, holdout: int, show: Show) -> "Pictures | StreamedPictures":
    from zplus.training.stream import open_pictures

    with show.stage("Reading pictures") as tick:
        return open_pictures(source, resolution, holdout, lambda done, total: tick(done, f"of {total}"), show.warn)
