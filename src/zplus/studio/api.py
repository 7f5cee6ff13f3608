"""The routes: the page's files, and a call for each thing that a visitor does."""

import inspect
import json
import secrets
import types
from collections.abc import Callable
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zplus.studio import answers
from zplus.studio.guard import LARGEST_UPLOAD, Refused
from zplus.studio.showing import failed
from zplus.studio.visitors import Visitors

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
QUEUE = 64  # calls that are answered at a time; beyond, they are refused
FRESH = {"cache-control": "no-store"}
UNFIT = "This call does not fit the page: load it again."


def application(visitors: Visitors) -> Starlette:
    """The page and its calls, for all visitors."""
    born, busy = secrets.token_hex(8), 0

    async def answered(work: Callable[[], Any]) -> Any:
        """The value of some work in a thread, or what went wrong in words; refused where too much waits."""
        nonlocal busy
        if busy >= QUEUE:
            raise Refused(503, "Too much is asked for at once: try again in a moment.")
        busy += 1
        try:
            return await run_in_threadpool(work)
        except Exception as error:
            return failed(error)
        finally:
            busy -= 1

    async def asset(request: Request) -> Response:
        name = request.path_params.get("name", "studio.html")
        content = _assets().get(name)
        if content is None:
            raise Refused(404, "There is nothing here.")
        kept = escape(str(visitors.keep or ""))
        if name.endswith(".html"):
            content = content.replace(b"LARGEST", str(LARGEST_UPLOAD).encode()).replace(b"KEPT", kept.encode())
        return Response(content, media_type=KINDS[name.rpartition(".")[2]], headers=FRESH)

    async def alive(request: Request) -> Response:
        await run_in_threadpool(visitors.heard, visitor(request))
        return JSONResponse({"born": born}, headers=FRESH)

    async def leave(request: Request) -> Response:
        await run_in_threadpool(visitors.leave, visitor(request))
        return JSONResponse({})

    async def upload(request: Request) -> Response:
        key, content, query = visitor(request), await request.body(), request.query_params
        name, show = query.get("name", ""), query.get("show", "1") == "1"
        return _told(await answered(lambda: answers.uploaded(visitors.session(key), content, name, show)))

    async def save(request: Request) -> Response:
        key, values = visitor(request), arguments(answers.saved, await request.body())
        found = await answered(lambda: answers.saved(visitors.session(key), **values))
        if isinstance(found, dict):
            return _told(found)
        content, name = found
        headers = FRESH | {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return Response(content, headers=headers, media_type="application/octet-stream")

    async def call(request: Request) -> Response:
        answer = answers.ANSWERS.get(request.path_params["name"])
        if answer is None:
            raise Refused(404, "There is nothing here.")
        key, values = visitor(request), arguments(answer, await request.body())
        return _told(await answered(lambda: answer(visitors.session(key), **values)))

    def visitor(request: Request) -> str:
        key = request.headers.get("x-visitor", "")
        if not visitors.is_key(key):
            raise Refused(400, "This page has lost its name: load it again.")
        return key

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return JSONResponse({"error": str(error)}, error.status, headers=FRESH)

    routes = [Route("/", asset), Route("/assets/{name}", asset)]
    posts: dict[str, Any] = {"alive": alive, "leave": leave, "upload": upload, "save": save, "{name}": call}
    routes += [Route(f"/api/{name}", answer, methods=["POST"]) for name, answer in posts.items()]
    return Starlette(routes=routes, exception_handlers={Refused: refused})


def arguments(answer: Callable[..., Any], body: bytes) -> dict[str, Any]:
    """The values of a call by name, if they are those that the answer takes, each of its type. Raises Refused."""
    try:
        call = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise Refused(400, UNFIT) from None
    wanted = {x.name: x.annotation for x in list(inspect.signature(answer).parameters.values())[1:]}
    if not isinstance(call, dict) or set(call) != set(wanted):
        raise Refused(400, UNFIT)
    if not all(_is(call[name], kind) for name, kind in wanted.items()):
        raise Refused(400, UNFIT)
    return call


def _is(value: object, kind: Any) -> bool:
    """Whether a value of JSON is of an annotated type; true is no number."""
    if get_origin(kind) in (Union, types.UnionType):
        return any(_is(value, one) for one in get_args(kind))
    if get_origin(kind) is None:
        return type(value) is (types.NoneType if kind is None else kind)
    return value in get_args(kind) if get_origin(kind) is Literal else isinstance(value, get_origin(kind))


def _told(values: dict[str, Any]) -> Response:
    return JSONResponse(values, 422 if "error" in values else 200, headers=FRESH)


@cache
def _assets() -> dict[str, bytes]:
    """The page's files by name."""
    return {path.name: path.read_bytes() for path in files("zplus.studio").joinpath("assets").iterdir()}
