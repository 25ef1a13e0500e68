"""Blobs by key."""

from __future__ import annotations
