"""The command `zplus`: what it understands, and how errors reach a person.

torch is loaded by the commands that need it, so that --help is there at once.
"""

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.distance import distance
from zplus.command.group_bench import bench, report
from zplus.command.group_directions import directions
from zplus.command.group_edit import edit
from zplus.command.group_latent import latent
from zplus.command.group_train import training
from zplus.command.options import DEFAULT_MODEL, DEFAULT_SPACE
from zplus.command.show import Show, complain
from zplus.errors import printable

app = typer.Typer(
    help="Edit real photos with a StyleGAN's own prior, on this machine alone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(bench, name="bench")
app.add_typer(directions, name="directions")
app.add_typer(latent, name="latent")
app.add_typer(training, name="train")
app.command()(distance)


def main() -> None:
    """The entry point. A request to end counts as an interruption, so that temporary files are removed."""
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")):
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores the second: so it stays
            signal.signal(number, _interrupt)
    if "train" not in sys.argv[1:2]:  # whose many small steps are twice as fast when threads spin between them
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # elsewhere spinning threads halve the speed of busy cores
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 some of a batch failed, 2 wrong usage or bad input, 130 interrupted."""
    if "--debug" in arguments:
        os.environ["ZPLUS_DEBUG"] = "1"
    warnings.showwarning = lambda message, *_: print(f"Note: {printable(str(message))}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what a terminal cannot show
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app([a for a in arguments if a != "--debug"], prog_name="zplus")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 2
        wrong_use = getattr(end.__context__, "format_message", None)  # which typer has put on standard error
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            return _interrupted(arguments)
        return code if wrong_use is None else _failed(code, wrong_use(), arguments)
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except Exception as error:
        return _failed(2, complain(error), arguments)
    return 0


def _interrupted(arguments: Sequence[str]) -> int:
    print("zplus: Interrupted.", file=sys.stderr)
    return _failed(130, "Interrupted.", arguments)


def _failed(code: int, words: str, arguments: Sequence[str]) -> int:
    """The exit code, once programs have been told as they asked for."""
    if "--json" in arguments:
        Show(as_json=True).result({"error": words}, "")
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _version(wanted: bool) -> bool:
    if wanted:
        from zplus import __version__

        print(f"zplus {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _common(
    debug: options.Debug = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Nothing: `run` sees to --debug."""


@app.command()
def models(as_json: options.Json = False) -> None:
    """List what can be loaded, and its licence."""
    from zplus.command.pulling import show_models

    show_models(Show(as_json))


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names that 'zplus models' shows; all of them if none.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Fetch models, check and convert them."""
    from zplus.command.pulling import pull_named

    raise typer.Exit(pull_named(names or ["all"], Show(as_json)))


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="A StyleGAN2 of any public format.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.")],
    half: Annotated[bool, typer.Option("--half", help="Write fp16: half the size, slightly rounded.")] = False,
    as_json: options.Json = False,
) -> None:
    """Convert a checkpoint of another program.

    NVIDIA's pickles of PyTorch and TensorFlow, rosinality's, e4e's and pSp's, genforce's: the format and every size are
    read from the file, and nothing in it is executed.
    """
    from zplus.command.converting import convert_checkpoint

    convert_checkpoint(checkpoint, out, half, Show(as_json))


@app.command()
def align(
    photo: options.Photo,
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")],
    face: options.Face = 0,
    size: Annotated[int, typer.Option("--size", min=32, max=4096, help="Its side in pixels.")] = 1024,
    as_json: options.Json = False,
) -> None:
    """Cut a face out of a photo as generators expect it."""
    from zplus.command.photo import align_photo

    align_photo(photo, out, face, size, Show(as_json))


def invert(
    photos: Annotated[list[Path], typer.Argument(help="Photos with a face.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for what comes out; it is made if missing.")],
    model: options.Model = DEFAULT_MODEL,
    space: options.Space = DEFAULT_SPACE,
    method: options.Method = "default",
    layer: options.Layer = None,
    psi: options.Psi = 1.0,
    steps: options.Steps = None,
    seed: options.Seed = None,
    start: options.Start = None,
    encoder: options.OwnEncoder = None,
    face: options.Face = 0,
    no_align: options.NoAlign = False,
    label: options.Label = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Find the latents of photos.

    What is finished is skipped when the command is run again.
    """
    from zplus.command.batch import invert_photos
    from zplus.command.inverting import Request

    request = Request(model, space, method, layer, psi, steps, seed, start, face, not no_align, device, label, encoder)
    raise typer.Exit(invert_photos(photos, out, request, Show(as_json)))


app.command("invert")(invert)
app.command("project", hidden=True)(invert)


app.command()(edit)


@app.command()
def sample(
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for the pictures; it is made if missing.")],
    seeds: Annotated[str, typer.Option("--seeds", help="Numbers and ranges: 0-35 or 1,4,7-9.")] = "0-15",
    model: options.Model = DEFAULT_MODEL,
    label: options.Label = None,
    psi: options.Psi = 0.7,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Draw faces of nobody, and a contact sheet."""
    from zplus.command.sampling import sample_seeds

    sample_seeds(seeds, out, model, label, psi, device, Show(as_json))


@app.command()
def mix(
    first: Annotated[Path, typer.Argument(help="The latent that gives all other layers.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="The latent that gives these layers.", show_default=False)],
    layers: Annotated[str, typer.Option("--layers", help="FIRST:LAST without the last; 0:5 is pose and shape.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")],
    keep: Annotated[Path | None, typer.Option("--latent", help="Also write the latent here.")] = None,
    model: options.OwnModel = None,
    label: options.Label = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Mix two latents: some layers of one, all others of the other."""
    from zplus.command.blending import mix_latents

    mix_latents(first, second, layers, out, keep, model, label, device, Show(as_json))


@app.command()
def interpolate(
    first: Annotated[Path, typer.Argument(help="The latent to begin with.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="The latent to end with.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .webp animation, or a folder for the frames.")],
    frames: Annotated[
        int, typer.Option("--frames", min=2, max=1000, help="How many pictures, both ends included.")
    ] = 30,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=60, help="Pictures a second of an animation.")] = 15.0,
    model: options.OwnModel = None,
    label: options.Label = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Go from one latent to another, on the sphere where codes lie on it."""
    from zplus.command.blending import interpolate_latents

    interpolate_latents(first, second, out, frames, rate, model, label, device, Show(as_json))


@app.command()
def demo(
    photo: Annotated[
        Path | None, typer.Argument(help="A photo with a face; by default NASA's portrait of Eileen Collins.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for what comes out.")] = Path("out/demo"),
    model: options.Model = DEFAULT_MODEL,
    steps: options.Steps = None,
    face: options.Face = 0,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Show it all on one photo.

    Align, invert, four edits and two together, pasted back, on a web page of one file. What is missing is pulled.
    """
    from zplus.command.demo import run_demo
    from zplus.command.inverting import Request
    from zplus.images import example_photo

    run_demo(photo or example_photo(), out, Request(model=model, steps=steps, face=face, device=device), Show(as_json))


@app.command()
def studio(
    keep: Annotated[Path | None, typer.Option("--keep", help="Keep inversions in this folder, as a gallery.")] = None,
    model: Annotated[
        list[Path] | None, typer.Option("--model", help="The file of a generator of your own; repeatable.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on; others than this machine's need --token.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="By default 7860, or a free one.")
    ] = None,
    token: Annotated[str | None, typer.Option("--token", help="What visitors must know; '' makes one up.")] = None,
    device: options.Device = "cpu",
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the page in a browser.")] = False,
) -> None:
    """Edit photos on a page in the browser.

    The page is served by this machine to this machine, and nothing leaves it.
    """
    from zplus.command.outputs import output_folder
    from zplus.studio.serve import serve

    say = Show().say
    keep = keep and output_folder(keep)
    serve(say, keep, model or (), host, port, token, device, open_page=not no_open and sys.stdout.isatty())


app.command()(report)
