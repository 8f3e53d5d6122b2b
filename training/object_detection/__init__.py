"""Road users, traffic lights and signs in a frame: training, measuring and checking."""
