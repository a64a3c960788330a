"""Studies: what several runs together say."""
