"""The life of the process: supervised tasks, status, draining, start and stop."""
