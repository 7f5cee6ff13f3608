"""Readers of foreign weights, one a format; none of them executes anything."""
