"""Training of the image-classification model."""
