"""Signed distance fields and the objects made of them.

gpu/batches.py runs this file and scenes.py on batches too: there every number from `rng.uniform` and every colour is one for each
picture, so what depends on them is chosen with `pick`. What `rng.random()` and `rng.integers` decide holds for a whole batch.
"""
import numpy as np

WOOD, STEEL, GOLD, LEAF, CREAM = ((142, 88, 44), (176, 182, 192), (236, 184, 48), (60, 150, 56), (240, 224, 194))
FLAT_OBJECTS = {"sword": -0.62, "key": -0.55}  # these lie at an angle


# --- distance fields (negative inside) ---
def length(x, y):
    return np.sqrt(x * x + y * y)


def circle(x, y, cx, cy, r):
    return length(x - cx, y - cy) - r


def ellipse(x, y, cx, cy, a, b):
    k = length((x - cx) / a, (y - cy) / b)
    return k * (k - 1) / np.maximum(length((x - cx) / a**2, (y - cy) / b**2), 1e-4)


def box(x, y, cx, cy, w, h, r=0.03):
    qx, qy = np.abs(x - cx) - w + r, np.abs(y - cy) - h + r
    return length(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0) - r


def capsule(x, y, ax, ay, bx, by, r):
    t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
    return length(x - ax - t * (bx - ax), y - ay - t * (by - ay)) - r


def polygon(x, y, points, r=0.0):
    best, sign = np.full_like(x, 1e9), np.full_like(x, 1)
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
    return np.where(x + y > 1, length(x - 0.25, y - 0.75) - 0.35355, low) * 1.45


def blend(a, b, k=0.1):  # smooth union
    h = np.maximum(k - np.abs(a - b), 0) / k
    return np.minimum(a, b) - h * h * k / 4


def tint(c, f):
    c = np.asarray(c, np.float32)
    return c * f if f <= 1 else c + (255 - c) * (f - 1)


def pick(yes, a, b):
    """Colour `a` where `yes`, else `b`."""
    return np.where(np.asarray(yes)[..., None], np.asarray(a, np.float32), np.asarray(b, np.float32))


# --- objects: a list of parts (distance, colour, roundness of the bevel, gloss); frame about [-1, 1], y upwards ---
def draw_object(name, x, y, c, rng):
    P, j = [], lambda a: rng.uniform(-a, a)

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
        blade = polygon(x, y, [(-0.2, -0.4), (0.2, -0.4), (0.2, 0.74), (0, 1.1), (-0.2, 0.74)])
        part(box(x, y, 0, -0.74, 0.11, 0.24), WOOD, 0.1, 0.1)
        part(circle(x, y, 0, -1.0, 0.17), GOLD, 0.17, 0.5)
        part(blade, tint(c, 1.18), 0.12, 0.4)
        part(np.maximum(blade + 0.015, -x), tint(c, 0.74), 0.1, 0.1, 0)
        part(box(x, y, 0, -0.42, 0.52, 0.11, 0.09), GOLD, 0.1, 0.5)
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
        top, mid, low = 0.7, 0.2, -0.92
        part(polygon(x, y, [(-0.6, top), (0.6, top), (0.97, mid), (0, low), (-0.97, mid)]), c, 0.05, 0)
        faces = [
            ((-0.97, mid), (-0.6, top), (-0.4, mid), 1.2),
            ((-0.6, top), (0.6, top), (0.4, mid), 1.62),
            ((-0.6, top), (-0.4, mid), (0.4, mid), 1.62),
            ((0.6, top), (0.97, mid), (0.4, mid), 0.86),
            ((-0.97, mid), (-0.4, mid), (0, low), 1.05),
            ((-0.4, mid), (0.4, mid), (0, low), 0.84),
            ((0.4, mid), (0.97, mid), (0, low), 0.54),
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
        part(box(x, y, 0.3, -0.84, 0.28, 0.11), c, 0.1, 0.4)
        part(box(x, y, 0.25, -0.42, 0.23, 0.11), c, 0.1, 0.4)
        part(box(x, y, 0, -0.36, 0.13, 0.62, 0.06), c, 0.1, 0.5)
        part(np.maximum(circle(x, y, 0, 0.54, 0.5), -circle(x, y, 0, 0.56, 0.23)), c, 0.14, 0.5)
    elif name == "heart":
        part(heart(x, y), c, 0.45, 0.6)
        part(ellipse(x, y, -0.42, 0.42, 0.13, 0.09), tint(c, 1.7), 0.1, 0, 0)
    elif name == "star":
        part(polygon(x, y, star_points(0.94, 0.44), 0.06), c, 0.4, 0.4)
    elif name == "mushroom":
        part(blend(box(x, y, 0, -0.5, 0.25, 0.42, 0.14), ellipse(x, y, 0, -0.78, 0.36, 0.16), 0.1), CREAM, 0.3, 0.1)
        cap = np.maximum(ellipse(x, y, 0, -0.1, 0.92, 0.96), -(y + 0.12 - 0.1 * x * x))
        part(cap, c, 0.5, 0.5)
        spot = pick(c.min(-1) < 200, (252, 246, 236), (214, 60, 60))
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
            pick(length(c[..., 0] - 156, c[..., 1] - 62) > 90, (156, 62, 46), (92, 66, 60)),
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
        part(circle(x, y, 0, 0.36, 0.24), pick((c[..., 2] > 90) | (c[..., 1] < 150), (250, 200, 40), (150, 84, 30)), 0.24, 0.3)
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
            part(polygon(x, y, [(s * 0.84, 0.92), (s * 0.8, 0.05), (s * 0.12, 0.5)], 0.05), c, 0.2, 0.1)
            part(polygon(x, y, [(s * 0.73, 0.7), (s * 0.7, 0.32), (s * 0.38, 0.5)]), (244, 150, 164), 0, 0, 0)
        part(ellipse(x, y, 0, -0.14, 0.92, 0.74), c, 0.5, 0.25)
        eye = pick(c.sum(-1) > 150, (24, 26, 30), (120, 220, 90))
        for s in (-1, 1):
            part(ellipse(x, y, s * 0.4, 0.0, 0.17, 0.24), eye, 0, 0, 0)
            part(circle(x, y, s * 0.4 - 0.05, 0.1, 0.075), (255, 255, 255), 0, 0, 0)
        part(polygon(x, y, [(-0.12, -0.28), (0.12, -0.28), (0, -0.42)], 0.03), (240, 110, 136), 0, 0, 0)
        mouth = np.abs(circle(np.abs(x), y, 0.14, -0.45, 0.14)) - 0.03
        part(np.maximum(mouth, y + 0.46), pick(c.sum(-1) > 150, (30, 24, 30), (225, 225, 225)), 0, 0, 0)
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
        gem = pick((c[..., 0] > 150) & (c[..., 1] < 90), (40, 110, 220), (210, 30, 50))
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
    elif name == "bomb":
        part(capsule(x, y, 0.3, 0.5, 0.52, 0.82, 0.06), (196, 160, 104), 0.06, 0.1)
        part(polygon(x - 0.56, y - 0.86, star_points(0.3, 0.13)), (255, 170, 40), 0, 0)
        part(circle(x, y, 0.56, 0.86, 0.09), (255, 244, 170), 0, 0, 0)
        part(box(x * 0.85 - y * 0.5, y * 0.85 + x * 0.5, 0, 0.5, 0.22, 0.16, 0.04), STEEL, 0.1, 0.4)
        part(circle(x, y, -0.06, -0.24, 0.7), c, 0.6, 0.7)
        part(ellipse(x, y, -0.32, 0.1, 0.13, 0.17), tint(c, 1.6), 0.1, 0, 0)
    elif name == "candle":
        part(ellipse(x, y, 0, -0.84, 0.66, 0.17), GOLD, 0.12, 0.4)
        part(box(x, y, 0, -0.3, 0.32, 0.54, 0.08), c, 0.3, 0.3)
        part(blend(box(x, y, -0.17, 0.08, 0.1, 0.18, 0.1), box(x, y, 0.02, 0.2, 0.3, 0.08, 0.06)), tint(c, 1.4), 0.1, 0.2, 0)
        part(capsule(x, y, 0, 0.22, 0, 0.42, 0.035), (40, 34, 34), 0, 0, 0)
        flame = blend(circle(x, y, 0, 0.5, 0.2), polygon(x, y, [(-0.15, 0.56), (0.15, 0.56), (j(0.04), 1.0)]), 0.1)
        part(flame, (255, 150, 30), 0, 0)
        part(ellipse(x, y, 0, 0.5, 0.1, 0.17), (255, 238, 130), 0, 0, 0)
    elif name == "book":
        part(box(x, y, 0.08, -0.08, 0.66, 0.84, 0.03), CREAM, 0.1, 0.1)
        part(box(x, y, -0.04, 0.03, 0.68, 0.86, 0.06), c, 0.12, 0.2)
        part(box(x, y, -0.58, 0.03, 0.14, 0.86, 0.05), tint(c, 0.62), 0.1, 0.1, 0)
        kind = rng.integers(3)
        if kind == 0:
            part(polygon(x - 0.1, y - 0.08, star_points(0.36, 0.17)), GOLD, 0.1, 0.3, 0)
        elif kind == 1:
            part(circle(x, y, 0.1, 0.08, 0.27), GOLD, 0.12, 0.4, 0)
        else:
            for h in (0.42, 0.14):
                part(box(x, y, 0.1, h, 0.34, 0.08, 0.03), GOLD, 0.05, 0.2, 0)
    elif name == "rocket":
        body = np.maximum(circle(x, y, -0.62, -0.02, 1.06), circle(x, y, 0.62, -0.02, 1.06))
        flame = polygon(x, y, [(-0.24, -0.66), (0.24, -0.66), (j(0.05), -1.06)], 0.03)
        part(flame, (255, 140, 30), 0, 0)
        part(polygon(x, y, [(-0.1, -0.66), (0.1, -0.66), (0, -0.88)], 0.02), (255, 236, 120), 0, 0, 0)
        for s in (-1, 1):
            part(polygon(x, y, [(s * 0.22, -0.1), (s * 0.74, -0.78), (s * 0.22, -0.62)], 0.04), tint(c, 0.6), 0.15, 0.2)
        part(np.maximum(body, -(y + 0.68)), c, 0.35, 0.5)
        part(np.maximum(body, 0.42 - y), tint(c, 0.6), 0.2, 0.4, 0)
        part(circle(x, y, 0, 0.1, 0.22), STEEL, 0.05, 0.3)
        part(circle(x, y, 0, 0.1, 0.15), (150, 214, 250), 0, 0, 0)
    elif name == "mug":
        part(np.abs(circle(x, y, 0.5, -0.14, 0.34)) - 0.1, c, 0.1, 0.4)
        part(blend(box(x, y, -0.12, -0.1, 0.6, 0.64, 0.1), ellipse(x, y, -0.12, -0.68, 0.56, 0.16), 0.1), c, 0.4, 0.5)
        part(ellipse(x, y, -0.12, 0.54, 0.6, 0.18), tint(c, 1.3), 0.06, 0.2)
        part(ellipse(x, y, -0.12, 0.53, 0.47, 0.11), (84, 48, 28), 0, 0, 0)
    elif name == "ring":
        part(np.abs(circle(x, y, 0, -0.3, 0.5)) - 0.14, c, 0.14, 0.6)
        stone = pick(c[..., 2] < 170, (120, 222, 250), (226, 40, 66))
        part(polygon(x, y, [(-0.26, 0.86), (0.26, 0.86), (0.46, 0.6), (0, 0.12), (-0.46, 0.6)], 0.02), stone, 0.1, 0.3)
        part(polygon(x, y, [(-0.46, 0.6), (0, 0.6), (0, 0.12)]), tint(stone, 1.4), 0, 0, 0)
        part(polygon(x, y, [(-0.26, 0.86), (0.26, 0.86), (0.2, 0.6), (-0.2, 0.6)]), tint(stone, 1.7), 0, 0, 0)
    elif name == "skull":
        head = blend(ellipse(x, y, 0, 0.2, 0.82, 0.7), box(x, y, 0, -0.52, 0.46, 0.4, 0.12), 0.14)
        part(head, c, 0.45, 0.3)
        hole = pick(c.sum(-1) > 150, (26, 22, 28), (210, 60, 50))
        for s in (-1, 1):
            part(ellipse(x, y, s * 0.34, 0.08, 0.23, 0.25), hole, 0, 0, 0)
            part(box(x, y, s * 0.16, -0.74, 0.035, 0.16), hole, 0, 0, 0)
        part(polygon(x, y, [(0, -0.14), (0.12, -0.36), (-0.12, -0.36)], 0.02), hole, 0, 0, 0)
    elif name == "bird":
        part(polygon(x, y, [(0.4, -0.1), (1.0, 0.36), (0.86, -0.3)], 0.03), tint(c, 0.75), 0.15, 0.2)
        for s in (-0.16, 0.16):
            part(capsule(x, y, s, -0.6, s, -0.92, 0.06), (244, 140, 30), 0.06, 0.1)
        part(polygon(x, y, [(-0.66, 0.56), (-0.66, 0.24), (-1.04, 0.36)], 0.03), (250, 150, 30), 0.1, 0.2)
        part(blend(ellipse(x, y, 0.06, -0.22, 0.7, 0.5), circle(x, y, -0.38, 0.4, 0.42), 0.14), c, 0.45, 0.3)
        part(ellipse(x * 0.95 - y * 0.3, y * 0.95 + x * 0.3, 0.26, -0.1, 0.4, 0.24), tint(c, 0.72), 0.2, 0.2, 0)
        part(circle(x, y, -0.5, 0.48, 0.13), (255, 255, 255), 0, 0, 0)
        part(circle(x, y, -0.53, 0.48, 0.08), (20, 20, 26), 0, 0, 0)
    return P


def star_points(r, s):
    return [
        ((r if k % 2 == 0 else s) * np.sin(k * np.pi / 5), (r if k % 2 == 0 else s) * np.cos(k * np.pi / 5))
        for k in range(10)
    ]


