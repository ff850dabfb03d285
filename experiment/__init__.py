"""The files of a run: layout, lock, checkpoints, autosave, shared step 0, log."""
