"""The engine: QuickJS as WebAssembly, restored from a snapshot in which our own scripts have already run."""
