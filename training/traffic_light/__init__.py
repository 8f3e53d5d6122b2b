"""Training of the traffic-light model."""
