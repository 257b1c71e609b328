"""Feature extractors: from (faces, landmarks) of some frames to float32 (N, D)."""
