"""Collections of events: much is written, little is read, and what is old goes."""

from __future__ import annotations
