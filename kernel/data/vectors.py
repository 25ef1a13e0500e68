"""Texts with vectors, found by nearness."""

from __future__ import annotations
