"""The command line. Most verbs are projections of syscalls; the few that need a terminal are written by hand."""
