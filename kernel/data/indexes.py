"""Indexes of collections."""

from __future__ import annotations
