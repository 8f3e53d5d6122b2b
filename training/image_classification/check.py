"""Checks the shipped files and the accuracy on fresh pictures; needs no JAX."""

from image_classification import settings
from image_classification.scene import render_inputs
from learning.shipped import check

if __name__ == "__main__":
    check(settings, render_inputs)
