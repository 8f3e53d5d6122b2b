"""Checks the shipped files and the accuracy on fresh pictures; needs no JAX."""

from traffic_light import settings
from traffic_light.scene import render_inputs
from learning.shipped import check

if __name__ == "__main__":
    check(settings, render_inputs)
