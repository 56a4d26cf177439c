"""From items to unit vectors: preparation, backbone, pooling."""
