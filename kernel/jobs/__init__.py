"""Work that is done later, and done even if the program ends before: one durable queue, one timer."""
