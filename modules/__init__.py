"""Parts that networks are composed of."""
