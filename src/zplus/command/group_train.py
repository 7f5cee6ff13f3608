"""What `zplus train` understands."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from zplus.command import options
from zplus.command.show import Show

Out = Annotated[Path, typer.Option("-o", "--out", help="The folder for what comes out; it is made if missing.")]
Photos = Annotated[
    Path | None, typer.Option("--photos", help="Aligned photos to learn from as well: a folder or a zip.")
]
PairCount = Annotated[int | None, typer.Option("--pairs", help="Samples to learn from, a multiple of 200.")]
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
WISHES = ("pairs", "steps", "batch", "images", "learning_rate", "identity", "snapshot_minutes", "seed")  # of encoders

training = typer.Typer(help="Train a generator of your own, or an encoder for one.", no_args_is_help=True)


@training.command("generator")
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
    gamma: Annotated[float | None, typer.Option("--gamma", min=0, help="Weight of R1; by default by the size.")] = None,
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
    from zplus.command.training import train_generator as run_training

    wishes = {
        "kimg": kimg, "batch": batch, "z_dim": z_dim, "channel_base": channel_base, "channel_max": channel_max,
        "learning_rate": learning_rate, "r1_gamma": gamma, "path_length": path_length, "augment": augment, "flip": flip,
        "precision": precision, "snapshot_minutes": snapshot_minutes, "seed": seed,
    }  # fmt: skip
    run_training(data, out, resolution, holdout, cpu, start, wishes, Show(as_json))


@training.command("encoder")
def train_encoder(
    context: options.Context,
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
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Train the encoder of a generator: codes in W+ and Z+, and F.

    Pairs of pictures and known codes are made first. The same command again goes on from the last snapshot.
    """
    from zplus.command.training import train_encoder as run_training

    wishes = {name: context.params[name] for name in WISHES}
    sizes = {"channels": channels, "hidden": hidden}
    run_training(model, label, out, photos, layer, start, device, wishes, sizes, Show(as_json))


@training.command("base-code")
def train_base_code(
    context: options.Context,
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
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Train an encoder that gives F alone, at any layer (BDInvert).

    Pairs of pictures and known codes are made first. The same command again goes on from the last snapshot.
    """
    from zplus.command.training import train_encoder as run_training

    wishes = {name: context.params[name] for name in WISHES}
    sizes = {"channels": channels, "forms": ()}
    run_training(model, label, out, photos, layer, start, device, wishes, sizes, Show(as_json))
