"""Lane lines, pixel by pixel: training, measuring and checking."""
