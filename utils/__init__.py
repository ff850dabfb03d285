"""Functions that several packages share: losses, figures, files, processes."""
