"""Places that can be written to, which is known before minutes of work begin.

The studio asks for one before its page is there: so torch is not loaded from here.
"""

import tempfile
from pathlib import Path

from zplus.errors import ZplusError
from zplus.files import make_folder


def output_file(
    path: Path,
    *sources: Path | str | None,
    picture: bool = True,
    animation: bool = False,
    suffixes: tuple[str, ...] = (".safetensors",),
) -> Path:
    """The path, once it is clear that it can be written and that no source would be lost by it.

    Sources may be names of what is no file, such as those of models. animation: whether the name of one will do.
    suffixes: those of a file that is no picture.
    """
    if picture:
        from zplus.images import is_animation, written_format

        if not (animation and is_animation(path)):
            written_format(path)
    elif path.suffix not in suffixes:
        raise ZplusError(f"{path} is no name for this file: end it in {' or '.join(suffixes)}.")
    if path.is_dir():
        raise ZplusError(f"{path} is a folder: give the name of a file.")
    for source in (Path(x) for x in sources if x):
        if path.exists() and source.exists() and path.samefile(source):
            raise ZplusError(f"{path} would overwrite what is to be read: give another name with -o.")
    _try_to_write(path.parent, path)
    return path


def output_film(path: Path, *sources: Path | str | None) -> Path:
    """The path of a film, once it is clear that it can be written and that no source would be lost by it."""
    from zplus.video import is_video

    if not is_video(path):
        raise ZplusError(f"{path} is no name for a film: end it in .mp4.")
    return output_file(path, *sources, animation=True)


def output_folder(path: Path) -> Path:
    """The folder, made if it is missing, once it is clear that it can be written to."""
    try:
        make_folder(path)
    except FileExistsError:
        raise ZplusError(f"{path} is a file: give the name of a folder.") from None
    except (OSError, ValueError) as error:
        raise ZplusError(f"The folder {path} cannot be made ({_words(error)}): choose another place.") from error
    _try_to_write(path, path)
    return path


def _try_to_write(folder: Path, path: Path) -> None:
    if not folder.is_dir():
        raise ZplusError(f"{path} cannot be written because the folder {folder} does not exist: make it first.")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
    except OSError as error:
        raise ZplusError(f"{path} cannot be written ({_words(error)}): choose another place.") from error


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
