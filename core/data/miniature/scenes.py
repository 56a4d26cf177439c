"""Scenes: a few coloured shapes on a plain background, described by attributes and drawn with Pillow."""

import math
import random
from dataclasses import dataclass, replace

import PIL.Image
import PIL.ImageDraw

from core.data.records import digest

KINDS = ("circle", "square", "triangle", "diamond", "star", "cross", "ring", "heart")
# Every colour is lighter than every background: were the contrast to change sign, a tower this small would need many
# times the steps before it saw shapes at all.
COLOURS = {
    "red": (238, 64, 60),
    "orange": (250, 146, 36),
    "yellow": (252, 226, 60),
    "green": (84, 214, 92),
    "cyan": (70, 222, 236),
    "blue": (92, 140, 255),
    "purple": (186, 104, 250),
    "pink": (255, 156, 206),
}
BACKGROUNDS = {
    "black": (14, 14, 16),
    "grey": (84, 86, 90),
    "navy": (16, 26, 96),
    "brown": (92, 58, 24),
    "wine": (92, 12, 40),
    "forest": (12, 70, 34),
    "teal": (8, 78, 88),
    "plum": (70, 22, 88),
}
SIZES = {"small": 0.32, "large": 0.48}
PLACES = ("top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right")

CANVAS = 96
CELL = CANVAS // 3
SUPERSAMPLE = 2


@dataclass(frozen=True)
class Shape:
    """One shape. `place` is a cell of a 3 x 3 grid; `size` is a radius as a share of the cell."""

    kind: str
    colour: str
    size: str
    place: str

    def attributes(self) -> dict[str, str]:
        """Say what a description of the shape can mention."""
        return {"shape": self.kind, "colour": self.colour, "size": self.size, "place": self.place}


@dataclass(frozen=True)
class Scene:
    """Shapes on a background. `jitter` seeds what no attribute names: small turns, shifts and tints."""

    shapes: tuple[Shape, ...]
    background: str
    jitter: int

    def attributes(self) -> dict[str, str]:
        """Return the truth about the scene. One shape: its own attributes; more: numbered in reading order of place."""
        named = {"background": self.background}
        if len(self.shapes) == 1:
            return named | self.shapes[0].attributes()
        for number, shape in enumerate(sorted(self.shapes, key=lambda each: PLACES.index(each.place)), start=1):
            named |= {f"{name} {number}": value for name, value in shape.attributes().items()}
        return named

    def change(self, **shape_fields: str) -> "Scene":
        """Return the same one-shape scene with some fields of its shape changed."""
        (shape,) = self.shapes
        return replace(self, shapes=(replace(shape, **shape_fields),))


@dataclass(frozen=True)
class DrawnScene:
    """An image source that draws a scene when it is opened.

    `window` (left, top, right, bottom in canvas units) cuts out a part and enlarges it to the full canvas;
    `shift` moves the shapes by (x, y) canvas units, as a frame of a clip does.
    """

    scene: Scene
    window: tuple[int, int, int, int] | None = None
    shift: tuple[int, int] = (0, 0)

    @property
    def content_id(self) -> str:
        """The id of everything that is drawn."""
        return digest("scene", repr((self.scene, self.window, self.shift)))

    def open(self) -> PIL.Image.Image:
        """Return the picture, 96 x 96, RGB."""
        picture = draw(self.scene, self.shift)
        if self.window is None:
            return picture.reduce(SUPERSAMPLE)
        left, top, right, bottom = (SUPERSAMPLE * edge for edge in self.window)
        return picture.crop((left, top, right, bottom)).resize((CANVAS, CANVAS), PIL.Image.Resampling.BICUBIC)


def draw(scene: Scene, shift: tuple[int, int] = (0, 0)) -> PIL.Image.Image:
    """Draw a scene at twice the canvas' resolution (192 x 192), so that edges stay smooth once it is reduced."""
    chance = random.Random(scene.jitter)
    side = SUPERSAMPLE * CANVAS
    picture = PIL.Image.new("RGB", (side, side), tint(BACKGROUNDS[scene.background], chance))
    pen = PIL.ImageDraw.Draw(picture)
    for shape in scene.shapes:
        row, column = divmod(PLACES.index(shape.place), 3)
        x = (column + 0.5) * CELL + shift[0] + chance.uniform(-1, 1)
        y = (row + 0.5) * CELL + shift[1] + chance.uniform(-1, 1)
        radius = SIZES[shape.size] * CELL * chance.uniform(0.94, 1.06)
        turn = chance.uniform(-0.2, 0.2)
        fill = tint(COLOURS[shape.colour], chance)
        points = [
            (SUPERSAMPLE * (x + radius * px), SUPERSAMPLE * (y + radius * py)) for px, py in outline(shape.kind, turn)
        ]
        pen.polygon(points, fill=fill)
        if shape.kind == "ring":
            hole = [
                (SUPERSAMPLE * (x + 0.55 * radius * px), SUPERSAMPLE * (y + 0.55 * radius * py))
                for px, py in outline("circle", 0.0)
            ]
            pen.polygon(hole, fill=picture.getpixel((0, 0)))
    return picture


def outline(kind: str, turn: float) -> list[tuple[float, float]]:
    """Return the corners of a shape of radius 1 around (0, 0), turned by `turn` radians; y points down."""
    if kind in ("circle", "ring"):
        corners = regular(40, 0.0)
    elif kind == "square":
        corners = regular(4, math.pi / 4, 1.1)
    elif kind == "triangle":
        corners = regular(3, -math.pi / 2, 1.1)
    elif kind == "diamond":
        corners = [(0.62 * x, 1.05 * y) for x, y in regular(4, 0.0)]
    elif kind == "star":
        outer, inner = regular(5, -math.pi / 2, 1.12), regular(5, -math.pi / 2 + math.pi / 5, 0.45)
        corners = [point for pair in zip(outer, inner, strict=True) for point in pair]
    elif kind == "cross":
        arm = 0.34
        corners = [(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm)]
        corners += [(-x, -y) for x, y in corners]
    elif kind == "heart":
        angles = [2 * math.pi * step / 40 for step in range(40)]
        corners = [
            (math.sin(a) ** 3, -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 15)
            for a in angles
        ]
    else:
        raise ValueError(f"kind = {kind!r} is not one of {', '.join(KINDS)}.")
    cos, sin = math.cos(turn), math.sin(turn)
    return [(cos * x - sin * y, sin * x + cos * y) for x, y in corners]


def regular(sides: int, start: float, radius: float = 1.0) -> list[tuple[float, float]]:
    """Return the corners of a regular polygon; `start` is the angle of the first, in radians."""
    angles = [start + 2 * math.pi * corner / sides for corner in range(sides)]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


def tint(colour: tuple[int, int, int], chance: random.Random) -> tuple[int, int, int]:
    """Return the colour, each channel moved by at most 10 of 255."""
    red, green, blue = (min(255, max(0, channel + chance.randint(-10, 10))) for channel in colour)
    return red, green, blue


def random_shape(chance: random.Random, **fixed: str) -> Shape:
    """Return a shape with every attribute drawn at random but those given."""
    drawn = {
        "kind": chance.choice(KINDS),
        "colour": chance.choice(list(COLOURS)),
        "size": chance.choice(list(SIZES)),
        "place": chance.choice(PLACES),
    }
    return Shape(**(drawn | fixed))


def random_scene(chance: random.Random, shapes: tuple[Shape, ...]) -> Scene:
    """Return the shapes on a random background, with fresh jitter."""
    return Scene(shapes, chance.choice(list(BACKGROUNDS)), jitter=chance.getrandbits(32))


def random_single(chance: random.Random) -> Scene:
    """Return a scene of one random shape."""
    return random_scene(chance, (random_shape(chance),))


def again(scene: Scene, chance: random.Random) -> Scene:
    """Return another picture of the same scene: every attribute kept, the jitter new."""
    return replace(scene, jitter=chance.getrandbits(32))


def phrase(shape: Shape) -> str:
    """Return such as "a large red circle"."""
    return f"a {shape.size} {shape.colour} {shape.kind}"


def caption(scene: Scene) -> str:
    """Return such as "a large red circle at the top left on navy"; several shapes are joined by "and"."""
    named = " and ".join(f"{phrase(shape)} at the {shape.place}" for shape in scene.shapes)
    return f"{named} on {scene.background}"
