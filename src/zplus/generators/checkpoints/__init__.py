"""Readers of foreign checkpoints, one per format. None of them executes anything."""
