"""MMEB in its own files: training pairs, the image tasks of V1 and V2, the video tasks of V2."""
