"""Draws the pictures, trains the network and writes everything that ships."""

from traffic_light import settings
from traffic_light.model_card import CARD
from traffic_light.network import network
from traffic_light.scene import render_inputs, render_shipped
from learning.recipe import Recipe, run

RECIPE = Recipe(settings, network, render_inputs, render_shipped, "png", CARD)

if __name__ == "__main__":
    run(RECIPE)
