"""What shows a person is written for its owner alone, whatever the umask; equal runs write equal bytes."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import zplus
from command_line import ASTRONAUT
from zplus.files import ABANDONED, appended, atomic, make_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
ONE = "long_hair=1"  # a direction that comes with avatars64
ENDS = (".png", ".jpg")
CHECKPOINT = Path(zplus.__file__).parent / "generators" / "models" / "avatars64.safetensors"
FAST = ("--model", "avatars64", "--no-align", "--steps", "2")


@pytest.fixture
def _open_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """The mode of everything below a folder."""
    return {str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*")}


def assert_private(folder: Path) -> None:
    found = modes(folder)
    assert found
    for name, mode in found.items():
        assert mode == ("0o700" if (folder / name).is_dir() else "0o600"), f"{name} has {mode}"


@pytest.mark.usefixtures("_open_umask")
def test_every_command_writes_for_its_owner_alone(zplus, tmp_path):
    out = tmp_path / "out"
    latent = out / "deep" / "photos" / "astronaut.latent.safetensors"
    commands = [
        ("invert", ASTRONAUT, "-o", out / "deep" / "photos", *FAST),
        *[("edit", latent, "-o", out / f"edit{x}", "-d", ONE, "--latent", out / "edited.safetensors") for x in ENDS],
        ("edit", latent, "-o", out / "sweep.webp", "--sweep", "long_hair=-1:1:3"),
        ("sample", "--model", "avatars64", "--seeds", "0-1", "-o", out / "sheet"),
        ("latent", "export", latent, "-o", out / "codes.npy"),
        ("latent", "import", out / "codes.npy", "--model", "avatars64", "-o", out / "imported.safetensors"),
        ("interpolate", latent, latent, "-o", out / "between", "--frames", "2"),
        ("mix", latent, latent, "-o", out / "mixed.png", "--layers", "0:2"),
        ("directions", "learn", "--components", "2", "--method", "factorize", "--model", "avatars64",
         "-o", out / "directions"),
        ("convert", CHECKPOINT, "-o", out / "model.safetensors"),
    ]  # fmt: skip
    for arguments in commands:
        result = zplus(*arguments)
        assert result.code == 0, (arguments, result.err)
    assert len(modes(out)) > 14
    assert_private(out)


TWICE = """
import sys
from zplus.command.app import run
photo, out, direction = sys.argv[1:]
fast = ["--model", "avatars64", "--no-align", "--steps", "2"]
latent = f"{out}/astronaut.latent.safetensors"
assert run(["invert", photo, "-o", out, *fast]) == 0
assert run(["edit", latent, "-o", f"{out}/a.png", "-d", direction, "--latent", f"{out}/edited.safetensors"]) == 0
assert run(["sample", "--model", "avatars64", "--seeds", "0-1", "-o", f"{out}/sheet"]) == 0
"""


def test_equal_runs_write_equal_bytes(tmp_path):
    found = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        environment = os.environ | {"PYTHONHASHSEED": seed, "ZPLUS_EAGER": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", TWICE, str(ASTRONAUT), str(out), ONE]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        ends = (".safetensors", ".png")
        found.append({x.relative_to(out): x.read_bytes() for x in out.rglob("*") if x.suffix in ends})
    assert len(found[0]) > 4 and found[0].keys() == found[1].keys()
    assert [str(name) for name in found[0] if found[0][name] != found[1][name]] == []


# The one place where files are written


@pytest.mark.usefixtures("_open_umask")
def test_files_and_folders_are_made_for_their_owner(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    with atomic(tmp_path / "a" / "file") as temporary:
        assert modes(temporary.parent)[temporary.name] == "0o600"
        temporary.write_text("1")
    with appended(tmp_path / "a" / "lines") as file:
        file.write("1\n")
    with appended(tmp_path / "a" / "lines") as file:
        file.write("2\n")
    assert (tmp_path / "a" / "lines").read_text() == "1\n2\n"
    assert_private(tmp_path)


@pytest.mark.usefixtures("_open_umask")
def test_an_open_file_is_private_once_it_is_written_anew_and_a_folder_that_was_there_stays(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "file").write_text("old")
    make_folder(tmp_path / "open")
    with atomic(tmp_path / "open" / "file") as temporary:
        temporary.write_text("new")
    assert modes(tmp_path) == {"open": "0o755", "open/file": "0o600"}


def test_what_killed_programs_left_is_swept_a_day_later(tmp_path):
    old, fresh, own = (tmp_path / name for name in (".zplus-1a.png", ".zplus-2b.png", "a.png"))
    for path in (old, fresh, own):
        path.touch()
    for path in (old, own):
        os.utime(path, (path.stat().st_mtime - ABANDONED - 60,) * 2)
    make_folder(tmp_path)
    assert sorted(modes(tmp_path)) == [fresh.name, own.name]


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "a")


def test_folders_and_files_are_made_in_one_place():
    """A folder that is made elsewhere would be open to all; so would a file."""
    house = Path(__file__).parents[2] / "src" / "zplus"
    makers = re.compile(
        r"""\.mkdir\(|os\.makedirs\(|os\.mkdir\(|(?<!temporary)\.write_(text|bytes)\(|\.touch\(
        |(?<!temporary\.)open\([^)]*["'][rb+]*[wxa]""",
        re.VERBOSE,
    )
    private = {  # written within a folder that is its owner's alone, or with a mode of its own
        "files.py", "cache.py", "archives.py", "data.py", "run.py", "passing.py", "compiler.py", "video.py",
    }  # fmt: skip
    found = {path.name for path in house.rglob("*.py") if makers.search(path.read_text(encoding="utf-8"))}
    assert found == private
