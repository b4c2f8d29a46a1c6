"""What a figure shows."""

import numpy as np


def filled(axes):
    """The collection of filled markers."""
    return next(c for c in axes.collections if c.get_clip_on() and c.get_offsets().size)


def open_markers(axes):
    """Positions and edge colours of the markers on the frame."""
    marks = [c for c in axes.collections if not c.get_clip_on()]
    points = [tuple(point) for c in marks for point in c.get_offsets()]
    colours = [tuple(colour) for c in marks for colour in c.get_edgecolors()]
    return points, colours


def images(figure):
    """The arrays of all images, in the order they were drawn."""
    shown = [image for axes in figure.axes for image in axes.get_images()]
    return [np.asarray(image.get_array()) for image in shown]


def texts(figure):
    return [text.get_text() for text in figure.texts]
