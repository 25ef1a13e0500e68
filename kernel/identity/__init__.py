"""Signing in, on the admin host."""
