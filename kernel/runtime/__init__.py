"""Running apps: JavaScript in instances of an engine, each with a memory of its own."""
