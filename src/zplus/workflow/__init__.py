"""A photo from its file to the edited file: open, align, invert, judge, edit, paste, save.

The command line and the studio call this package and show the results. It prints nothing: progress, warnings and
cancellation go through `Callbacks`. The option classes do not import torch, so that `zplus --help` answers at once.
"""

from zplus.workflow.callbacks import Callbacks
from zplus.workflow.options import EditOptions, InvertOptions, LearnOptions, VideoOptions

__all__ = ["Callbacks", "EditOptions", "InvertOptions", "LearnOptions", "VideoOptions"]
