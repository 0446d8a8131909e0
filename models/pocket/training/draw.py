"""Draws the training pictures of the pocket model: icons and small scenes from signed distance fields.

    python draw.py --count 18000 --out /tmp/pocket          # pictures.u8 (memory map) + attributes.json
    python draw.py --sheet sheet.png                        # a contact sheet to look at

A picture is described by a dictionary of attributes; captions.py turns the attributes into English, anew in every epoch.
"""
import argparse, json, os, zlib
import numpy as np

SIZE = 256
COLOURS = {
    "red": (214, 34, 38),
    "orange": (244, 126, 24),
    "yellow": (250, 208, 34),
    "green": (44, 160, 62),
    "blue": (36, 88, 214),
    "purple": (132, 54, 186),
    "pink": (246, 122, 176),
    "brown": (128, 76, 38),
    "white": (240, 240, 240),
    "black": (38, 38, 44),
    "gray": (140, 144, 150),
    "teal": (30, 170, 172),
}
SURFACES = ["plain", "table", "wooden table", "grass", "stone floor", "sand", "snow", "sky", "night sky", "sea"]
SURFACE_WEIGHTS = [0.30, 0.24, 0.07, 0.09, 0.07, 0.06, 0.04, 0.05, 0.05, 0.03]
STYLES, STYLE_WEIGHTS = ["shaded", "flat", "outlined", "pixel", "watercolor"], [0.66, 0.09, 0.08, 0.10, 0.07]
LANDS, TIMES = ["mountains", "desert", "ocean", "forest", "hills"], ["day", "night", "sunset"]
NATURAL = {
    "potion": "red",
    "sword": "gray",
    "shield": "blue",
    "gem": "blue",
    "coin": "yellow",
    "key": "yellow",
    "heart": "red",
    "star": "yellow",
    "mushroom": "red",
    "tree": "green",
    "house": "white",
    "chest": "brown",
    "flower": "pink",
    "fish": "orange",
    "moon": "yellow",
    "apple": "red",
    "cat": "orange",
    "boat": "brown",
    "crown": "yellow",
    "slime": "green",
}
OBJECTS = list(NATURAL)
WOOD, STEEL, GOLD, LEAF, CREAM = ((142, 88, 44), (176, 182, 192), (236, 184, 48), (60, 150, 56), (240, 224, 194))
FLAT_OBJECTS = {"sword": -0.62, "key": -0.55}  # these lie at an angle


# --- distance fields (negative inside) ---
def circle(x, y, cx, cy, r):
    return np.hypot(x - cx, y - cy) - r


def ellipse(x, y, cx, cy, a, b):
    k = np.hypot((x - cx) / a, (y - cy) / b)
    return k * (k - 1) / np.maximum(np.hypot((x - cx) / a**2, (y - cy) / b**2), 1e-4)


def box(x, y, cx, cy, w, h, r=0.03):
    qx, qy = np.abs(x - cx) - w + r, np.abs(y - cy) - h + r
    return np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0) - r


def capsule(x, y, ax, ay, bx, by, r):
    t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
    return np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)) - r


def polygon(x, y, points, r=0.0):
    best, sign = np.full(x.shape, 1e9, np.float32), np.ones(x.shape, np.float32)
    for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1]):
        ex, ey, wx, wy = bx - ax, by - ay, x - ax, y - ay
        t = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        best = np.minimum(best, (wx - ex * t) ** 2 + (wy - ey * t) ** 2)
        up, down, left = y >= ay, y < by, ex * wy > ey * wx
        sign = np.where((up & down & left) | ~(up | down | left), -sign, sign)
    return sign * np.sqrt(best) - r


def heart(x, y):
    x, y = np.abs(x) / 1.45, (y + 0.8) / 1.45
    m = np.maximum(x + y, 0) * 0.5
    low = np.sqrt(np.minimum(x**2 + (y - 1) ** 2, (x - m) ** 2 + (y - m) ** 2)) * np.sign(x - y)
    return np.where(x + y > 1, np.hypot(x - 0.25, y - 0.75) - 0.35355, low) * 1.45


def blend(a, b, k=0.1):
    h = np.maximum(k - np.abs(a - b), 0) / k
    return np.minimum(a, b) - h * h * k / 4


def tint(c, f):
    c = np.asarray(c, np.float32)
    return c * f if f <= 1 else c + (255 - c) * (f - 1)


# --- objects: a list of parts (distance, colour, roundness of the bevel, gloss); frame about [-1, 1], y upwards ---
def draw_object(name, x, y, c, rng):
    P, j = [], lambda a: float(rng.uniform(-a, a))

    def part(d, colour, bevel=0.3, gloss=0.5, line=1.0):
        P.append((d, np.asarray(colour, np.float32), bevel, gloss, line))

    if name == "potion":
        r = 0.64 + j(0.03)
        body = blend(circle(x, y, 0, -0.33, r), box(x, y, 0, 0.42, 0.19, 0.32), 0.12)
        part(box(x, y, 0, 0.84, 0.15, 0.15, 0.04), (176, 122, 70), 0.15, 0.1)
        part(body, tint(c, 1.62), 0.25, 0.4)
        part(np.maximum(body + 0.085, y - 0.02 - 0.02 * np.sin(x * 9)), c, 0.5, 0.3, 0)
        part(box(x, y, 0, 0.66, 0.27, 0.075, 0.06), tint(c, 1.62), 0.1, 0.5)
        part(circle(x, y, 0.2, -0.4 + j(0.1), 0.075), tint(c, 1.5), 0.1, 0.2, 0)
        part(circle(x, y, 0.06, -0.62, 0.05), tint(c, 1.5), 0.1, 0.2, 0)
        part(capsule(x, y, -0.4, -0.38, -0.3, -0.1, 0.05), (255, 255, 255), 0.1, 0, 0)
    elif name == "sword":
        blade = polygon(x, y, [(-0.15, -0.4), (0.15, -0.4), (0.15, 0.78), (0, 1.08), (-0.15, 0.78)])
        part(blade, tint(c, 1.18), 0.12, 0.4)
        part(np.maximum(blade + 0.015, -x), tint(c, 0.78), 0.1, 0.1, 0)
        part(box(x, y, 0, -0.72, 0.085, 0.26), WOOD, 0.1, 0.1)
        part(box(x, y, 0, -0.44, 0.44, 0.085, 0.07), GOLD, 0.1, 0.5)
        part(circle(x, y, 0, -1.0, 0.13), GOLD, 0.13, 0.5)
    elif name == "shield":
        d = np.maximum(np.maximum(circle(x, y, -0.55, 0.35, 1.35), circle(x, y, 0.55, 0.35, 1.35)), y - 0.82)
        part(d, STEEL if rng.random() < 0.6 else GOLD, 0.12, 0.5)
        part(d + 0.14, c, 0.5, 0.4)
        kind = rng.integers(3)
        if kind == 0:
            part(np.maximum(d + 0.17, np.minimum(np.abs(x), np.abs(y - 0.15)) - 0.1), tint(c, 1.7), 0.1, 0.1, 0)
        elif kind == 1:
            part(np.maximum(d + 0.17, -x), tint(c, 0.68), 0.1, 0.1, 0)
        else:
            part(circle(x, y, 0, 0.1, 0.24), STEEL, 0.24, 0.6)
    elif name == "gem":
        top, mid, low = 0.66, 0.22, -0.92
        xs, us = [-0.95, -0.36, 0.36, 0.95], [-0.58, 0, 0.58]
        part(polygon(x, y, [(-0.58, top), (0.58, top), (0.95, mid), (0, low), (-0.95, mid)]), c, 0.05, 0)
        faces = [
            ((xs[0], mid), (us[0], top), (xs[1], mid), 1.25),
            ((us[0], top), (0, top), (xs[1], mid), 1.5),
            ((xs[1], mid), (0, top), (xs[2], mid), 1.3),
            ((0, top), (us[2], top), (xs[2], mid), 1.1),
            ((us[2], top), (xs[3], mid), (xs[2], mid), 0.8),
            ((xs[0], mid), (xs[1], mid), (0, low), 1.15),
            ((xs[1], mid), (xs[2], mid), (0, low), 0.92),
            ((xs[2], mid), (xs[3], mid), (0, low), 0.62),
        ]
        for a, b, e, f in faces:
            part(polygon(x, y, [a, b, e], 0.006), tint(c, f), 0, 0, 0)
    elif name == "coin":
        part(circle(x, y, 0, 0, 0.88), c, 0.16, 0.6)
        part(np.abs(circle(x, y, 0, 0, 0.66)) - 0.035, tint(c, 0.68), 0.05, 0, 0)
        if rng.random() < 0.5:
            part(polygon(x, y, star_points(0.44, 0.2)), tint(c, 0.66), 0, 0, 0)
        else:
            part(box(x, y, 0, 0, 0.12, 0.38, 0.08), tint(c, 0.66), 0, 0, 0)
    elif name == "key":
        part(box(x, y, 0.24, -0.8, 0.2, 0.085), c, 0.1, 0.4)
        part(box(x, y, 0.19, -0.5, 0.16, 0.085), c, 0.1, 0.4)
        part(box(x, y, 0, -0.38, 0.1, 0.62, 0.06), c, 0.1, 0.5)
        part(np.maximum(circle(x, y, 0, 0.56, 0.46), -circle(x, y, 0, 0.58, 0.23)), c, 0.14, 0.5)
    elif name == "heart":
        part(heart(x, y), c, 0.45, 0.6)
        part(ellipse(x, y, -0.42, 0.42, 0.13, 0.09), tint(c, 1.7), 0.1, 0, 0)
    elif name == "star":
        part(polygon(x, y, star_points(0.94, 0.44), 0.06), c, 0.4, 0.4)
    elif name == "mushroom":
        part(blend(box(x, y, 0, -0.5, 0.25, 0.42, 0.14), ellipse(x, y, 0, -0.78, 0.36, 0.16), 0.1), CREAM, 0.3, 0.1)
        cap = np.maximum(ellipse(x, y, 0, -0.1, 0.92, 0.96), -(y + 0.12 - 0.1 * x * x))
        part(cap, c, 0.5, 0.5)
        spot = (252, 246, 236) if min(c) < 200 else (214, 60, 60)
        for sx, sy, sr in ((-0.42, 0.22, 0.16), (0.12, 0.5, 0.19), (0.5, 0.16, 0.14)):
            part(np.maximum(circle(x, y, sx + j(0.03), sy, sr), cap + 0.02), spot, 0.1, 0, 0)
    elif name == "tree":
        part(polygon(x, y, [(-0.13, -0.1), (0.13, -0.1), (0.22, -0.96), (-0.22, -0.96)]), (120, 78, 44), 0.15, 0.05)
        d = circle(x, y, 0, 0.5, 0.46)
        for cx, cy, r in ((-0.46, 0.12, 0.4), (0.46, 0.12, 0.4), (0, 0.1, 0.46)):
            d = blend(d, circle(x, y, cx + j(0.04), cy, r), 0.08)
        part(d, c, 0.4, 0.2)
        for cx, cy, r in ((-0.3, 0.3, 0.13), (0.18, 0.55, 0.12), (0.38, 0.1, 0.12)):
            part(circle(x, y, cx + j(0.05), cy + j(0.05), r), tint(c, 1.25), 0, 0, 0)
    elif name == "house":
        part(box(x, y, 0.42, 0.62, 0.1, 0.26), (150, 90, 70), 0.1, 0)
        part(box(x, y, 0, -0.42, 0.66, 0.5, 0.02), tint(c, 1.12), 0.1, 0.05)
        part(
            polygon(x, y, [(-0.95, 0.04), (0.95, 0.04), (0, 0.92)]),
            (156, 62, 46) if np.hypot(*(np.asarray(c[:2]) - (156, 62))) > 90 else (92, 66, 60),
            0.15,
            0.1,
        )
        part(box(x, y, 0, -0.6, 0.17, 0.32, 0.04), (110, 66, 36), 0.08, 0.1)
        for s in (-1, 1):
            part(box(x, y, s * 0.41, -0.38, 0.13, 0.14), (170, 220, 250), 0, 0)
    elif name == "chest":
        part(box(x, y, 0, -0.42, 0.88, 0.44, 0.05), c, 0.2, 0.15)
        lid = np.maximum(ellipse(x, y, 0, 0.02, 0.92, 0.66), -(y - 0.0))
        part(lid, tint(c, 1.1), 0.3, 0.3)
        for s in (-1, 1):
            part(
                np.maximum(np.minimum(lid, box(x, y, 0, -0.42, 0.88, 0.44, 0.05)), np.abs(x - s * 0.6) - 0.09),
                GOLD,
                0.08,
                0.3,
            )
        part(box(x, y, 0, 0.0, 0.92, 0.06, 0.03), GOLD, 0.06, 0.3)
        part(box(x, y, 0, -0.1, 0.15, 0.19, 0.05), GOLD, 0.1, 0.4)
        part(circle(x, y, 0, -0.08, 0.05), (60, 40, 24), 0, 0, 0)
    elif name == "flower":
        part(capsule(x, y, 0, 0.1, j(0.06), -0.98, 0.055), LEAF, 0.06, 0)
        for s in (-1, 1):
            part(ellipse(x * 0.9 + s * y * 0.44, y * 0.9 - s * x * 0.44, -s * 0.05, -0.72, 0.29, 0.12), LEAF, 0.12, 0.1)
        turn = j(0.3)
        for k in range(6):
            a = turn + k * np.pi / 3
            part(circle(x, y, 0.38 * np.cos(a), 0.36 + 0.38 * np.sin(a), 0.27), c, 0.26, 0.3)
        part(circle(x, y, 0, 0.36, 0.24), (250, 200, 40) if c[2] > 90 or c[1] < 150 else (150, 84, 30), 0.24, 0.3)
    elif name == "fish":
        part(polygon(x, y, [(0.42, 0), (0.98, 0.5), (0.86, 0), (0.98, -0.5)], 0.03), tint(c, 0.85), 0.15, 0.2)
        part(polygon(x, y, [(-0.35, 0.3), (0.25, 0.3), (0.2, 0.68)], 0.03), tint(c, 0.85), 0.15, 0.2)
        part(ellipse(x, y, -0.14, 0, 0.76, 0.48), c, 0.42, 0.5)
        part(ellipse(x, y, 0.14, -0.1, 0.2, 0.12), tint(c, 0.75), 0.1, 0, 0)
        part(circle(x, y, -0.5, 0.12, 0.13), (255, 255, 255), 0, 0)
        part(circle(x, y, -0.52, 0.12, 0.07), (20, 20, 26), 0, 0, 0)
    elif name == "moon":
        part(np.maximum(circle(x, y, -0.1, 0, 0.9), -circle(x, y, 0.34, 0.2, 0.72)), c, 0.3, 0.3)
        for cx, cy, r in ((-0.62, 0.1, 0.1), (-0.4, -0.46, 0.13), (-0.62, -0.22, 0.06)):
            part(circle(x, y, cx, cy, r), tint(c, 0.8), 0, 0, 0)
    elif name == "apple":
        d = blend(ellipse(x, y, -0.3, -0.1, 0.52, 0.72), ellipse(x, y, 0.3, -0.1, 0.52, 0.72), 0.12)
        part(capsule(x, y, 0, 0.46, 0.08, 0.86, 0.055), (100, 62, 30), 0.05, 0)
        part(d, c, 0.55, 0.6)
        part(ellipse(x * 0.85 + y * 0.5, y * 0.85 - x * 0.5, 0.68, 0.46, 0.27, 0.12), LEAF, 0.12, 0.2)
        part(ellipse(x, y, -0.46, 0.22, 0.1, 0.17), tint(c, 1.65), 0, 0, 0)
    elif name == "cat":
        for s in (-1, 1):
            part(polygon(x, y, [(s * 0.84, 0.9), (s * 0.78, 0.1), (s * 0.16, 0.5)], 0.04), c, 0.2, 0.1)
            part(polygon(x, y, [(s * 0.74, 0.72), (s * 0.7, 0.3), (s * 0.36, 0.5)]), (240, 150, 160), 0, 0, 0)
        part(ellipse(x, y, 0, -0.12, 0.88, 0.72), c, 0.5, 0.25)
        part(ellipse(x, y, 0, -0.42, 0.34, 0.25), tint(c, 1.6), 0.2, 0.1, 0)
        for s in (-1, 1):
            part(ellipse(x, y, s * 0.38, 0.02, 0.15, 0.19), (255, 255, 255), 0, 0, 0.5)
            part(ellipse(x, y, s * 0.37, 0.02, 0.075, 0.16), (20, 24, 20), 0, 0, 0)
            for a in (-0.3, -0.44):
                part(
                    capsule(x, y, s * 0.42, -0.36, s * 0.95, a, 0.016),
                    (30, 30, 34) if sum(c) > 200 else (220, 220, 220),
                    0,
                    0,
                    0,
                )
        part(polygon(x, y, [(-0.1, -0.26), (0.1, -0.26), (0, -0.38)], 0.02), (226, 96, 120), 0, 0, 0)
    elif name == "boat":
        part(box(x, y, 0.0, 0.2, 0.045, 0.72), WOOD, 0.05, 0)
        part(polygon(x, y, [(0.09, 0.9), (0.8, -0.26), (0.09, -0.26)], 0.02), (246, 242, 230), 0.2, 0.1)
        part(polygon(x, y, [(-0.1, 0.72), (-0.62, -0.26), (-0.1, -0.26)], 0.02), (230, 226, 214), 0.2, 0.1)
        part(polygon(x, y, [(-0.98, -0.4), (0.98, -0.4), (0.62, -0.92), (-0.62, -0.92)], 0.03), c, 0.25, 0.3)
    elif name == "crown":
        part(
            polygon(
                x,
                y,
                [(-0.78, -0.6), (0.78, -0.6), (0.95, 0.42), (0.45, 0.0), (0, 0.72), (-0.45, 0.0), (-0.95, 0.42)],
                0.02,
            ),
            c,
            0.2,
            0.5,
        )
        part(box(x, y, 0, -0.62, 0.82, 0.12, 0.05), tint(c, 0.82), 0.1, 0.4)
        for cx, cy in ((-0.95, 0.47), (0, 0.8), (0.95, 0.47)):
            part(circle(x, y, cx, cy, 0.1), tint(c, 1.2), 0.1, 0.5)
        gem = (210, 30, 50) if not (c[0] > 150 and c[1] < 90) else (40, 110, 220)
        for cx in (-0.42, 0, 0.42):
            part(circle(x, y, cx, -0.28, 0.11), gem, 0.1, 0.6)
    elif name == "slime":
        d = np.maximum(ellipse(x, y, 0, -0.42, 0.95, 1.05 + j(0.08)), -(y + 0.68))
        part(blend(d, box(x, y, 0, -0.6, 0.88, 0.14, 0.13), 0.2), c, 0.5, 0.6)
        for s in (-1, 1):
            part(ellipse(x, y, s * 0.3, -0.12, 0.12, 0.17), (255, 255, 255), 0, 0, 0.5)
            part(circle(x, y, s * 0.28, -0.15, 0.08), (20, 20, 26), 0, 0, 0)
        part(np.maximum(np.abs(circle(x, y, 0, -0.34, 0.16)) - 0.028, y + 0.36), (30, 24, 30), 0, 0, 0)
        part(ellipse(x, y, -0.42, 0.28, 0.16, 0.09), tint(c, 1.7), 0, 0, 0)
    return P


def star_points(r, s):
    return [
        ((r if k % 2 == 0 else s) * np.sin(k * np.pi / 5), (r if k % 2 == 0 else s) * np.cos(k * np.pi / 5))
        for k in range(10)
    ]


# --- painting ---
class Canvas:
    def __init__(self, n, rng, flat=False, hard=False):
        self.n, self.rng, self.flat, self.hard = n, rng, flat, hard
        step = (np.arange(n, dtype=np.float32) + 0.5) / n * 2 - 1
        self.x, self.y = np.meshgrid(step, -step)
        self.rgb = np.zeros((n, n, 3), np.float32)

    def paint(self, mask, colour):
        self.rgb += mask[..., None] * (np.asarray(colour, np.float32) - self.rgb)

    def cover(self, d, unit=1.0):  # distance in local units -> coverage
        px = 2 / self.n / unit
        return (d < 0).astype(np.float32) if self.hard else np.clip(0.5 - d / px, 0, 1)

    def noise(self, cells, seed_rows=None):
        rows = seed_rows or cells
        grid = self.rng.random((rows + 1, cells + 1)).astype(np.float32)
        gy, gx = np.linspace(0, rows - 1e-3, self.n), np.linspace(0, cells - 1e-3, self.n)
        iy, ix = gy.astype(int), gx.astype(int)
        fy, fx = (gy - iy)[:, None].astype(np.float32), (gx - ix)[None].astype(np.float32)
        fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
        a, b = grid[iy][:, ix], grid[iy][:, ix + 1]
        c, d = grid[iy + 1][:, ix], grid[iy + 1][:, ix + 1]
        return (a + (b - a) * fx) * (1 - fy) + (c + (d - c) * fx) * fy

    def vertical(self, top, bottom, y0=1.0, y1=-1.0):
        t = np.clip((y0 - self.y) / (y0 - y1), 0, 1)[..., None]
        if self.flat:
            t = np.full_like(t, 0.5)
        return np.asarray(top, np.float32) * (1 - t) + np.asarray(bottom, np.float32) * t


def sky(cv, when, horizon):
    rng = cv.rng
    tops = {
        "day": ((70, 150, 236), (196, 228, 250)),
        "night": ((10, 12, 44), (44, 50, 104)),
        "sunset": ((92, 54, 130), (255, 150, 70)),
    }
    cv.rgb = cv.vertical(*tops[when], 1.0, horizon)
    if when == "night":
        for _ in range(26):
            cv.paint(
                cv.cover(circle(cv.x, cv.y, rng.uniform(-1, 1), rng.uniform(horizon, 1), rng.uniform(0.008, 0.018))),
                (255, 255, 235),
            )
        cv.paint(cv.cover(circle(cv.x, cv.y, 0.5, 0.6, 0.17)), (246, 240, 206))
    elif when == "sunset":
        if not cv.flat:
            cv.paint(0.7 * np.exp(-3 * np.hypot(cv.x, cv.y - horizon - 0.15)), (255, 220, 120))
        cv.paint(cv.cover(circle(cv.x, cv.y, 0, horizon + 0.12, 0.27)), (255, 226, 110))
    else:
        cv.paint(cv.cover(circle(cv.x, cv.y, 0.56, 0.64, 0.17)), (255, 236, 120))
        for cx, cy in ((-0.5, 0.62), (0.15, 0.42))[: rng.integers(1, 3)]:
            cloud(cv, cx + rng.uniform(-0.15, 0.15), cy, 0.15)


def cloud(cv, cx, cy, r):
    d = circle(cv.x, cv.y, cx, cy, r)
    for ox, rr in ((-1.2, 0.7), (1.2, 0.75)):
        d = np.minimum(d, circle(cv.x, cv.y, cx + ox * r, cy - 0.22 * r, rr * r))
    d = np.maximum(d, -(cv.y - cy + 0.55 * r))
    cv.paint(cv.cover(d) * 0.92, (252, 253, 255))


def landscape(cv, land, when):
    rng, x, y = cv.rng, cv.x, cv.y
    horizon = {"ocean": 0.0, "mountains": -0.2, "desert": -0.15, "forest": -0.2, "hills": -0.15}[land]
    sky(cv, when, horizon)
    dim = {"day": 1.0, "night": 0.42, "sunset": 0.78}[when]
    warm = np.asarray({"day": (1, 1, 1), "night": (0.8, 0.9, 1.35), "sunset": (1.15, 0.85, 0.75)}[when], np.float32)
    light = lambda c: np.asarray(c, np.float32) * dim * warm
    wave = (
        lambda f, a, b: b
        + a * np.sin(x * f + rng.uniform(0, 6.28))
        + a * 0.4 * np.sin(x * f * 2.3 + rng.uniform(0, 6.28))
    )
    under = lambda h: cv.cover((y - h) * 0.8)
    if land == "mountains":
        for cx, hgt, w, base in ((-0.62, 0.45, 0.8, 0.9), (0.6, 0.38, 0.75, 0.95), (0.0, 0.68, 0.8, 1.1)):
            cx += rng.uniform(-0.12, 0.12)
            d = polygon(x, y, [(cx - w, -0.5), (cx, hgt), (cx + w, -0.5)])
            cv.paint(cv.cover(d), light((112 * base, 116 * base, 140 * base)))
            cv.paint(cv.cover(np.maximum(d, cx - x + 0.12 * np.sin(y * 9))), light((84 * base, 88 * base, 112 * base)))
            cv.paint(cv.cover(np.maximum(d, hgt - 0.26 + 0.05 * np.sin(x * 30) - y)), light((245, 248, 255)))
        cv.paint(under(wave(3, 0.06, -0.42)), light((88, 150, 74)))
        cv.paint(under(wave(2, 0.05, -0.72)), light((64, 124, 58)))
    elif land == "desert":
        for h, c in (
            (wave(2.2, 0.12, -0.12), (236, 196, 120)),
            (wave(1.8, 0.14, -0.4), (226, 178, 98)),
            (wave(1.4, 0.12, -0.74), (208, 156, 80)),
        ):
            cv.paint(under(h), light(c))
        cx, cy = rng.choice([-0.5, 0.45]) + rng.uniform(-0.08, 0.08), -0.3
        for a in ((0, -0.35, 0, 0.3), (-0.2, -0.05, -0.2, 0.16), (0.2, 0.02, 0.2, 0.22)):
            cv.paint(cv.cover(capsule(x - cx, y - cy, *a, 0.06)), light((50, 130, 64)))
        cv.paint(cv.cover(capsule(x - cx, y - cy, -0.2, -0.05, 0.2, -0.02, 0.05)), light((50, 130, 64)))
    elif land == "ocean":
        water = light((34, 112, 190)) if when != "sunset" else np.asarray((120, 84, 140), np.float32)
        cv.paint(under(np.zeros_like(x)), cv.vertical(tint(water, 1.25), tint(water, 0.62), 0, -1))
        for k in range(7):
            yy = -0.1 - 0.125 * k
            cv.paint(
                0.5
                * cv.cover(np.abs(y - yy - 0.02 * np.sin(x * 14 + k * 2.1)) - 0.008 - 0.002 * k)
                * (np.sin(x * (5 - 0.4 * k) + k * 1.7) > 0),
                tint(water, 1.6),
            )
        if when == "sunset":
            cv.paint(
                0.6 * under(np.zeros_like(x)) * np.exp(-((x / 0.22) ** 2)) * (0.6 + 0.4 * np.sin(y * 60)),
                (255, 200, 110),
            )
        if when == "night":
            cv.paint(0.35 * under(np.zeros_like(x)) * np.exp(-(((x - 0.5) / 0.14) ** 2)), (240, 240, 220))
    elif land == "forest":
        for row, (n, base, s, c) in enumerate(
            ((8, -0.2, 0.34, (60, 124, 84)), (6, -0.42, 0.46, (44, 108, 62)), (5, -0.72, 0.62, (32, 88, 46)))
        ):
            cv.paint(under(np.full_like(x, base)), light(tint(c, 0.92)))
            for k in range(n):
                cx = -1 + 2 * (k + 0.5) / n + rng.uniform(-0.06, 0.06)
                s2 = s * rng.uniform(0.85, 1.1)
                cv.paint(cv.cover(box(x, y, cx, base, 0.03, 0.1)), light((84, 56, 36)))
                for q in range(3):
                    cv.paint(
                        cv.cover(
                            polygon(
                                x,
                                y,
                                [
                                    (cx - s2 * (0.4 - 0.08 * q), base + s2 * (0.15 + 0.3 * q)),
                                    (cx + s2 * (0.4 - 0.08 * q), base + s2 * (0.15 + 0.3 * q)),
                                    (cx, base + s2 * (0.72 + 0.32 * q)),
                                ],
                            )
                        ),
                        light(tint(c, 1 + 0.08 * q)),
                    )
    else:
        for h, c in (
            (wave(2.4, 0.12, -0.05), (140, 196, 100)),
            (wave(2, 0.14, -0.32), (104, 174, 78)),
            (wave(1.6, 0.12, -0.66), (72, 144, 60)),
        ):
            cv.paint(under(h), light(c))
        if rng.random() < 0.7:
            cx = rng.uniform(-0.6, 0.6)
            cv.paint(cv.cover(box(x, y, cx, -0.12, 0.03, 0.16)), light((100, 66, 40)))
            cv.paint(cv.cover(circle(x, y, cx, 0.16, 0.2)), light((50, 128, 56)))


def background(cv, bg, colour, horizon):
    """Paints the surroundings; returns how dark the shadow on the ground is (0: floats)."""
    rng, x, y = cv.rng, cv.x, cv.y
    ground = cv.cover(y - horizon)
    if bg == "plain":
        c = np.asarray(colour, np.float32)
        glow = np.exp(-1.1 * (x * x + y * y))[..., None] if not cv.flat else 0.5
        cv.rgb = c * (0.86 + 0.14 * glow) + 14 * glow * np.ones((cv.n, cv.n, 1), np.float32)
        return 0.35
    if bg in ("table", "wooden table"):
        wall = np.asarray(
            ((236, 226, 206), (214, 218, 222), (196, 206, 190), (92, 88, 100))[rng.integers(4)], np.float32
        )
        cv.rgb = cv.vertical(tint(wall, 0.86), wall, 1, horizon)
        c = np.asarray(colour if bg == "table" else (164, 104, 56), np.float32)
        top = cv.vertical(tint(c, 1.14), tint(c, 0.82), horizon, -1)
        if bg == "wooden table":
            depth = horizon - y + 0.25
            lane = x / np.maximum(depth, 0.1) * 0.9
            if not cv.flat:
                top = top * (0.93 + 0.1 * np.sin(lane * 40 + 3 * cv.noise(3, 9)) * 0.5)[..., None]
            top = top * np.where(np.abs(lane - np.round(lane)) < 0.025, 0.68, 1)[..., None]
        cv.paint(ground, top)
        cv.paint(cv.cover(np.abs(y - horizon + 0.02) - 0.02), tint(c, 0.62))
        return 0.5
    if bg == "grass":
        sky_only(cv, horizon)
        cv.paint(ground, cv.vertical((120, 196, 84), (58, 140, 52), horizon, -1))
        for _ in range(26):
            gx, gy = rng.uniform(-1, 1), rng.uniform(-0.98, horizon - 0.05)
            for s in (-0.03, 0.03):
                cv.paint(cv.cover(capsule(x, y, gx, gy, gx + s, gy + 0.07, 0.009)), (44, 118, 44))
        return 0.4
    if bg == "stone floor":
        cv.rgb = cv.vertical((60, 58, 70), (86, 84, 98), 1, horizon)
        row = np.floor((y - horizon) / 0.28)
        bx = (x + 0.25 * (row % 2)) / 0.5
        seam = (np.abs((y - horizon) / 0.28 - np.round((y - horizon) / 0.28)) < 0.05) | (
            np.abs(bx - np.round(bx)) < 0.03
        )
        cv.paint(seam * 0.6, (44, 42, 54))
        depth = np.maximum(horizon - y, 0) + 0.18
        u, v = x / depth * 0.7, 0.55 / depth
        tile = cv.vertical((128, 128, 134), (156, 156, 162), horizon, -1)
        tile = tile * np.where((np.abs(u - np.round(u)) < 0.035) | (np.abs(v - np.round(v)) < 0.06), 0.66, 1)[..., None]
        cv.paint(ground, tile)
        return 0.5
    if bg in ("sand", "snow"):
        sky_only(cv, horizon)
        a, b, dot = (
            ((240, 212, 148), (218, 178, 104), (186, 146, 82))
            if bg == "sand"
            else ((250, 252, 255), (214, 226, 242), (190, 206, 230))
        )
        cv.paint(cv.cover(y - horizon - 0.04 * np.sin(x * 3 + 1)), cv.vertical(a, b, horizon, -1))
        for _ in range(30):
            cv.paint(0.8 * cv.cover(circle(x, y, rng.uniform(-1, 1), rng.uniform(-0.98, horizon - 0.06), 0.012)), dot)
        return 0.4
    if bg == "sky":
        cv.rgb = cv.vertical((84, 160, 240), (190, 226, 252))
        for cx, cy in ((-0.6, 0.6), (0.62, 0.1), (-0.5, -0.55), (0.4, -0.75))[: rng.integers(2, 5)]:
            cloud(cv, cx + rng.uniform(-0.15, 0.15), cy + rng.uniform(-0.1, 0.1), rng.uniform(0.13, 0.2))
        return 0
    if bg == "night sky":
        cv.rgb = cv.vertical((8, 10, 40), (40, 44, 100))
        for _ in range(34):
            cv.paint(
                cv.cover(circle(x, y, rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.008, 0.02))),
                (255, 255, 232),
            )
        return 0
    sky_only(cv, horizon)  # sea
    cv.paint(ground, cv.vertical((60, 150, 214), (22, 82, 156), horizon, -1))
    for k in range(6):
        yy = horizon - 0.1 - 0.13 * k
        cv.paint(
            0.55 * cv.cover(np.abs(y - yy - 0.02 * np.sin(x * 13 + k * 2.1)) - 0.01) * (np.sin(x * 5 + k * 1.7) > 0),
            (170, 216, 244),
        )
    return 0.35


def sky_only(cv, horizon):
    cv.rgb = cv.vertical((112, 182, 244), (208, 234, 252), 1, horizon)


def jitter(rng, rgb, amount=10):
    return np.clip(
        np.asarray(rgb, np.float32) * rng.uniform(0.95, 1.04) + rng.uniform(-amount, amount, 3), 4, 250
    ).astype(np.float32)


def render(a, seed, size=SIZE):
    rng = np.random.default_rng(seed)
    style = a["style"]
    if style == "pixel":
        n, flat, hard = size // 8, False, True
    else:
        n, flat, hard = size, style in ("flat", "outlined"), False
    cv = Canvas(n, rng, flat, hard)
    if a["kind"] == "scene":
        landscape(cv, a["land"], a["time"])
    else:
        s = {"tiny": 0.33, "large": 0.88}.get(a["size"], 0.67) * rng.uniform(0.95, 1.05)
        cx = {"left": -0.36, "right": 0.36}.get(a["pos"], 0) + rng.uniform(-0.04, 0.04)
        standing = a["bg"] not in ("plain", "sky", "night sky")
        horizon = rng.uniform(-0.16, -0.06)
        cy = (-0.7 + 0.9 * s if a["size"] != "large" else 0) if standing else rng.uniform(-0.04, 0.06)
        dark = background(cv, a["bg"], jitter(rng, COLOURS[a["bgcol"]], 6) if a["bgcol"] else None, horizon)
        turn = rng.uniform(-0.06, 0.06) + FLAT_OBJECTS.get(a["obj"], 0)
        lx, ly = (cv.x - cx) / s, (cv.y - cy) / s
        if rng.random() < 0.5 and a["obj"] not in ("fish", "moon", "boat"):
            lx = -lx if a["obj"] not in FLAT_OBJECTS else lx
        if style == "watercolor":
            lx, ly = lx + 0.09 * (cv.noise(7) - 0.5), ly + 0.09 * (cv.noise(7) - 0.5)
        lx, ly = lx * np.cos(turn) + ly * np.sin(turn), ly * np.cos(turn) - lx * np.sin(turn)
        main = jitter(rng, COLOURS[a["col"]])
        parts = draw_object(a["obj"], lx.astype(np.float32), ly.astype(np.float32), main, rng)
        if dark and style != "flat":
            w = np.clip(1.15 - np.hypot((cv.x - cx - 0.06) / (0.85 * s), (cv.y - cy + 0.92 * s) / (0.17 * s)), 0, 1)
            cv.paint(
                dark * (np.minimum(w * 2, 1) if not hard else (w > 0.2)),
                (0, 0, 0) if sum(cv.rgb[0, 0]) > 120 else (90, 90, 90),
            )
        line = {"outlined": 0.075, "flat": 0.0, "watercolor": 0.0, "pixel": 0.075}.get(style, 0.042)
        ink = np.asarray((16, 14, 18), np.float32) if style == "outlined" else tint(main, 0.24) * 0.8 + 6
        light = np.asarray((-0.48, 0.58, 0.66), np.float32)
        if line:
            union = parts[0][0]
            for p in parts[1:]:
                union = np.minimum(union, p[0]) if p[4] else union
            if (
                min(main) < 90
                and sum(main) < 160
                and a["bgcol"] == "black"
                or a["bg"] in ("night sky",)
                and sum(main) < 160
            ):
                cv.paint(cv.cover(union - line * 2, s), (150, 150, 162))
            cv.paint(cv.cover(union - line, s), ink)
        for d, c, bevel, gloss, edge in parts:
            mask = cv.cover(d, s)
            if line and edge:
                cv.paint(cv.cover(d - line * 0.62 * edge, s), ink)
            if style in ("shaded", "pixel") and bevel:
                h = np.clip(1 + d / bevel, 0, 1)
                h = np.sqrt(np.maximum(1 - h * h, 0)) * bevel
                gy, gx = np.gradient(h, 2 / n / s)
                nz = 1 / np.sqrt(1 + gx * gx + gy * gy)
                lit = (-gx * light[0] + gy * light[1] + light[2]) * nz
                value = c * (0.5 + 0.66 * np.clip(lit, -0.3, 1))[..., None]
                if gloss:
                    value = value + (255 * gloss) * np.clip((lit - 0.9) * 9, 0, 1)[..., None] ** 2 * 0.55
                value = value + 26 * np.clip(-lit, 0, 0.4)[..., None]
                cv.paint(mask, np.clip(value, 0, 255))
            elif style == "watercolor":
                wash = 0.80 + 0.3 * cv.noise(6) - 0.34 * np.clip(1 + d / 0.1, 0, 1) ** 2
                cv.paint(mask * 0.9, np.clip(c[None, None] * wash[..., None] + 30, 0, 255))
            else:
                cv.paint(mask, c if style == "outlined" else np.where((lx > 0.0)[..., None], c * 0.86, c))
    rgb = cv.rgb
    if style == "watercolor":
        grain = (cv.noise(64) - 0.5) * 10
        wash = 0.42 + 0.25 * cv.noise(4)
        edge = np.clip((np.maximum(np.abs(cv.x), np.abs(cv.y)) + 0.08 * cv.noise(9) - 0.9) * 9, 0, 1)
        paper = np.asarray((250, 246, 236), np.float32)
        if a["kind"] == "scene":
            rgb = rgb + (paper - rgb) * (0.5 * wash)[..., None]
        else:
            union = parts[0][0]
            for p in parts[1:]:
                union = np.minimum(union, p[0])
            rgb = rgb + (paper - rgb) * (0.75 * wash * (1 - cv.cover(union, s)))[..., None]
        rgb = rgb + (paper - rgb) * edge[..., None] + grain[..., None]
    rgb = np.clip(rgb, 0, 255)
    if style == "pixel":
        rgb = np.repeat(np.repeat(np.round(rgb / 12) * 12, 8, 0), 8, 1)
    return np.clip(rgb + 0.5, 0, 255).astype(np.uint8)


# --- which pictures ---
def held_out(a):
    """One object-colour-surroundings combination in fourteen is never trained on (the demonstration prompt is)."""
    if (
        a["kind"] != "object"
        or a["style"] != "shaded"
        or (a["obj"] == "potion" and a["bg"] == "table" and a["bgcol"] == "blue")
    ):
        return False
    return zlib.crc32(f"{a['obj']}/{a['col']}/{a['bg']}/{a['bgcol']}".encode()) % 14 == 0


def sample(rng):
    while True:
        style = str(rng.choice(STYLES, p=STYLE_WEIGHTS))
        if rng.random() < 0.07:
            return dict(
                kind="scene",
                land=str(rng.choice(LANDS)),
                time=str(rng.choice(TIMES, p=[0.44, 0.28, 0.28])),
                style=style if style != "outlined" else "shaded",
            )
        obj = "potion" if rng.random() < 0.06 else str(rng.choice(OBJECTS))
        col = NATURAL[obj] if rng.random() < 0.14 else str(rng.choice(list(COLOURS)))
        bg = str(rng.choice(SURFACES, p=SURFACE_WEIGHTS))
        if obj == "boat" and rng.random() < 0.3:
            bg = "sea"
        bgcol = (
            str(rng.choice(["white"] * 5 + ["black"] * 3 + list(COLOURS)))
            if bg == "plain"
            else str(rng.choice(["blue"] * 2 + list(COLOURS)))
            if bg == "table"
            else ""
        )
        if bg == "plain" and bgcol == col or (bg == "table" and bgcol == col and rng.random() < 0.8):
            continue
        if bg == "plain" and col == "black" and bgcol == "black":
            continue
        a = dict(
            kind="object",
            obj=obj,
            col=col,
            bg=bg,
            bgcol=bgcol,
            style=style,
            size=str(rng.choice(["", "tiny", "large"], p=[0.86, 0.07, 0.07])),
            pos=str(rng.choice(["", "left", "right"], p=[0.92, 0.04, 0.04])),
        )
        if a["size"] == "large":
            a["pos"] = ""
        if not held_out(a):
            return a


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--count", type=int, default=18000)
    ap.add_argument("--out", default="/tmp/pocket")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--sheet")
    ap.add_argument("--workers", type=int, default=2)
    o = ap.parse_args()
    rng = np.random.default_rng(o.seed)
    if o.sheet:
        from PIL import Image
        import time

        cells, t = [], time.time()
        for k in range(60):
            a = sample(rng)
            if k < 20:
                a.update(kind="object", obj=OBJECTS[k])
                a.setdefault("col", "red")
                a.setdefault("bg", "grass")
                a.setdefault("bgcol", "")
                a.setdefault("size", "")
                a.setdefault("pos", "")
                a["style"] = "shaded"
            if 20 <= k < 30:
                a = dict(kind="scene", land=LANDS[k % 5], time=TIMES[k % 3], style="shaded")
            cells.append(render(a, k))
        print((time.time() - t) / 60)
        sheet = np.concatenate([np.concatenate(cells[r * 10 : r * 10 + 10], 1) for r in range(6)], 0)
        Image.fromarray(sheet).resize((1600, 960), Image.LANCZOS).save(o.sheet)
        return
    os.makedirs(o.out, exist_ok=True)
    attributes = [sample(rng) for _ in range(o.count)]
    pictures = np.memmap(f"{o.out}/pictures.u8", np.uint8, "w+", shape=(o.count, SIZE, SIZE, 3))
    json.dump(attributes, open(f"{o.out}/attributes.json", "w"))
    pids = []
    for w in range(o.workers):
        pid = os.fork()
        if pid == 0:
            for i in range(w, o.count, o.workers):
                pictures[i] = render(attributes[i], o.seed * 1000003 + i)
                if i % 1000 == w:
                    print("drawn", i, flush=True)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    open(f"{o.out}/drawn", "w").write(str(o.count))


if __name__ == "__main__":
    main()
