"""A photo's whole way: open, align, invert, judge, edit, paste, save. The command line and the studio only show it.

Nothing here prints or knows who asks: progress, warnings and cancellation go through `Callbacks`. The records of
options need no torch, so that `zplus --help` is there at once.
"""

from zplus.workflow.callbacks import Callbacks
from zplus.workflow.options import EditOptions, InvertOptions, LearnOptions

__all__ = ["Callbacks", "EditOptions", "InvertOptions", "LearnOptions"]
