"""What at least two callers share: losses, files, processes, logs."""
