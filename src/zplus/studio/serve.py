"""From the command to a page that listens: the server, and the guard before all."""

import os
import secrets
import socket
import string
import threading
import webbrowser
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

from zplus.errors import MissingExtraError, ZplusError
from zplus.files import atomic, make_folder, regular

try:
    import uvicorn

    from zplus.studio.api import application
    from zplus.studio.connections import Connection
except ImportError as error:
    raise MissingExtraError("starlette", "studio") from error

from zplus.studio.guard import Guard
from zplus.studio.visitors import Visitors

PORT = 7860  # where none is asked for; another free one where it is taken
SHORTEST_TOKEN = 16  # characters
TOKEN_FILE = "page.token"  # in the folder that is kept, for its owner alone
TOKEN_CHARACTERS = set(string.ascii_letters + string.digits + "._-~+/=")  # which a cookie can hold, whoever reads it
EVERYWHERE = ("0.0.0.0", "::")  # hosts that stand for all addresses of this machine


def serve(
    say: Callable[[str], None],
    keep: Path | None = None,
    files: Sequence[Path] = (),
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    device: str = "cpu",
    open_page: bool = False,
) -> None:
    """Serve the page until interrupted. Raises ZplusError where the address cannot be listened on, or is unsafe, or
    where a model is not there.

    host: a loopback address, or another one together with a token. token: "" makes one up. With a folder there always
    is one, because other accounts of this machine can open the page.
    """
    token, files = checked_token(host, token, keep), checked_models(files)
    with listening(host, port) as bound:
        number = bound.getsockname()[1]
        visitors = Visitors(keep, files, device)
        server = uvicorn.Server(
            uvicorn.Config(
                Guard(application(visitors), hosts_of(host, number), token),
                http=Connection,
                ws="none",  # the page has none
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=1,  # an answer may take long, and would be waited for
            )
        )
        name = socket.gethostname() if host in EVERYWHERE else host
        address = f"http://{_named(name, number)}/" + (f"?token={quote(token)}" if token else "")
        say(f"The studio is at {address}  (Ctrl-C ends it)")
        if keep is not None:
            say(f"Inversions are kept in {keep}: they are biometric data, delete them when you are done.")
        threading.Thread(target=visitors.warm_up, daemon=True).start()  # loads torch
        threading.Thread(target=visitors.watch, daemon=True).start()
        if open_page and not token:  # which other accounts would read in the list of processes
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server.run(sockets=[bound])


def checked_token(host: str, token: str | None, keep: Path | None = None) -> str:
    """The token that visitors need, "" for none, which only a loopback address without a gallery may have."""
    if token is not None and 0 < len(token) < SHORTEST_TOKEN:
        raise ZplusError(f"The token is too short: give {SHORTEST_TOKEN} characters or more, or '' for a new one.")
    if token is not None and not set(token) <= TOKEN_CHARACTERS:
        raise ZplusError("The token cannot be kept in a cookie: use letters from a to z, digits and . _ - ~ alone.")
    if token is None and not is_loopback(host):
        raise ZplusError(f"{host} can be reached from other machines: add --token '' so that visitors need a token.")
    if token is None:
        return "" if keep is None else _kept_token(keep)
    return token or secrets.token_urlsafe(24)


def _kept_token(folder: Path) -> str:
    """The token of a folder, made up once, so that a page goes on after the program was started again."""
    path = folder / TOKEN_FILE
    if regular(path).is_file() and len(token := path.read_text(encoding="utf-8", errors="replace")) >= SHORTEST_TOKEN:
        return checked_token("localhost", token)
    make_folder(folder)
    with atomic(path) as temporary:
        temporary.write_text(token := secrets.token_urlsafe(24), encoding="utf-8")
    return token


def checked_models(files: Sequence[Path]) -> Sequence[Path]:
    """The files, if all are there and each has a name of its own, by which the page shows it."""
    names = [path.name for path in files]
    for path in files:
        if not path.is_file():
            raise ZplusError(f"There is no file {path}: check what follows --model.")
        if names.count(path.name) > 1:
            raise ZplusError(f"Several models are called {path.name}: rename all but one.")
    return files


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_of(host: str, port: int) -> set[str] | None:
    """The names that the page goes by in the Host header; None where the address does not tell."""
    if host in EVERYWHERE:
        return None
    local = ("localhost", "127.0.0.1", "::1") if is_loopback(host) else ()
    names = {_named(name.lower(), port) for name in (host, *local)}
    return names | {name.removesuffix(":80") for name in names} if port == 80 else names  # which browsers leave out


def _named(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening(host: str, port: int | None) -> socket.socket:
    """A socket on the port, or where none is asked for on PORT or any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    problem: OSError | None = None
    for number in (PORT, 0) if port is None else (port,):
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name != "nt":  # there it would let two programs share a port
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, number))
            bound.listen(128)  # from here on a browser waits instead of being refused
            return bound
        except OSError as error:
            bound.close()
            problem = error
    named = host if port is None else f"{host} port {port}"
    raise ZplusError(f"{named} cannot be listened on ({problem}): choose others with --host and --port.")
