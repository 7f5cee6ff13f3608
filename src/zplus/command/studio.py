"""`zplus studio`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_folder
from zplus.command.show import Show


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
    token: Annotated[
        str | None, typer.Option("--token", envvar="ZPLUS_TOKEN", help="What visitors must know; '' makes one up.")
    ] = None,
    device: options.Device = options.InvertOptions.device,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the page in a browser; never with a token.")
    ] = False,
) -> None:
    """Edit photos on a page in the browser.

    The page is served by this machine, and what it is given goes nowhere else.
    """
    from zplus.studio.serve import serve

    keep = keep and output_folder(keep)
    open_page = not no_open and sys.stdout.isatty()
    serve(Show().say, keep, model or (), host, port, token, device, open_page=open_page)
