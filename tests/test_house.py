"""The house: a room (a folder of src/zplus, or a module beside them) imports only rooms below it."""

import ast
from pathlib import Path

import pytest

import zplus

ROOMS = (  # from the ground up
    "errors", "files", "fields", "cache", "archives", "tensor_files", "records", "wording", "video", "image_limits",
    "images", "pages", "generators", "direction", "latent", "spaces", "execution", "faces", "perception", "inversion",
    "editing", "training", "workflow", "benchmark", "studio", "command",
)  # fmt: skip
HOUSE = Path(zplus.__file__).parent


def room_of(path):
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imported(path):
    """The rooms that a file imports when it is loaded."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"zplus.{alias.name}" for alias in node.names] if node.module == "zplus" else [node.module]
        yield from (name.split(".")[1] for name in names if name.startswith("zplus."))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room):
    above = ROOMS[ROOMS.index(room) + 1 :]
    for path in HOUSE.rglob("*.py"):
        if room_of(path) == room:
            assert not set(imported(path)) & set(above), path


def test_every_room_has_its_place():
    found = {room_of(path) for path in HOUSE.rglob("*.py")}
    assert found - {"__init__", "__main__"} == set(ROOMS)


def test_no_process_of_ours_imports_from_the_folder_where_it_runs():
    """Without -P a torch.py among somebody's photos would run."""
    starts = [
        line
        for path in HOUSE.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "[sys.executable" in line
    ]
    assert starts and all('[sys.executable, "-P"' in line for line in starts)
