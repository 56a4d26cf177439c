"""Clips from video files and folders of frames, and the benchmarks that are made of them."""
