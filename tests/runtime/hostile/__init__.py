"""Programs that want to harm the node, their neighbours or whoever asks them; and what must become of each."""
