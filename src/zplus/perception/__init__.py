"""Networks that judge pictures: perceptual distance, identity, and scores of attributes."""
