"""Experiments and their reports: which space, method or setting keeps what it promises."""
