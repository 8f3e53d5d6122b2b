"""Training of the road-sign model."""
