"""The end-to-end example of retrieval for generation: a bundle's or one's own cards, a question, a generator."""
