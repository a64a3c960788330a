"""The seeded grammar that wrote the built-in reviews."""
