"""Combines files, flags and checkpoints into one resolved configuration, and builds its objects."""
