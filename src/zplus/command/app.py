"""The command `zplus`: what it understands, and how errors reach a person.

torch is loaded by the commands that need it, so that --help is there at once.
"""

import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.align import align
from zplus.command.bench import bench
from zplus.command.convert import convert
from zplus.command.demo import demo
from zplus.command.directions import directions
from zplus.command.distance import distance
from zplus.command.drag import drag
from zplus.command.edit import edit
from zplus.command.export import export
from zplus.command.interpolate import interpolate
from zplus.command.invert import invert
from zplus.command.latent import latent
from zplus.command.mix import mix
from zplus.command.models import models
from zplus.command.pull import pull
from zplus.command.report import report
from zplus.command.sample import sample
from zplus.command.show import Show, complain
from zplus.command.studio import studio
from zplus.command.train import train
from zplus.command.video import video
from zplus.errors import printable

RECEIVED: list[int] = []  # signals that asked this process to end

app = typer.Typer(
    help="Edit real photos with a StyleGAN's own prior, on this machine alone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The entry point. A request to end counts as an interruption, so that temporary files are removed.

    The exit code is then that of the signal, as shells count: 143 for SIGTERM.
    """
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")):
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores the second: so it stays
            signal.signal(number, _interrupt)
    command = next((word for word in sys.argv[1:] if word != "--debug"), "")
    if command != "train":  # whose many small steps are twice as fast when threads spin between them
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # elsewhere spinning threads halve the speed of busy cores
    code = run(sys.argv[1:])
    sys.exit(128 + RECEIVED[0] if code and RECEIVED else code)


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
        if RECEIVED:  # what an interrupted import or library makes of it
            return _interrupted(arguments)
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
    """Interrupt once; later requests must not disturb the removal of temporary files."""
    if not RECEIVED:
        RECEIVED.append(number)
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


COMMANDS: tuple[Callable[..., None], ...] = (
    models, pull, convert, export, align, invert, edit, drag, video, sample, mix, interpolate, demo, studio, report,
    distance,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.command("project", hidden=True)(invert)
for name, group in {"bench": bench, "directions": directions, "latent": latent, "train": train}.items():
    app.add_typer(group, name=name)
