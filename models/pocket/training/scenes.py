"""The canvas, landscapes with time of day and weather, and the surroundings of objects."""
import numpy as np
from shapes import box, capsule, circle, length, polygon, tint


# --- painting ---
class Canvas:
    def __init__(self, n, rng, flat=False, hard=False):
        self.n, self.rng, self.flat, self.hard = n, rng, flat, hard
        step = (np.arange(n, dtype=np.float32) + 0.5) / n * 2 - 1
        self.x, self.y = np.meshgrid(step, -step)
        self.rgb = np.zeros((n, n, 3), np.float32)

    def window(self, cx, cy, rx, ry=None):
        """The part of this canvas around a place, painted in place: small things cost little."""
        ry = ry or rx
        low = lambda v: int(np.clip(np.floor((v + 1) / 2 * self.n) - 1, 0, self.n - 1))
        high = lambda v: int(np.clip(np.ceil((v + 1) / 2 * self.n) + 1, 1, self.n))
        rows, columns = slice(low(-cy - ry), high(-cy + ry)), slice(low(cx - rx), high(cx + rx))
        part = object.__new__(Canvas)
        part.n, part.rng, part.flat, part.hard = self.n, self.rng, self.flat, self.hard
        part.x, part.y, part.rgb = self.x[rows, columns], self.y[rows, columns], self.rgb[rows, columns]
        part.rows, part.columns = rows, columns
        return part

    def dot(self, cx, cy, r, colour, strength=1.0):
        w = self.window(cx, cy, r + 0.01)
        w.paint(strength * w.cover(circle(w.x, w.y, cx, cy, r)), colour)

    def dash(self, ax, ay, dx, dy, r, colour, strength=1.0):
        bx, by = ax + dx, ay + dy
        w = self.window((ax + bx) / 2, (ay + by) / 2, abs(ax - bx) / 2 + r + 0.01, abs(ay - by) / 2 + r + 0.01)
        w.paint(strength * w.cover(capsule(w.x, w.y, ax, ay, bx, by, r)), colour)

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


def sky(cv, when, horizon, weather="clear"):
    rng = cv.rng
    tops = {
        "day": ((70, 150, 236), (196, 228, 250)),
        "night": ((10, 12, 44), (44, 50, 104)),
        "sunset": ((92, 54, 130), (255, 150, 70)),
    }[when]
    if weather in ("rain", "snow"):  # the sun hides behind gray clouds
        gray = {"rain": ((84, 94, 112), (150, 160, 172)), "snow": ((146, 158, 176), (214, 220, 230))}[weather]
        dim, share = {"day": 1.0, "night": 0.4, "sunset": 0.8}[when], {"day": 0.9, "night": 0.7, "sunset": 0.5}[when]
        tops = [np.asarray(a) * (1 - share) + np.asarray(b) * dim * share for a, b in zip(tops, gray)]
    cv.rgb = cv.vertical(*tops, 1.0, horizon)
    if weather in ("rain", "snow"):
        for cx in (-0.7, 0.0, 0.7):
            shade = np.asarray(tops[0]) * (0.72 if weather == "rain" else 1.1)
            cloud(cv, cx + rng.uniform(-0.2, 0.2), 0.76 + rng.uniform(-0.06, 0.1), 0.24, np.minimum(shade, 250))
    elif when == "night":
        for _ in range(22):
            cv.dot(rng.uniform(-1, 1), rng.uniform(horizon, 1), rng.uniform(0.01, 0.022), (255, 255, 235))
        cv.dot(0.5, 0.6, 0.18, (246, 240, 206))
    elif when == "sunset":
        if not cv.flat:
            cv.paint(0.7 * np.exp(-3 * length(cv.x, cv.y - horizon - 0.15)), (255, 220, 120))
        cv.dot(0, horizon + 0.14, 0.28, (255, 226, 110))
    else:
        cv.dot(0.56, 0.64, 0.18, (255, 236, 120))
        for cx, cy in ((-0.5, 0.64), (0.12, 0.4))[: rng.integers(1, 3)]:
            cloud(cv, cx + rng.uniform(-0.15, 0.15), cy, 0.17)


def cloud(cv, cx, cy, r, colour=(252, 253, 255)):
    w = cv.window(cx, cy, 2.1 * r, 1.1 * r)
    d = circle(w.x, w.y, cx, cy, r)
    for ox, rr in ((-1.2, 0.7), (1.2, 0.75)):
        d = np.minimum(d, circle(w.x, w.y, cx + ox * r, cy - 0.22 * r, rr * r))
    d = np.maximum(d, -(w.y - cy + 0.55 * r))
    w.paint(w.cover(d) * 0.92, colour)


HORIZON = {
    "mountains": -0.2,
    "desert": -0.15,
    "ocean": 0.0,
    "forest": -0.1,
    "hills": -0.15,
    "city": -0.3,
    "volcano": -0.3,
    "snowfield": -0.2,
}


def landscape(cv, land, when, weather="clear"):
    rng, x, y = cv.rng, cv.x, cv.y
    horizon = HORIZON[land]
    sky(cv, when, horizon, weather)
    dim = {"day": 1.0, "night": 0.42, "sunset": 0.78}[when] * {"rain": 0.8, "snow": 0.95}.get(weather, 1)
    warm = np.asarray({"day": (1, 1, 1), "night": (0.8, 0.9, 1.35), "sunset": (1.15, 0.85, 0.75)}[when], np.float32)
    light = lambda c: np.minimum(np.asarray(c, np.float32) * dim * warm, 255)
    wave = (
        lambda f, a, b: b
        + a * np.sin(x * f + rng.uniform(0, 6.28))
        + a * 0.4 * np.sin(x * f * 2.3 + rng.uniform(0, 6.28))
    )
    under = lambda h: cv.cover((y - h) * 0.8)

    def rolling(*layers):
        for *shape, c in layers:
            cv.paint(under(wave(*shape)), light(c))

    if land == "mountains":
        for cx, hgt, w, base in ((-0.6, 0.42, 0.8, 1.08), (0.64, 0.34, 0.75, 1.12), (0.02, 0.74, 0.86, 0.94)):
            cx += rng.uniform(-0.12, 0.12)
            hgt += rng.uniform(-0.05, 0.05)
            d = polygon(x, y, [(cx - w, -0.5), (cx, hgt), (cx + w, -0.5)])
            cv.paint(cv.cover(d), light((122 * base, 128 * base, 156 * base)))
            ridge = cx - x + 0.07 * np.sin(y * 9)
            cv.paint(cv.cover(np.maximum(d, ridge)), light((76 * base, 80 * base, 108 * base)))
            cap = np.maximum(d, hgt - 0.34 + 0.07 * np.sin(x * 24) - y)
            cv.paint(cv.cover(cap), light((250, 252, 255)))
            cv.paint(cv.cover(np.maximum(cap, ridge)), light((196, 208, 232)))
        cv.paint(under(wave(3, 0.06, -0.42)), light((88, 156, 74)))
        cv.paint(under(wave(2, 0.05, -0.72)), light((60, 122, 56)))
    elif land == "desert":
        rolling((2.2, 0.12, -0.12, (240, 200, 124)), (1.8, 0.14, -0.4, (226, 176, 94)), (1.4, 0.12, -0.74, (204, 150, 74)))
        near, far = rng.choice([-0.5, 0.45]) + rng.uniform(-0.08, 0.08), rng.uniform(-0.1, 0.1)
        for cx, cy, s in ((near, -0.32, 1.25), (far, -0.1, 0.6)):
            w = cv.window(cx, cy, 0.35 * s, 0.45 * s)
            u, v = (w.x - cx) / s, (w.y - cy) / s
            d = capsule(u, v, 0, -0.33, 0, 0.3, 0.075)
            for arm in ((-0.2, -0.02, -0.2, 0.16), (0.2, 0.04, 0.2, 0.22), (-0.2, -0.04, 0.2, 0.02)):
                d = np.minimum(d, capsule(u, v, *arm, 0.058))
            w.paint(w.cover(d), light((46, 134, 64)))
            w.paint(w.cover(np.maximum(d + 0.02, -(u - 0.01) if s > 1 else d)), light((34, 104, 52)))
    elif land == "ocean":
        water = light((34, 112, 190)) if when != "sunset" else np.asarray((120, 84, 140), np.float32)
        if weather == "rain":
            water = water * 0.8 + 12
        cv.paint(under(np.zeros_like(x)), cv.vertical(tint(water, 1.25), tint(water, 0.62), 0, -1))
        for k in range(6):
            yy, amount = -0.12 - 0.15 * k, 0.012 + 0.003 * k
            crest = cv.cover(np.abs(y - yy - 0.025 * np.sin(x * 12 + k * 2.1)) - amount)
            cv.paint(0.6 * crest * (np.sin(x * (5 - 0.4 * k) + k * 1.7) > 0), tint(water, 1.7))
        if when == "sunset" and weather == "clear":
            glitter = np.exp(-((x / 0.24) ** 2)) * (0.6 + 0.4 * np.sin(y * 50))
            cv.paint(0.65 * under(np.zeros_like(x)) * glitter, (255, 200, 110))
        if when == "night" and weather == "clear":
            cv.paint(0.4 * under(np.zeros_like(x)) * np.exp(-(((x - 0.5) / 0.15) ** 2)), (240, 240, 220))
        if rng.random() < 0.4:
            cx = rng.uniform(-0.55, 0.55)
            w = cv.window(cx, 0.05, 0.3, 0.3)
            w.paint(w.cover(polygon(w.x, w.y, [(cx, 0.26), (cx + 0.17, 0.02), (cx, 0.02)])), light((250, 246, 238)))
            hull = polygon(w.x, w.y, [(cx - 0.16, -0.02), (cx + 0.2, -0.02), (cx + 0.12, -0.1), (cx - 0.1, -0.1)])
            w.paint(w.cover(hull), light((160, 74, 44)))
    elif land == "forest":
        rows = ((7, -0.12, 0.42, (92, 150, 112)), (5, -0.36, 0.62, (54, 122, 72)), (4, -0.74, 0.84, (30, 92, 50)))
        for n, base, s, c in rows:
            cv.paint(under(np.full_like(x, base)), light(tint(c, 0.9)))
            for k in range(n):
                cx = -1 + 2 * (k + 0.5) / n + rng.uniform(-0.08, 0.08)
                conifer(cv, cx, base, s * rng.uniform(0.85, 1.1), light, c, 0)
    elif land == "city":
        for row, (n, low, high, c) in enumerate(((7, 0.05, 0.62, (112, 124, 150)), (5, -0.2, 0.34, (66, 74, 100)))):
            lamp = light((190, 214, 236)) if when == "day" else np.asarray((255, 222, 120), np.float32)
            for k in range(n):
                cx, w = -1 + 2 * (k + 0.5) / n + rng.uniform(-0.05, 0.05), 0.9 / n + rng.uniform(0, 0.06)
                top, f = rng.uniform(low, high), rng.uniform(0.85, 1.2)
                v = cv.window(cx, (top - 1) / 2, w + 0.02, (top + 1) / 2 + 0.02)
                d = box(v.x, v.y, cx, (top - 1) / 2, w, (top + 1) / 2, 0.0)
                v.paint(v.cover(d), light(np.asarray(c) * f))
                v.paint(v.cover(np.maximum(d, cx + 0.35 * w - v.x)), light(np.asarray(c) * f * 0.76))
                for floor in range(int(np.ceil((np.max(top) - 0.14 + 0.62) / 0.2))):
                    wy = top - 0.14 - 0.2 * floor
                    for wx in (-0.45, 0.3):
                        lit = (rng.uniform(0, 1) < 0.8) & (wy > -0.62)
                        p = cv.window(cx + wx * w, wy, 0.06, 0.07)
                        p.paint(p.cover(box(p.x, p.y, cx + wx * w, wy, 0.038, 0.055, 0.0)) * lit, lamp)
        cv.paint(cv.cover(y + 0.78), light((70, 72, 80)))
        for k in range(5):
            cv.dash(-0.9 + 0.45 * k, -0.9, 0.2, 0, 0.02, light((230, 220, 170)))
    elif land == "volcano":
        cx = rng.uniform(-0.12, 0.12)
        for k in range(4):  # smoke
            shade = light(np.asarray((150, 142, 146)) - 12 * k)
            cv.dot(cx + 0.1 * k + rng.uniform(-0.05, 0.05), 0.42 + 0.17 * k, 0.13 + 0.04 * k, shade, 0.9)
        slope = polygon(x, y, [(cx - 0.95, -0.5), (cx - 0.2, 0.36), (cx + 0.2, 0.36), (cx + 0.95, -0.5)])
        cv.paint(cv.cover(slope), light((122, 88, 80)))
        cv.paint(cv.cover(np.maximum(slope, cx + 0.05 * np.sin(y * 12) - x + 0.05)), light((82, 58, 58)))
        cv.paint(cv.cover(np.maximum(slope, 0.24 - y + 0.03 * np.sin(x * 30))), (255, 120, 30))
        for s, low in ((-0.12, -0.3), (0.03, -0.48), (0.16, -0.15)):
            flow = np.abs(x - cx - s * (1 + 1.2 * (0.36 - y)) - 0.03 * np.sin(y * 14 + s * 20)) - 0.05
            cv.paint(cv.cover(np.maximum(np.maximum(flow, low - y), slope)), (255, 104, 24))
            cv.paint(cv.cover(np.maximum(np.maximum(flow + 0.028, low + 0.04 - y), slope)), (255, 214, 90))
        cv.paint(under(wave(3, 0.05, -0.44)), light((84, 98, 66)))
        cv.paint(under(wave(2, 0.05, -0.72)), light((60, 72, 50)))
    elif land == "snowfield":
        rolling((2.2, 0.1, -0.1, (214, 226, 242)), (1.8, 0.1, -0.38, (234, 241, 250)), (1.5, 0.1, -0.7, (250, 252, 255)))
        for cx, base, s in ((-0.66, -0.32, 0.8), (0.66, -0.4, 0.9), (0.1, -0.16, 0.5))[: rng.integers(2, 4)]:
            conifer(cv, cx + rng.uniform(-0.12, 0.12), base, s * rng.uniform(0.9, 1.1), light, (44, 112, 84), 0.8)
    else:
        rolling((2.4, 0.14, -0.02, (150, 206, 108)), (2, 0.16, -0.32, (104, 178, 78)), (1.6, 0.13, -0.68, (66, 140, 58)))
        for cx, cy, s in ((rng.uniform(-0.7, -0.3), -0.16, 1.2), (rng.uniform(0.3, 0.7), -0.3, 1.5))[: rng.integers(1, 3)]:
            w = cv.window(cx, cy + 0.2 * s, 0.3 * s, 0.45 * s)
            w.paint(w.cover(box(w.x, w.y, cx, cy, 0.035 * s, 0.16 * s)), light((110, 70, 42)))
            w.paint(w.cover(circle(w.x, w.y, cx, cy + 0.26 * s, 0.2 * s)), light((44, 120, 52)))
            w.paint(w.cover(circle(w.x, w.y, cx - 0.05 * s, cy + 0.31 * s, 0.11 * s)), light((84, 160, 76)))
    falling(cv, weather, horizon, when)


def conifer(cv, cx, base, s, light, c, snow):
    w = cv.window(cx, base + 0.5 * s, 0.46 * s, 0.62 * s)
    w.paint(w.cover(box(w.x, w.y, cx, base + 0.05 * s, 0.06 * s, 0.12 * s, 0.0)), light((98, 62, 38)))
    for q in range(3):
        half, low, top = 0.4 - 0.09 * q, 0.12 + 0.27 * q, 0.6 + 0.25 * q
        d = polygon(w.x, w.y, [(cx - s * half, base + s * low), (cx + s * half, base + s * low), (cx, base + s * top)])
        w.paint(w.cover(d), light(tint(c, 1 + 0.1 * q)))
        w.paint(w.cover(np.maximum(d, cx - w.x)), light(tint(c, 0.74 + 0.1 * q)))
        if snow:
            w.paint(snow * w.cover(np.maximum(d, base + s * (top - 0.16) - w.y)), light((248, 251, 255)))


def falling(cv, weather, horizon, when):
    rng = cv.rng
    if weather == "rain":
        slant = rng.choice([-0.05, 0.05])
        for _ in range(46):
            ax, ay = rng.uniform(-1, 1), rng.uniform(-1, 1)
            cv.dash(ax, ay, slant, 0.2, 0.011, (206, 222, 240), 0.75)
    elif weather == "snow":
        for _ in range(54):
            cv.dot(rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.018, 0.036), (255, 255, 255), 0.95)
    elif weather == "fog":
        mist = np.asarray({"day": (222, 228, 232), "night": (84, 92, 118), "sunset": (236, 196, 176)}[when], np.float32)
        band = np.exp(-(((cv.y - horizon + 0.1) / 0.55) ** 2))
        cv.paint(0.3 + 0.5 * band * (0.75 + 0.25 * np.sin(cv.y * 12 + 2 * cv.x)), mist)


def background(cv, bg, colour, horizon):
    """Paints the surroundings; returns how dark the shadow on the ground is (0: floats)."""
    rng, x, y = cv.rng, cv.x, cv.y
    ground = cv.cover(y - horizon)
    if bg == "plain":
        c = np.asarray(colour, np.float32)
        glow = np.exp(-1.1 * (x * x + y * y))[..., None] if not cv.flat else 0.5
        cv.rgb = c * (0.86 + 0.14 * glow) + 14 * glow * np.full_like(x, 1)[..., None]
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
                cv.dash(gx, gy, s, 0.07, 0.01, (44, 118, 44))
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
            cv.dot(rng.uniform(-1, 1), rng.uniform(-0.98, horizon - 0.06), 0.013, dot, 0.8)
        return 0.4
    if bg == "sky":
        cv.rgb = cv.vertical((84, 160, 240), (190, 226, 252))
        for cx, cy in ((-0.6, 0.6), (0.62, 0.1), (-0.5, -0.55), (0.4, -0.75))[: rng.integers(2, 5)]:
            cloud(cv, cx + rng.uniform(-0.15, 0.15), cy + rng.uniform(-0.1, 0.1), rng.uniform(0.13, 0.2))
        return 0
    if bg == "night sky":
        cv.rgb = cv.vertical((8, 10, 40), (40, 44, 100))
        for _ in range(34):
            cv.dot(rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.01, 0.022), (255, 255, 232))
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


