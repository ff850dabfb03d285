"""One's own data: what masks, lists and class files of many habits mean, as a YAML file says."""
