"""A hybrid model beside its rivals, on the same rows and embeddings."""
