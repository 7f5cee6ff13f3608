"""What stands before the page: which requests are answered at all. Anything that is not on its lists is refused.

Against pages of other sites that a visitor has open: Host (DNS rebinding), Origin and Sec-Fetch-Site (requests across
sites), no frames. Against programs that call the page's interface: only the routes that the page uses, bounded bodies,
no files by path or address. The Content-Security-Policy lets the page ask nothing of any other host.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_UPLOAD = 64_000_000  # bytes: a photo of 64 million pixels as JPEG, or a latent with the weights it tunes
LARGEST_CALL = 1_000_000  # bytes of what a slider or a button sends
READ = {
    "/",
    "/alive",
    "/config",
    "/theme.css",
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
    "/gradio_api/startup-events",
}
READ_BELOW = ("/assets/", "/static/", "/svelte/", "/download/", "/gradio_api/heartbeat/", "/gradio_api/queue/data")
WRITTEN = {"/upload", "/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset"}
COOKIE = "zplus_token"
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Refused(Exception):
    """A request that is not answered: a status and a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Guard:
    """ASGI middleware. hosts: the values of the Host header that are answered, None for any (then there is a token)."""

    def __init__(self, app: App, hosts: set[str] | None, token: str = ""):
        if hosts is None and not token:
            raise ValueError("without a list of hosts there must be a token")
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._check_sender(headers, scope.get("scheme", "http"))
            if self.token and not self._knows_token(headers):
                await self._let_in(scope, send)
                return
            _check_route(scope["method"], scope["path"])
            body = await _body(scope["path"], headers, receive) if scope["method"] == "POST" else None
        except Refused as refused:
            await answer(send, refused.status, str(refused))
            return
        await self.app(scope, receive if body is None else _again(body, receive), _guarded(send))

    def _check_sender(self, headers: dict[str, str], scheme: str) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts is not None and host not in self.hosts:
            raise Refused(421, "This page does not go by that name: open the address that zplus studio printed.")
        if origin is not None and origin != f"{scheme}://{host}":
            raise Refused(403, "Another site may not use this page.")
        if origin is None and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refused(403, "Another site may not use this page.")

    def _knows_token(self, headers: dict[str, str]) -> bool:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return found is not None and self._is_token(found.value)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())

    async def _let_in(self, scope: Scope, send: Send) -> None:
        """Who brings the token in the address gets it as a cookie, and an address without it."""
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if scope["method"] != "GET" or scope["path"] != "/" or not self._is_token(given):
            raise Refused(401, "A token is needed: open the address with ?token=... that zplus studio printed.")
        cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        await answer(send, 303, "", {"location": "/", "set-cookie": cookie})


async def answer(send: Send, status: int, sentence: str, more: dict[str, str] | None = None) -> None:
    """A plain answer of one sentence."""
    named = {"content-type": "text/plain; charset=utf-8", **HEADERS, **(more or {})}
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})


def _check_route(method: str, path: str) -> None:
    plain = ".." not in path and "//" not in path and "\\" not in path
    readable = method in ("GET", "HEAD") and (path in READ or path.startswith(READ_BELOW))
    if not plain or not (readable or (method == "POST" and path in WRITTEN)):
        raise Refused(404, "There is nothing here.")


async def _body(path: str, headers: dict[str, str], receive: Receive) -> bytes:
    """All of a body, within its bound; a call of the page may not speak of files."""
    most = LARGEST_UPLOAD if path == "/upload" else LARGEST_CALL
    stated = headers.get("content-length", "0")
    body, more = bytearray(), True
    while more:
        if len(body) > most or not stated.isdecimal() or int(stated) > most:
            raise Refused(413, f"This file is larger than {most // 1_000_000} MB: make it smaller first.")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request was cut short.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if len(body) > most:
        raise Refused(413, f"This file is larger than {most // 1_000_000} MB: make it smaller first.")
    if path != "/upload":
        _check_call(bytes(body))
    return bytes(body)


def _check_call(body: bytes) -> None:
    """Gradio would open files by path and fetch them by address for components that take files; this page has none."""
    try:
        call = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise Refused(400, "This is not a call of the page.") from None
    if not isinstance(call, dict) or "gradio.FileData" in json.dumps(call):
        raise Refused(400, "This is not a call of the page.")


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, and then whatever comes next."""
    given = False

    async def first() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return first


def _guarded(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(n, v) for n, v in message["headers"] if not n.lower().startswith(b"access-control-")]
            message["headers"] = [*own, *((n.encode(), v.encode()) for n, v in HEADERS.items())]
        await send(message)

    return with_headers
