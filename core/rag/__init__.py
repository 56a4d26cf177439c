"""Multimodal retrieval for generation: cards of text and image, found for a question and handed to a generator."""
