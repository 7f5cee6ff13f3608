"""Networks that assess images: perceptual distance, identity, scores of attributes."""
