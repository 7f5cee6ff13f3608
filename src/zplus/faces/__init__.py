"""From a photo to an aligned face and back: detection, alignment, pasting."""
