"""One file for each simulator: `build(head, step)` returns a function that runs the step once."""
