"""The public names, so that they change on purpose."""

import subprocess
import sys

import zplus

NAMES = [
    "Direction",
    "Dragged",
    "Editor",
    "Execution",
    "Generator",
    "Latent",
    "Scorers",
    "Search",
    "Settings",
    "ZplusError",
    "align",
    "best_execution",
    "directions_of",
    "drag",
    "edit",
    "edit_video",
    "example_photo",
    "export_generator",
    "find_direction",
    "interpolate",
    "invert",
    "keep_identity",
    "list_models",
    "load_direction",
    "load_encoder",
    "load_generator",
    "load_latent",
    "measure_images",
    "mix",
    "paste",
    "pull",
    "read_directions",
    "read_image",
    "region_mask",
    "render",
    "sample",
    "save_direction",
    "save_generator",
    "save_latent",
    "score_prior",
    "sliders",
    "solve_strength",
    "to_pixels",
    "write_image",
]
TABLES = {  # and an entry that each must have
    "ATTRIBUTES": "smile_network",
    "FINDERS": "boundary",
    "METRICS": "lpips_vgg",
    "MODELS": "avatars64",
    "PRESETS": "pti",
    "SPACES": "f/z+",
}


def test_public_names():
    assert sorted(zplus.__all__) == sorted([*NAMES, *TABLES])
    assert set(zplus.__all__) <= set(dir(zplus))


def test_every_name_is_there():
    for name in NAMES:
        assert callable(getattr(zplus, name))
    assert not hasattr(zplus, "nothing")


def test_every_table_has_entries():
    for name, entry in TABLES.items():
        assert entry in getattr(zplus, name)


def test_importing_is_fast_because_it_imports_nothing_heavy():
    code = "import sys, zplus; dir(zplus); print({'torch', 'numpy', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
