"""Fazt: a personal cloud in one file."""

__version__ = "0.1.0"
