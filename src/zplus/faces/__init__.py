"""From a photo to an aligned face and back: landmarks, align, paste."""
