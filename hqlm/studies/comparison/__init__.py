"""A model beside other heads, on the same rows and embeddings."""
