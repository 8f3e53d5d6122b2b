"""Sky, haze, daylight or night, and the flaws of a camera."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from drawing.lights import shine

SKIES = [((95, 140, 200), (190, 210, 230)), ((150, 160, 172), (205, 208, 212)),
         ((120, 125, 135), (165, 168, 175)), ((110, 130, 170), (240, 200, 160))]
GLOW_REACH = 1.0  # how far around a light its halo is computed, in its heights


@dataclass(frozen=True)
class Weather:
    """How the scene is lit."""

    fog: tuple  # colour of what is too far to be seen
    sight: float  # metres at which 63 % of the colour is fog
    night: float  # 0 by day; the share of light that is missing
    upper: tuple  # colours of the sky
    lower: tuple

    def _share(self, z):
        return 1 - np.exp(-z / self.sight)

    def haze(self, colour, z):
        """A colour as seen from z metres away."""
        share = self._share(z)
        return tuple(round(a + (b - a) * share) for a, b in zip(colour, self.fog))

    def haze_picture(self, picture, z):
        """A picture as seen from z metres away, without its transparency."""
        picture = picture.convert("RGB")
        return Image.blend(picture, Image.new("RGB", picture.size, self.fog), self._share(z))

    def haze_ground(self, image, camera):
        """Everything below the horizon, by the distance of the ground in each row."""
        rows = np.arange(camera.height) - camera.horizon
        z = camera.focal * camera.above_ground / np.maximum(rows, 1e-3)
        share = np.where(rows > 0, self._share(z), 0)
        mask = Image.fromarray(np.round(255 * share).astype(np.uint8)[:, None])
        mask = mask.resize(image.size, Image.Resampling.NEAREST)
        return Image.composite(Image.new("RGB", image.size, self.fog), image, mask)


def random_weather(rng):
    """Mostly clear days; one in five foggy, one in four dark."""
    upper, lower = SKIES[int(rng.integers(len(SKIES)))]
    sight = rng.uniform(45, 120) if rng.random() < 0.2 else rng.uniform(300, 1500)
    night = rng.uniform(0.35, 0.75) if rng.random() < 0.25 else 0.0
    return Weather(lower, sight, night, upper, lower)


def sky(rng, camera, weather):
    """A frame filled with sky: a gradient and a few clouds."""
    ramp = np.clip(np.arange(camera.height) / max(camera.horizon, 1), 0, 1)[:, None, None]
    colours = (1 - ramp) * np.array(weather.upper) + ramp * np.array(weather.lower)
    image = Image.fromarray(colours.round().astype(np.uint8)).resize((camera.width, camera.height))
    if rng.random() < 0.6:
        cells = np.clip(rng.normal(0.1, 0.35, (4, 7)), 0, 0.8)
        cells[3] = 0
        mask = Image.fromarray((255 * cells).astype(np.uint8))
        size = camera.width, max(1, int(camera.horizon))
        image.paste((225, 226, 230), (0, 0), mask.resize(size, Image.Resampling.BICUBIC))
    return image


def glow(pixels, shining, strength):
    """Lets the lamps of (light, left, top) shine, in place."""
    for light, left, top in shining:
        reach = int(GLOW_REACH * light.picture.height)
        y, x = max(0, top - reach), max(0, left - reach)
        part = pixels[y:top + light.picture.height + reach, x:left + light.picture.width + reach]
        if part.size:
            shine(part, light, left - x, top - y, strength)


def headlights(shape):
    """Light of our own headlamps per pixel, [height, width, 1]."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    far = ((x / width - 0.5) / 0.5) ** 2 + ((y / height - 0.72) / 0.3) ** 2
    return np.exp(-far)[:, :, None]


def develop(image, shining, weather, rng):
    """Light, exposure, lens and sensor: the frame as uint8 [height, width, 3]."""
    pixels = np.asarray(image, np.float32) / 255
    if weather.night:
        lit = 1 - weather.night * (1 - 0.6 * headlights(pixels.shape[:2]))
        pixels = (pixels * lit * np.array([0.9, 0.95, 1.08])).astype(np.float32)
    pixels = np.clip(pixels, 0, 1) ** np.float32(rng.uniform(0.8, 1.3))
    pixels = pixels * rng.normal(1, 0.04, 3).astype(np.float32)
    contrast, brightness = rng.uniform(0.75, 1.08), rng.uniform(-0.08, 0.08)
    pixels = (pixels - np.float32(0.5)) * np.float32(contrast) + np.float32(0.5 + brightness)
    glow(pixels, shining, 0.2 + 0.6 * weather.night)
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    blur = float(rng.choice([0, 0.6, 1.4])) * image.width / 1280
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    noise = rng.normal(0, 1, pixels.shape[:2] + (1,)) * rng.uniform(0, 5)
    return np.clip(np.asarray(image) + noise, 0, 255).round().astype(np.uint8)
