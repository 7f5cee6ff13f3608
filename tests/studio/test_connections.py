"""Connections that send or take nothing are closed, and never shut out those that do."""

import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn

from studio_program import until
from zplus.studio import connections as module
from zplus.studio.connections import MAX_CONNECTIONS, Connection, max_connections
from zplus.studio.serve import listening

HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LARGE = 30_000_000  # bytes, more than the system takes in advance


async def page(scope, receive, send):
    """Answers /slow in parts and late, /large with much, and all else at once."""
    parts = [b"a"] * 8 if scope["path"] == "/slow" else [bytes(LARGE)] if scope["path"] == "/large" else [b"a"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for i, part in enumerate(parts, 1):
        if len(parts) > 1:
            await module.asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": part, "more_body": i < len(parts)})


@pytest.fixture
def server(monkeypatch):
    """A running one, which looks at its connections five times a second."""
    monkeypatch.setattr(module, "TICK", 0.2)

    async def only_http(scope, receive, send):
        assert scope["type"] == "http"
        await page(scope, receive, send)

    bound = listening("127.0.0.1", 0)
    config = uvicorn.Config(only_http, http=Connection, ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    server.address = bound.getsockname()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    until(lambda: server.started)
    yield server
    server.should_exit = True
    thread.join()
    bound.close()


@contextmanager
def connected(server, sent=b""):
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(sent)
        yield connection


def is_closed(connection):
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def open_on(server):
    return len(server.server_state.connections)


@pytest.mark.parametrize("sent", [b"", b"G", HEAD[:-2]])
def test_a_connection_without_a_whole_request_is_closed(server, sent):
    with connected(server, sent) as connection:
        began = time.monotonic()
        assert is_closed(connection) and time.monotonic() - began < 5


def test_a_head_that_trickles_in_is_no_sign_of_life(server):
    with connected(server) as connection, pytest.raises(OSError):
        for _ in range(100):
            connection.sendall(b"G")
            time.sleep(0.05)


def test_neither_is_the_rest_of_what_was_answered(server):
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"
    with connected(server, head) as connection, pytest.raises(OSError):
        assert b"200 OK" in connection.recv(1000)
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)


def test_an_answer_that_nobody_takes_is_given_up(server):
    with connected(server, HEAD.replace(b"/ ", b"/large ", 1)):
        until(lambda: open_on(server) == 1)
        until(lambda: open_on(server) == 0)


def test_an_answer_that_is_taken_slowly_arrives(server):
    with connected(server, HEAD.replace(b"/ ", b"/large ", 1)) as connection:
        size = 0
        while size < LARGE:
            size += len(connection.recv(1_000_000))
            time.sleep(0.02)  # longer than UNTAKEN looks in all


def test_an_answer_that_takes_long_arrives_and_the_next_one_too(server):
    with connected(server) as connection:
        for path in (b"/slow", b"/", b"/slow"):
            connection.sendall(HEAD.replace(b"/ ", path + b" ", 1))
            answer = b""
            while not answer.endswith(b"0\r\n\r\n"):
                piece = connection.recv(1000)
                assert piece, answer
                answer += piece
            assert b"200 OK" in answer and answer.count(b"\r\na\r\n") == (8 if path == b"/slow" else 1)


def test_silent_connections_shut_nobody_out(server, monkeypatch):
    monkeypatch.setattr(module, "max_connections", lambda: 8)
    monkeypatch.setattr(module, "TICK", 60.0)  # so that their number alone counts
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(server)) for _ in range(40)]
        with connected(server, HEAD) as connection:
            assert b"200 OK" in connection.recv(1000)
        until(lambda: open_on(server) <= 8)
        assert is_closed(silent[0])


def test_those_that_are_being_answered_are_kept(server, monkeypatch):
    monkeypatch.setattr(module, "max_connections", lambda: 2)
    slow = HEAD.replace(b"/ ", b"/slow ", 1)
    with connected(server, slow) as one, connected(server, slow) as two:
        assert b"200 OK" in one.recv(1000) and b"200 OK" in two.recv(1000)
        with connected(server) as third:
            assert is_closed(third)
        assert one.recv(1000) and two.recv(1000)


def test_half_of_the_files_are_left(monkeypatch):
    resource = pytest.importorskip("resource")
    for soft, expected in ((64, 32), (1_000_000, MAX_CONNECTIONS), (resource.RLIM_INFINITY, MAX_CONNECTIONS)):
        monkeypatch.setattr(module.resource, "getrlimit", lambda kind, soft=soft: (soft, soft))
        assert max_connections() == expected
    monkeypatch.setattr(module, "resource", None)
    assert max_connections() == MAX_CONNECTIONS
