"""The guard alone: what it passes on to a page that answers everything, and what it refuses."""

import asyncio
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from zplus.errors import ZplusError
from zplus.studio import guard as module
from zplus.studio.guard import Guard
from zplus.studio.serve import TOKEN_FILE, checked_token, hosts_of, is_loopback

HOST = "127.0.0.1:7860"
TOKEN = "a-token-of-enough-letters"


async def everything(scope, receive, send):
    """A page that reads what it is sent, and says how much that was."""
    body = b""
    if scope["method"] == "POST":
        body = (await receive())["body"]
    headers = [(b"access-control-allow-origin", b"*")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


def run(coroutine):
    """Run it in a thread of its own, because this one may have the browser's loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, coroutine).result()


def ask(guard, method="GET", path="/", body=b"", query=b"", pieces=1, **headers):
    """The status, headers and text of an answer."""
    sent = []
    named = {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "scheme": "http"}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in named.items() if value is not None]
    size = max(1, len(body) // pieces)
    parts = [body[i : i + size] for i in range(0, len(body), size)] or [b""]

    async def receive():
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    run(guard(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(m.get("body", b"") for m in sent[1:]).decode()


@pytest.fixture
def guard():
    return Guard(everything, hosts_of("127.0.0.1", 7860))


@pytest.mark.parametrize("host", [HOST, "localhost:7860", "[::1]:7860"])
def test_the_names_of_this_machine_are_answered(guard, host):
    assert ask(guard, host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example:7860", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:7860", ""])
def test_other_names_are_refused(guard, host):
    assert ask(guard, host=host)[0] == 421


def test_names_are_those_that_browsers_send():
    assert ask(Guard(everything, hosts_of("127.0.0.1", 80)), host="localhost")[0] == 200
    assert ask(Guard(everything, hosts_of("::1", 80)), host="[::1]")[0] == 200
    guard = Guard(everything, hosts_of("MyHost", 7860), TOKEN)
    assert ask(guard, host="myhost:7860")[0] == 401  # known, but without its token


def test_a_request_without_a_name_is_refused(guard):
    assert ask(guard, host=None)[0] == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:7860", "http://127.0.0.1:80", "http://localhost:7860"]
)
def test_other_sites_are_refused(guard, origin):
    for method, path in (("POST", "/api/upload"), ("POST", "/api/move"), ("GET", "/")):
        assert ask(guard, method, path, b"{}", origin=origin)[0] == 403


def test_its_own_page_is_answered(guard):
    assert ask(guard, "POST", "/api/upload", b"x", origin=f"http://{HOST}")[0] == 200


@pytest.mark.parametrize("kind", ["cross-site", "same-site"])
def test_pictures_cannot_be_shown_by_other_sites(guard, kind):
    assert ask(guard, path="/assets/studio.js", sec_fetch_site=kind)[0] == 403
    assert ask(guard, path="/assets/studio.js", sec_fetch_site="same-origin")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "/file=/etc/passwd", "/assets/", "/assets/../serve.py", "/assets//etc/passwd", "/assets/..\\x",
        "/assets/deep/studio.js", "/api", "/api/", "/api/deep/move", "/docs", "/openapi.json", "/static/studio.js",
        "//", "/assets/studio.js\n",
    ],
)  # fmt: skip
def test_routes_that_the_page_does_not_need_are_refused(guard, path):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert ask(guard, method, path)[0] == 404


def test_calls_are_not_read_and_files_not_written(guard):
    assert ask(guard, "GET", "/api/move")[0] == 404 and ask(guard, "POST", "/assets/studio.js")[0] == 404
    assert ask(guard, "GET", "/assets/studio.js")[0] == 200 and ask(guard, "POST", "/api/move", b"{}")[0] == 200


def test_uploads_are_bounded_in_bytes(guard, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_UPLOAD", 1000)
    assert ask(guard, "POST", "/api/upload", b"x" * 1000, pieces=3)[2] == "1000"
    for stated in (None, "1001", "5", "many", "-1"):  # whatever is stated, what comes counts
        status, _, words = ask(guard, "POST", "/api/upload", b"x" * 1001, pieces=3, content_length=stated)
        assert status == 413 and "larger than" in words
    assert ask(guard, "POST", "/api/upload", b"x", content_length="1001")[0] == 413


def test_calls_are_bounded_in_bytes(guard, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_CALL", 100)
    assert ask(guard, "POST", "/api/move", b'{"a": 1}')[0] == 200
    assert ask(guard, "POST", "/api/move", b'"' + b"x" * 200 + b'"')[0] == 413


async def sending(guard, *pieces, end=None, path="/api/upload"):
    """The status that a body of these pieces gets; a number is a wait in seconds, and without an end none comes."""
    sent, left = [], list(pieces)

    async def receive():
        while left and isinstance(left[0], float):
            await asyncio.sleep(left.pop(0))
        if not left and end is None:
            await asyncio.Event().wait()
        if not left:
            await end.wait()
        return {"type": "http.request", "body": left.pop(0) if left else b"", "more_body": bool(left) or not end}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "scheme": "http"}
    await guard({**scope, "headers": [(b"host", HOST.encode())]}, receive, send)
    return sent[0]["status"]


def test_all_bodies_together_are_bounded_in_bytes(guard, monkeypatch):
    monkeypatch.setattr(module, "MAX_HELD", 2500)
    monkeypatch.setattr(module, "PART_TIME", 0.2)

    async def several():
        waiting = [asyncio.create_task(sending(guard, b"x" * 1000)) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await sending(guard, b"x" * 1000) == 503
        assert await sending(guard, b"x" * 400, b"") == 408  # there was room for it, but it never ended
        assert await asyncio.gather(*waiting) == [408, 408]

    run(several())
    assert ask(guard, "POST", "/api/upload", b"x" * 2500)[2] == "2500"  # nothing is counted any more


def test_a_body_counts_until_it_is_answered(monkeypatch):
    monkeypatch.setattr(module, "MAX_HELD", 1500)

    async def several():
        done = asyncio.Event()

        async def slow(scope, receive, send):
            await done.wait()
            await everything(scope, receive, send)

        guard, whole = Guard(slow, hosts_of("127.0.0.1", 7860)), asyncio.Event()
        whole.set()
        first = asyncio.create_task(sending(guard, b"x" * 1000, end=whole))
        await asyncio.sleep(0.05)
        assert await sending(guard, b"x" * 1000, end=whole) == 503
        done.set()
        assert await first == 200 and await sending(guard, b"x" * 1000, end=whole) == 200

    run(several())


def test_a_body_that_does_not_come_ends_and_a_slow_one_arrives(guard, monkeypatch):
    monkeypatch.setattr(module, "PART", 100)
    monkeypatch.setattr(module, "PART_TIME", 0.5)

    async def both():
        whole = asyncio.Event()
        whole.set()
        assert await sending(guard, *[b"x" * 100, 0.2] * 5, end=whole) == 200
        assert await sending(guard, *[b"x", 0.1] * 20, end=whole) == 408  # a trickle
        assert await sending(guard, path="/api/move") == 408

    run(both())


def test_answers_tell_the_browser_to_ask_nobody_else(guard):
    for path in ("/", "/nothing"):
        _, headers, _ = ask(guard, path=path)
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "//" not in headers["content-security-policy"] and "*" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and "access-control-allow-origin" not in headers


def test_a_token_is_asked_for():
    guard = Guard(everything, hosts_of("10.0.0.5", 7860), TOKEN)
    name = {"host": "10.0.0.5:7860"}
    assert ask(guard, **name)[0] == 401
    assert ask(guard, query=b"token=wrong", **name)[0] == 401
    assert ask(guard, path="/assets/studio.js", query=f"token={TOKEN}".encode(), **name)[0] == 401
    status, headers, _ = ask(guard, query=f"token={TOKEN}".encode(), **name)
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"] and "SameSite=Strict" in headers["set-cookie"]
    cookie = headers["set-cookie"].partition(";")[0]
    assert ask(guard, cookie=cookie, **name)[0] == 200
    assert ask(guard, cookie=cookie + "x", **name)[0] == 401
    assert ask(guard, cookie=cookie, host="evil.example:7860")[0] == 421
    other = Guard(everything, hosts_of("10.0.0.5", 7861), "another-token-of-enough-letters")
    assert ask(other, cookie=cookie, host="10.0.0.5:7861")[0] == 401
    assert cookie.startswith("zplus_token_7860=")  # two studios on a machine do not take each other's cookie away


def test_an_address_of_all_networks_has_no_name_but_a_token():
    with pytest.raises(ValueError):
        Guard(everything, hosts_of("0.0.0.0", 7860))
    assert ask(Guard(everything, hosts_of("0.0.0.0", 7860), TOKEN), host="any:7860")[0] == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_other_addresses_need_a_token(host):
    assert not is_loopback(host)
    with pytest.raises(ZplusError, match="token"):
        checked_token(host, None)
    with pytest.raises(ZplusError, match="too short"):
        checked_token(host, "secret")
    assert checked_token(host, TOKEN) == TOKEN and len(checked_token(host, "")) >= 32


@pytest.mark.parametrize("bad", [";", " ", '"', "\\", ",", "\n", "ä", "顔"])
def test_a_token_that_no_cookie_holds_is_refused(bad):
    with pytest.raises(ZplusError, match="cannot be kept in a cookie"):
        checked_token("127.0.0.1", f"{TOKEN}{bad}more")


@pytest.mark.parametrize("token", ["a.b_c-d~e+f/g=h0123456789", "Z" * 40])
def test_every_token_that_is_taken_lets_in(token):
    guard = Guard(everything, None, checked_token("0.0.0.0", token))
    status, headers, _ = ask(guard, query=f"token={quote(token)}".encode())
    assert status == 303
    assert ask(guard, cookie=headers["set-cookie"].partition(";")[0])[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.0.1"])
def test_this_machine_needs_none(host):
    assert is_loopback(host) and checked_token(host, None) == ""


def test_with_a_folder_this_machine_needs_one_too(tmp_path):
    token = checked_token("127.0.0.1", None, tmp_path / "kept")
    assert len(token) >= 32 and checked_token("127.0.0.1", None, tmp_path / "kept") == token  # the page goes on with it
    assert checked_token("127.0.0.1", None, tmp_path / "other") != token
    assert checked_token("127.0.0.1", TOKEN, tmp_path / "kept") == TOKEN
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "kept" / TOKEN_FILE).stat().st_mode) == 0o600


def test_websockets_are_closed(guard):
    sent = []

    async def send(message):
        sent.append(message["type"])

    run(guard({"type": "websocket", "headers": [], "path": "/"}, None, send))
    assert sent == ["websocket.close"]
