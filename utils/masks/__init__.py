"""Mask classification without a network: targets, points, matching, masks of a teacher, decisions."""
