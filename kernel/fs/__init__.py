"""Files: content by its hash, releases, and what hostile uploads may hold."""
