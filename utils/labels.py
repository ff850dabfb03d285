"""Labels that mean the same in every dataset, loss and metric."""

IGNORE = 255  # label of pixels that losses and metrics leave out
BACKGROUND = 0
SALIENT = 254  # background in which a saliency map shows an object
