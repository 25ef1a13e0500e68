"""The laptop's side: which node a command means, and talking to it."""
