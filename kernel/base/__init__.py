"""Plain values everything else stands on: errors, ids, the clock, units, settings."""
