"""Files, flags and checkpoints made into one resolved configuration, and the objects that it describes."""
