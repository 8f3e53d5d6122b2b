"""Draws the pictures, trains the network and writes everything that ships."""

from image_classification import settings
from image_classification.model_card import CARD
from image_classification.network import network
from image_classification.scene import render_inputs, render_shipped
from learning.recipe import Recipe, run

RECIPE = Recipe(settings, network, render_inputs, render_shipped, "jpg", CARD)

if __name__ == "__main__":
    run(RECIPE)
