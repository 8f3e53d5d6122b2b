"""A transparent picture measured in metres, for things that stand on the ground."""

from PIL import Image, ImageDraw

OVERSAMPLING = 3  # drawn this much larger and then averaged down: smooth edges


class Canvas:
    """Draws shapes in metres: x to the right from the middle, y upwards from the ground."""

    def __init__(self, width, height, pixels_per_metre):
        self.width, self.height = width, height
        self.scale = pixels_per_metre * OVERSAMPLING
        # Whole blocks of the final pixels, so that averaging down leaves no rest.
        size = [OVERSAMPLING * max(2, round(v * pixels_per_metre)) for v in (width, height)]
        self.image = Image.new("RGBA", size)
        self.draw = ImageDraw.Draw(self.image)

    def _pixels(self, points):
        width, height = self.image.size
        return [(width / 2 + x * width / self.width, height - y * height / self.height)
                for x, y in points]

    def polygon(self, points, colour):
        self.draw.polygon(self._pixels(points), fill=colour)

    def box(self, x0, y0, x1, y1, colour, radius=0.0):
        """A rectangle from the lower left to the upper right, with rounded corners."""
        (left, bottom), (right, top) = self._pixels([(x0, y0), (x1, y1)])
        if right - left >= 1 and bottom - top >= 1:
            self.draw.rounded_rectangle((left, top, right, bottom), radius * self.scale, colour)

    def disc(self, x, y, radius, colour):
        (left, bottom), (right, top) = self._pixels([(x - radius, y - radius),
                                                     (x + radius, y + radius)])
        self.draw.ellipse((left, top, right, bottom), fill=colour)

    def ring(self, x, y, radius, width, colour):
        (left, bottom), (right, top) = self._pixels([(x - radius, y - radius),
                                                     (x + radius, y + radius)])
        self.draw.ellipse((left, top, right, bottom), outline=colour,
                          width=max(1, round(width * self.scale)))

    def stroke(self, points, width, colour):
        """A line with round ends."""
        self.draw.line(self._pixels(points), fill=colour,
                       width=max(1, round(width * self.scale)), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, colour)

    def finish(self):
        """The drawing at its final size, cut to what is not transparent."""
        image = self.image.reduce(OVERSAMPLING)
        return image.crop(image.getbbox() or (0, 0, 1, 1))


def shade(colour, factor):
    """A colour made darker (below 1) or lighter (above 1)."""
    return tuple(max(0, min(255, round(v * factor))) for v in colour[:3])
