"""Pictures of segmentations and of confusion matrices."""
