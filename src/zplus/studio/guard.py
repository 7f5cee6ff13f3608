"""What stands before the page: which requests are answered at all. Anything that is not on its lists is refused.

Against pages of other sites that a visitor has open: Host (DNS rebinding), Origin and Sec-Fetch-Site (requests across
sites), no frames. Against programs that call the page's interface: only the routes that the page uses, and bodies that
are bounded in bytes, together and in time. The Content-Security-Policy lets the page ask nothing of any other host,
and run nothing but its own files.
"""

import asyncio
import hmac
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_UPLOAD = 64_000_000  # bytes: a photo of 64 million pixels as JPEG, or a latent with the weights it tunes
LARGEST_CALL = 1_000_000  # bytes of what a slider or a button sends
MAX_HELD = 4 * LARGEST_UPLOAD  # bytes of all bodies that arrive or are being answered
PART, PART_TIME = 250_000, 60.0  # bytes of a body, and the seconds in which so many must arrive: a very slow line
UPLOAD = "/api/upload"
ROUTE = re.compile(r"/assets/[a-z]+\.[a-z]+|/")  # of the page's files
CALL = re.compile(r"/api/[a-z-]+")
COOKIE = "zplus_token"  # with the port, because a browser sends cookies to every port of a host
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Refused(Exception):
    """A request that is not answered: a status and a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Guard:
    """ASGI middleware. hosts: the values of the Host header that are answered, None for any (then there is a token)."""

    def __init__(self, app: ASGIApp, hosts: set[str] | None, token: str = ""):
        if hosts is None and not token:
            raise ValueError("without a list of hosts there must be a token")
        self.app, self.hosts, self.token = app, hosts, token
        self._held = 0  # bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(Request(scope, receive), receive, _guarded(send))

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        answer: Response
        try:
            self._check_sender(request.headers, request.scope.get("scheme", "http"))
            if self.token and not self._is_token(request.cookies.get(_cookie(request), "")):
                answer = self._let_in(request)
            else:
                _check_route(request.method, request.scope["path"])
                if request.method == "POST":
                    await self._pass_with_body(request, receive, send)
                else:
                    await self.app(request.scope, receive, send)
                return
        except Refused as refused:
            answer = PlainTextResponse(str(refused), refused.status)
        await answer(request.scope, receive, send)

    async def _pass_with_body(self, request: Request, receive: Receive, send: Send) -> None:
        """Pass a request on with its body, which counts until it is answered. Raises Refused."""
        body = bytearray()
        try:
            try:
                async with asyncio.timeout(PART_TIME) as limit:
                    await self._read(request, body, limit)
            except TimeoutError:
                raise Refused(408, "This came too slowly: try again on a better line.") from None
            except ClientDisconnect:
                raise Refused(400, "The request was cut short.") from None
            await self.app(request.scope, _again(body, receive), send)
        finally:
            self._held -= len(body)

    async def _read(self, request: Request, body: bytearray, limit: asyncio.Timeout) -> None:
        """Read all of a body into `body`, within its bounds, whatever length is stated. Each part extends the time."""
        most = LARGEST_UPLOAD if request.scope["path"] == UPLOAD else LARGEST_CALL
        too_large = Refused(413, f"This file is larger than {most // 1_000_000} MB: make it smaller first.")
        stated, part = request.headers.get("content-length", "0"), PART
        if not stated.isdecimal() or int(stated) > most:
            raise too_large
        async for piece in request.stream():
            body += piece
            self._held += len(piece)
            if len(body) > most:
                raise too_large
            if self._held > MAX_HELD:
                raise Refused(503, "Too many files are being sent at once: try again in a moment.")
            if len(body) >= part:
                part = len(body) + PART
                limit.reschedule(asyncio.get_running_loop().time() + PART_TIME)

    def _check_sender(self, headers: Headers, scheme: str) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts is not None and host not in self.hosts:
            raise Refused(421, "This page does not go by that name: open the address that zplus studio printed.")
        foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if foreign if origin is None else origin != f"{scheme}://{host}":
            raise Refused(403, "Another site may not use this page.")

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())

    def _let_in(self, request: Request) -> Response:
        """Who brings the token in the address gets it as a cookie, and an address without it."""
        given = request.query_params.get("token", "")
        if request.method != "GET" or request.scope["path"] != "/" or not self._is_token(given):
            raise Refused(401, "A token is needed: open the address with ?token=... that zplus studio printed.")
        cookie = f"{_cookie(request)}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        return Response(status_code=303, headers={"location": "/", "set-cookie": cookie})


def _cookie(request: Request) -> str:
    return f"{COOKIE}_{request.headers.get('host', '').rpartition(':')[2]}"


def _check_route(method: str, path: str) -> None:
    readable = method in ("GET", "HEAD") and ROUTE.fullmatch(path)
    if not (readable or (method == "POST" and CALL.fullmatch(path))):
        raise Refused(404, "There is nothing here.")


def _again(body: bytearray, receive: Receive) -> Receive:
    """Gives a body that was read already, and then whatever comes next."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def first() -> Message:
        return waiting.pop() if waiting else await receive()

    return first


def _guarded(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in [name for name in headers if name.startswith("access-control-")]:
                del headers[name]
            headers.update(HEADERS)
        await send(message)

    return with_headers
