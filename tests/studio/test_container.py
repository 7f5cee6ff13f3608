"""The Dockerfile and the Space, read without Docker; and the command of the container, run on this machine."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from command_line import cache_with_networks

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SPACE = ROOT / "integrations" / "space" / "README.md"
TOKEN = "a-token-of-the-tests"
needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="the container's commands are of a Unix shell")


def instructions():
    """(instruction, rest) of each line of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def rest_of(name):
    return [rest for instruction, rest in instructions() if instruction == name]


def copied():
    return [source for rest in rest_of("COPY") for source in rest.split()[:-1]]


def environment():
    return dict(part.split("=", 1) for rest in rest_of("ENV") for part in rest.split())


def test_what_is_copied_is_there_and_not_ignored():
    first, *kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert first == "*"
    for source in copied():
        assert (ROOT / source).exists() and f"!{source}" in kept


def test_what_a_build_needs_is_copied():
    project, wheel = PROJECT["project"], PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [project["readme"], *project["license-files"], *wheel["packages"], *wheel["force-include"]]
    assert all(any(Path(x).is_relative_to(source) for source in copied()) for x in needed)
    (install,) = [rest for rest in rest_of("RUN") if rest.startswith("pip install")]
    (extra,) = re.findall(r"'\.\[(\w+)\]'", install)
    assert extra in project["optional-dependencies"] and "-c constraints.txt" in install


def test_the_python_is_one_that_was_tried():
    (base,) = rest_of("FROM")
    version = re.fullmatch(r"python:(3\.\d+)-slim", base)[1]
    assert f"Programming Language :: Python :: {version}" in PROJECT["project"]["classifiers"]


def test_nobody_is_root_and_the_cache_is_a_volume():
    names = [name for name, _ in instructions()]
    assert names[-1] == "CMD" and names.index("VOLUME") > max(i for i, name in enumerate(names) if name == "RUN")
    (user,) = rest_of("USER")
    made, *_ = rest_of("RUN")
    assert user.isdecimal() and int(user) > 0 and f"--uid {user} " in made
    (volume,) = rest_of("VOLUME")
    assert environment()["ZPLUS_CACHE"] == volume and f"install -d -o user {volume}" in made


def test_the_space_asks_for_the_port_that_is_served():
    _, front, text = SPACE.read_text(encoding="utf-8").split("---\n", 2)
    facts = dict(line.split(": ", 1) for line in front.splitlines())
    (port,) = rest_of("EXPOSE")
    assert facts["sdk"] == "docker" and facts["app_port"] == port and f"--port {port} " in command()[2]
    assert facts["license"] == PROJECT["project"]["license"].lower() and len(facts["short_description"]) <= 60
    (argument,) = rest_of("ARG")
    assert f"`{argument.partition('=')[0]}`" in text and "`ZPLUS_TOKEN`" in text


@needs_sh
def test_the_space_has_all_that_is_copied(tmp_path):
    block = re.search(r"```sh\n(.*?)hf upload", SPACE.read_text(encoding="utf-8"), re.DOTALL)[1]
    subprocess.run(["sh", "-ec", block.replace("space\n", f"{tmp_path / 'space'}\n")], cwd=ROOT, check=True)
    assert all((tmp_path / "space" / source).exists() for source in (*copied(), "Dockerfile", ".dockerignore"))
    assert (tmp_path / "space" / "README.md").read_bytes() == SPACE.read_bytes()


def command():
    (rest,) = rest_of("CMD")
    return json.loads(rest)


@pytest.fixture
def start(tmp_path):
    """Starts the command of the container on a free port; gives the line that it prints, the port and the program."""
    started = []

    def run(**given):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {**cache_with_networks(tmp_path), **environment(), "ZPLUS_CACHE": str(tmp_path), "PATH": paths}
        words = [word.replace("--port 7860", f"--port {port}") for word in command()]
        program = subprocess.Popen(words, env=variables | given, stderr=subprocess.PIPE, text=True)
        started.append(program)
        return next(line for line in program.stderr if line.startswith("The studio is at ")), port, program

    yield run
    for program in started:
        program.terminate()
        program.wait(timeout=20)
        program.stderr.close()


def ask(port, method, path, host, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, b"{}" if method == "POST" else None, {"host": host, **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("set-cookie", "").partition(";")[0]


@needs_sh
def test_the_command_serves_a_page_that_needs_the_token(start):
    line, port, program = start(ZPLUS_TOKEN=TOKEN)
    assert f"?token={TOKEN}" in line
    arguments = Path(f"/proc/{program.pid}/cmdline")
    assert not arguments.exists() or TOKEN not in arguments.read_text(encoding="utf-8")
    host = "ada-zplus.example"  # behind a proxy that adds TLS, as in a Space
    assert ask(port, "GET", "/", host)[0] == 401
    status, cookie = ask(port, "GET", f"/?token={TOKEN}", host)
    assert status == 303 and ask(port, "GET", "/", host, cookie=cookie)[0] == 200
    secure = {"cookie": cookie, "origin": f"https://{host}", "x-visitor": "0" * 32}
    assert ask(port, "POST", "/api/hello", host, **secure, **{"x-forwarded-proto": "https"})[0] == 200
    assert ask(port, "POST", "/api/hello", host, **secure | {"origin": "https://other.example"})[0] == 403


@needs_sh
def test_without_a_token_one_is_made_up(start):
    tokens = [re.search(r"\?token=(\S+)", start()[0])[1] for _ in range(2)]
    assert tokens[0] != tokens[1] and min(map(len, tokens)) >= 16
