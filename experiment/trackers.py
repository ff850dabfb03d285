"""The trackers by name: values of `--track`."""

# Each is a module with a function `connect`, which imports the package: only if it is asked for.
TRACKERS = {"wandb": "experiment.track_wandb", "mlflow": "experiment.track_mlflow"}
