"""Full-text search in collections."""

from __future__ import annotations
