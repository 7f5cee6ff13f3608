"""Training of generators and encoders: the data, the networks against each other, and how good the pictures are."""
