"""Several changes as one."""

from __future__ import annotations
