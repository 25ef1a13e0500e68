"""Tables of an app, asked in SQL that cannot leave them."""

from __future__ import annotations
