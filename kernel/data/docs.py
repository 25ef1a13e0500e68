"""Documents in collections: insert, find, update, delete."""

from __future__ import annotations
