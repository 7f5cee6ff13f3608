"""The program over HTTP: it is there soon, and hands out nothing but what is asked for by its id."""

import http.client
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio_program import Studio, watched
from zplus.errors import MissingExtraError, ZplusError
from zplus.studio import serve as serving
from zplus.studio.serve import PORT, checked_models, listening, serve


def ask(studio, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def test_it_is_there_within_5_seconds(running, tmp_path):
    again = Studio(tmp_path)  # the first start may read the disk
    try:
        assert ask(again, "GET", "/")[0] == 200
    finally:
        code = again.end()
    assert code == 143 and min(running.seconds, again.seconds) < 5
    assert "Traceback" not in "".join(again.lines)


def test_torch_is_not_waited_for(tmp_path):
    code = """
import sys
from zplus.studio import serve
serve.serve = lambda *_, **__: print("torch" in sys.modules)
from zplus.command.app import run
run(sys.argv[1:])
"""
    command = [sys.executable, "-c", code, "studio", "--no-open", "--keep", str(tmp_path / "kept")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_it_asks_no_other_machine(running, tmp_path):
    ask(running, "GET", "/")
    assert running.asked == []
    code = "import socket; socket.create_connection(('192.0.2.1', 9))"  # what the tests would see if it did
    assert (
        subprocess.run([sys.executable, "-c", code], env=watched(tmp_path), capture_output=True, check=False).returncode
        == 1
    )
    assert "192.0.2.1" in (tmp_path / "asked").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux")
def test_it_listens_on_this_machine_alone(running):
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    found = {line[1] for line in lines if line[3] == "0A" and line[1].endswith(f":{running.port:04X}")}
    assert found == {f"0100007F:{running.port:04X}"} and running.address.startswith("http://127.0.0.1:")


def test_the_page_is_its_own_files_alone(running):
    status, _, text = ask(running, "GET", "/")
    assert status == 200 and b"zplus studio" in text and b"LARGEST" not in text and b"KEPT" not in text
    assert not re.search(rb"<script(?![^>]*src)|style=|\son\w+=|https?:", text)  # which the policy would not run
    for name in set(re.findall(rb"assets/[a-z.]+", text)):
        status, headers, content = ask(running, "GET", f"/{name.decode()}")
        assert status == 200 and headers["x-content-type-options"] == "nosniff"
        assert name.endswith(b".svg") or not re.search(rb"@import|url\([\"']?(https?:)?//|https?://", content)


def test_other_hosts_and_origins_are_refused(running):
    assert ask(running, "GET", "/", Host="evil.example")[0] == 421
    assert ask(running, "POST", "/api/upload", b"x", Origin="http://evil.example")[0] == 403


@pytest.mark.parametrize("path", ["/assets/serve.py", "/etc/hostname", "/assets/..%2fserve.py", "/docs"])
def test_files_cannot_be_asked_for_by_path(running, path):
    assert ask(running, "GET", path)[0] == 404


def test_a_taken_port():
    with listening("127.0.0.1", 0) as first, pytest.raises(ZplusError, match="--port"):
        listening("127.0.0.1", first.getsockname()[1])


def test_a_host_that_is_none():
    with pytest.raises(ZplusError, match=r"^192\.0\.2\.1 cannot be listened on .*--host"):
        listening("192.0.2.1", None)


def test_models_that_are_not_there_or_of_one_name(tmp_path):
    same = [tmp_path / folder / "g.pkl" for folder in "ab"]
    for path in same:
        path.parent.mkdir()
        path.touch()
    assert checked_models(same[:1]) == same[:1]
    for wrong, words in (([tmp_path / "typo.pkl"], "There is no file"), (same, "Several models are called g.pkl")):
        with pytest.raises(ZplusError, match=words):
            serve(print, files=wrong)


def test_without_a_port_any_free_one_will_do():
    with listening("127.0.0.1", None) as first, listening("127.0.0.1", None) as second:
        numbers = [bound.getsockname()[1] for bound in (first, second)]
        assert numbers[0] != numbers[1] and numbers[1] != PORT


def test_an_address_of_others_without_a_token_is_refused():
    command = [sys.executable, "-m", "zplus", "studio", "--host", "0.0.0.0", "--no-open"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "--token" in done.stderr and "Traceback" not in done.stderr


def test_a_token_lets_in(tmp_path):
    studio = Studio(tmp_path, "--host", "0.0.0.0", "--token", "")
    try:
        assert studio.address.startswith(f"http://{socket.gethostname()}:")  # which others can open
        token = studio.address.partition("token=")[2]
        assert len(token) >= 32 and ask(studio, "GET", "/")[0] == 401
        status, headers, _ = ask(studio, "GET", f"/?token={token}")
        assert status == 303
        assert ask(studio, "GET", "/", Cookie=headers["set-cookie"].partition(";")[0])[0] == 200
    finally:
        studio.end()


def test_an_address_with_a_token_starts_no_browser(monkeypatch, tmp_path):
    """Every account of the machine can read how a browser was started."""
    for keep in (None, tmp_path / "kept"):
        opened = []
        monkeypatch.setattr(serving.webbrowser, "open", opened.append)
        monkeypatch.setattr(serving.uvicorn.Server, "run", lambda self, sockets: time.sleep(0.3))
        serve(lambda line: None, keep, port=0, open_page=True)
        assert len(opened) == (keep is None)


def test_help_and_the_page_itself_need_no_torch():
    code = "import sys; from zplus.studio import serve; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_it_says_what_to_install():
    code = "import sys; sys.modules['starlette'] = None; from zplus.studio import serve"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert MissingExtraError.__name__ in done.stderr and "zplus[studio]" in done.stderr
