"""Labels that mean the same in every dataset, loss and metric."""

IGNORE = 255  # label of pixels that no loss and no metric looks at
BACKGROUND = 0
