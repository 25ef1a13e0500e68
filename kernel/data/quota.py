"""How much an app may store."""

from __future__ import annotations
