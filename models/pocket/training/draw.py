"""Draws the training pictures of the pocket model: icons and small scenes from signed distance fields.

    python draw.py --count 14000 --out /tmp/pocket          # pictures.u8 (memory map) + attributes.json
    python draw.py --sheet sheet.png                        # a contact sheet to look at

A picture is described by a dictionary of attributes (see `sample`); captions.py turns them into English, anew in every epoch.
"""
import argparse, json, os, zlib
import numpy as np
from scenes import Canvas, background, landscape
from shapes import draw_object, length, tint

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
SURFACE_WEIGHTS = [0.30, 0.22, 0.08, 0.09, 0.07, 0.06, 0.05, 0.05, 0.05, 0.03]
STYLES = ["shaded", "flat", "outlined", "pixel", "watercolor", "neon"]
STYLE_WEIGHTS = [0.52, 0.09, 0.09, 0.11, 0.09, 0.10]
LANDS = ["mountains", "desert", "ocean", "forest", "hills", "city", "volcano", "snowfield"]
TIMES, WEATHERS = ["day", "night", "sunset"], ["clear", "rain", "snow", "fog"]
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
    "bomb": "black",
    "candle": "white",
    "book": "brown",
    "rocket": "red",
    "mug": "blue",
    "ring": "yellow",
    "skull": "white",
    "bird": "yellow",
}
OBJECTS = list(NATURAL)
# How often each is drawn: more where the shape is new or hard.
OBJECT_WEIGHTS = [
    {"potion": 1.8, "sword": 1.5, "key": 1.4, "cat": 1.5, "shield": 1.3, "gem": 1.3}.get(o, 1.5 if k >= 20 else 1.0)
    for k, o in enumerate(OBJECTS)
]
LYING = {"sword": -0.62, "key": -0.55}  # these lie at an angle
SUPPORTS = {"chest": 0.62, "book": 0.84, "mushroom": 0.78, "slime": 0.62, "house": 0.84}  # how high their tops are
DIM = ("black", "gray", "brown")  # do not glow


def jitter(rng, rgb, amount=10):
    return np.clip(
        np.asarray(rgb, np.float32) * rng.uniform(0.95, 1.04) + rng.uniform(-amount, amount, 3), 4, 250
    ).astype(np.float32)


def placed(a, rng):
    """Where the objects of a picture are: (name, colour, x, y, scale) each, the farthest first."""
    standing = a["bg"] not in ("plain", "sky", "night sky")
    ground, wobble = -0.7, lambda w: rng.uniform(-w, w)
    if a.get("rel") == "on":
        under, over = rng.uniform(0.42, 0.46), rng.uniform(0.36, 0.4)
        low = (ground if standing else -0.62) + 0.9 * under
        cx, top = wobble(0.08), low + SUPPORTS[a["obj2"]] * under
        return [(a["obj2"], a["col2"], cx, low, under), (a["obj"], a["col"], cx + wobble(0.04), top + 0.9 * over, over)]
    if a.get("rel") == "beside":
        side, s = rng.choice([-1.0, 1.0]), rng.uniform(0.42, 0.47)
        cy = lambda: (ground + 0.9 * s if standing else 0.0) + wobble(0.03)
        return [(a["obj2"], a["col2"], -side * 0.48, cy(), s), (a["obj"], a["col"], side * 0.48, cy(), s)]
    if a.get("count", 1) > 1:
        n = a["count"]
        s = (0.44 if n == 2 else 0.32) * rng.uniform(0.95, 1.05)
        xs = (-0.47, 0.47) if n == 2 else (-0.65, 0.0, 0.65)
        cy = ground + 0.9 * s + 0.08 if standing else 0.0
        return [(a["obj"], a["col"], x + wobble(0.03), cy + wobble(0.04), s) for x in xs]
    s = {"tiny": 0.33, "large": 0.88}.get(a["size"], 0.67) * rng.uniform(0.95, 1.05)
    cx = {"left": -0.36, "right": 0.36}.get(a["pos"], 0) + wobble(0.04)
    cy = (ground + 0.9 * s if a["size"] != "large" else 0) if standing else rng.uniform(-0.04, 0.06)
    return [(a["obj"], a["col"], cx, cy, s)]


def paint_object(cv, name, colour, cx, cy, s, style, dark, light, rng, night):
    """Paints one object with its shadow; returns its outline's distance field, in the canvas' units, over the canvas."""
    main = jitter(rng, COLOURS[colour])
    turn = rng.uniform(-0.06, 0.06) + LYING.get(name, 0)
    if dark and style not in ("flat", "neon"):
        w = cv.window(cx + 0.06, cy - 0.92 * s, 1.0 * s, 0.24 * s)
        d = np.clip(1.15 - length((w.x - cx - 0.06) / (0.85 * s), (w.y - cy + 0.92 * s) / (0.17 * s)), 0, 1)
        w.paint(
            dark * (np.minimum(d * 2, 1) if not cv.hard else (d > 0.2)),
            (0, 0, 0) if cv.rgb[0, 0].sum() > 120 else (90, 90, 90),
        )
    flip = -1 if rng.random() < 0.5 and name not in ("fish", "moon", "boat", *LYING) else 1
    warp = [0.09 * (cv.noise(7) - 0.5) for _ in range(2)] if style == "watercolor" else None
    whole, cv = cv, cv.window(cx, cy, 1.36 * s)
    lx, ly = flip * (cv.x - cx) / s, (cv.y - cy) / s
    if warp:
        lx, ly = lx + warp[0][cv.rows, cv.columns], ly + warp[1][cv.rows, cv.columns]
    lx, ly = lx * np.cos(turn) + ly * np.sin(turn), ly * np.cos(turn) - lx * np.sin(turn)
    parts = draw_object(name, lx.astype(np.float32), ly.astype(np.float32), main, rng)
    union = parts[0][0]
    for p in parts[1:]:
        union = np.minimum(union, p[0]) if p[4] else union
    px = 2 / cv.n / s
    line = {"shaded": 0.048, "outlined": 0.1, "pixel": max(0.075, 1.5 * px)}.get(style, 0.0)
    ink = np.asarray((14, 12, 16), np.float32) if style == "outlined" else tint(main, 0.24) * 0.8 + 6
    if style == "outlined":
        cv.paint(cv.cover(union - 2.1 * line, s), (250, 250, 250))
    elif line and sum(main) < 160 and night:
        cv.paint(cv.cover(union - line * 2, s), (150, 150, 162))
    if line:
        cv.paint(cv.cover(union - line, s), ink)
    if style == "neon":
        glow(cv, parts, union, s)
    else:
        for d, c, bevel, gloss, edge in parts:
            mask = cv.cover(d, s)
            if line and edge:
                cv.paint(cv.cover(d - line * 0.62 * edge, s), ink)
            if style in ("shaded", "pixel") and bevel:
                h = np.clip(1 + d / bevel, 0, 1)
                h = np.sqrt(np.maximum(1 - h * h, 0)) * bevel
                gy, gx = np.gradient(h, px)
                nz = 1 / np.sqrt(1 + gx * gx + gy * gy)
                lit = (-gx * light[0] + gy * light[1] + light[2]) * nz
                value = c * (0.5 + 0.66 * np.clip(lit, -0.3, 1))[..., None]
                if gloss:
                    value = value + (255 * gloss * 0.55) * (np.clip((lit - 0.9) * 9, 0, 1) ** 2)[..., None]
                value = value + 26 * np.clip(-lit, 0, 0.4)[..., None]
                cv.paint(mask, np.clip(value, 0, 255))
            elif style == "watercolor":
                wash = 0.80 + 0.3 * whole.noise(6)[cv.rows, cv.columns] - 0.34 * np.clip(1 + d / 0.1, 0, 1) ** 2
                cv.paint(mask * 0.9, np.clip(c[None, None] * wash[..., None] + 30, 0, 255))
            elif style == "flat":
                cv.paint(mask, np.where((lx > 0.0)[..., None], c * 0.84, np.minimum(c * 1.06, 255)))
            else:
                cv.paint(mask, c)
    out = np.full((whole.n, whole.n), 9.0, np.float32)
    out[cv.rows, cv.columns] = union * s
    return out


def bright(c):
    c = np.asarray(c, np.float32)
    low, high = c.min(-1, keepdims=True), c.max(-1, keepdims=True)
    return np.clip((c - 0.6 * low) / np.maximum(high - 0.6 * low, 30) * 255, 0, 255)


def glow(cv, parts, union, s):
    """Neon tubes along the edges of the parts, over a dark inside."""
    cv.paint(cv.cover(union, s), tint(parts[-1][1] * 0 + 12, 1.0))
    halo = 0.62 * np.exp(-np.maximum(np.abs(union), 0) / 0.1)
    cv.paint(halo, bright(max((p for p in parts if p[4]), key=lambda p: (p[0] < 0).sum())[1]))
    for d, c, bevel, gloss, edge in parts:
        c = bright(c)
        cv.paint(cv.cover(d, s), c * 0.2)
        cv.paint((0.5 + 0.5 * bool(edge)) * np.clip(1.6 - np.abs(d + 0.03) / 0.034, 0, 1), c)
        if edge:
            cv.paint(0.55 * np.clip(1.5 - np.abs(d + 0.03) / 0.014, 0, 1), (255, 255, 255))


def edges(rgb, full):
    """How much of an edge each pixel is, 0 to 1; `full` is the step in brightness that makes a whole edge."""
    gy, gx = np.gradient(rgb.mean(2))
    return np.clip((np.abs(gy) + np.abs(gx)) / full, 0, 1)


def ink_edges(cv):
    """Black lines along the edges of the surroundings, as wide as the objects' outlines are at half size."""
    edge = edges(cv.rgb, 14)
    for axis in (0, 1):
        edge = np.maximum(edge, np.maximum(np.roll(edge, 1, axis), np.roll(edge, -1, axis)))
    cv.paint(edge * 0.9, (14, 12, 16))


def neon_surroundings(cv):
    """The painted surroundings in the dark, their edges glowing."""
    rgb = cv.rgb
    edge = edges(rgb, 24)
    soft = edge.copy()
    for axis in (0, 1):  # two box filters make the halo
        for w in (3, 5):
            total = np.cumsum(np.pad(soft, [(w + 1, w) if k == axis else (0, 0) for k in (0, 1)], mode="edge"), axis)
            take = lambda a, b: total[a:b] if axis == 0 else total[:, a:b]
            soft = (take(2 * w + 1, None) - take(0, -2 * w - 1)) / (2 * w + 1)
    lit = np.clip(0.9 * edge + 0.9 * soft, 0, 1)[..., None]
    cv.rgb[:] = (rgb * 0.2 + np.asarray((6, 4, 16), np.float32)) * (1 - lit) + bright(rgb) * lit


def render(a, seed, size=SIZE, masks=None):
    """The picture of attributes `a` as bytes [size, size, 3]; the same seed gives the same picture.

    `masks`: a list that takes where the objects are (none in a landscape), [n, n] booleans; n is `size`, or the cells of pixel art.
    """
    rng = np.random.default_rng(seed)
    style = a["style"]
    if style == "pixel":
        n, flat, hard = size // 8, False, True
    else:
        n, flat, hard = size, style in ("flat", "outlined", "neon"), False
    cv, union = Canvas(n, rng, flat, hard), None
    if a["kind"] == "scene":
        landscape(cv, a["land"], a["time"], a.get("weather", "clear"))
        if style == "neon":
            neon_surroundings(cv)
        elif style == "outlined":
            ink_edges(cv)
    else:
        horizon = rng.uniform(-0.16, -0.06)
        dark = background(cv, a["bg"], jitter(rng, COLOURS[a["bgcol"]], 6) if a["bgcol"] else None, horizon)
        if style == "neon":
            neon_surroundings(cv)
        side, height = rng.choice([-1.0, -1.0, 1.0]), rng.uniform(0.45, 0.7)
        light = np.asarray((side * 0.5, height, 0.66), np.float32)
        light = light / np.sqrt((light**2).sum())
        night = a["bgcol"] == "black" or a["bg"] == "night sky"
        for name, colour, cx, cy, s in placed(a, rng):
            d = paint_object(cv, name, colour, cx, cy, s, style, dark, light, rng, night)
            union = d if union is None else np.minimum(union, d)
        if masks is not None:
            masks.append(union < 0)
    rgb = cv.rgb
    if style == "watercolor":
        grain = (cv.noise(64) - 0.5) * 10
        wash = 0.42 + 0.25 * cv.noise(4)
        edge = np.clip((np.maximum(np.abs(cv.x), np.abs(cv.y)) + 0.08 * cv.noise(9) - 0.9) * 9, 0, 1)
        paper = np.asarray((250, 246, 236), np.float32)
        pale = 0.5 * wash if union is None else 0.75 * wash * (1 - cv.cover(union))
        rgb = rgb + (paper - rgb) * pale[..., None]
        rgb = rgb + (paper - rgb) * edge[..., None] + grain[..., None]
    rgb = np.clip(rgb, 0, 255)
    if style == "pixel":
        rgb = np.repeat(np.repeat(np.round(rgb / 24) * 24, 8, 0), 8, 1)
    return np.clip(rgb + 0.5, 0, 255).astype(np.uint8)


# --- which pictures ---
def _bucket(*words):
    return zlib.crc32("/".join(str(w) for w in words).encode())


def held_out(a):
    """True for what is never drawn for training, in no style:

    - one object-colour-surroundings combination in fourteen (the demonstration prompt excepted), alone, repeated or in a relation;
    - one count-object-colour combination in nine; one relation-object-other object combination in nine;
    - one landscape-time-weather combination in seven, of the new landscapes and of weather that is not clear.

    The weights that training starts from had never seen the first kind in the shaded style. They were trained on drawings of
    twenty of the objects in which the other styles did show such combinations (about a third of the drawings, and most of those
    were rarely used), and on every clear landscape of the first five; of counts, relations and weather they saw nothing.
    """
    if a["kind"] == "scene":
        known = a["land"] in LANDS[:5] and a.get("weather", "clear") == "clear"
        return not known and _bucket(a["land"], a["time"], a.get("weather", "clear")) % 7 == 0
    count, rel = a.get("count", 1), a.get("rel", "")
    if count > 1 and _bucket(count, a["obj"], a["col"]) % 9 == 0:
        return True
    if rel and (_bucket(rel, a["obj"], a["obj2"]) % 9 == 0 or _apart(a["obj2"], a["col2"], a["bg"], a["bgcol"])):
        return True
    return _apart(a["obj"], a["col"], a["bg"], a["bgcol"])


def _apart(obj, col, bg, bgcol):
    if obj == "potion" and bg == "table" and bgcol == "blue":
        return False
    return _bucket(obj, col, bg, bgcol) % 14 == 0


def sample(rng, held=False):
    """Attributes of one picture: for training never held out; with `held` only such; with None of either kind.

    scene: kind, land, time, weather, style. object: kind, obj, col, bg, bgcol ("" unless plain or table), style, size ("", tiny,
    large), pos ("", left, right), count (1 to 3), rel ("", on, beside: obj is on or beside obj2), obj2, col2 ("" without rel).
    """
    any_of = lambda names, p=None: str(rng.choice(names, p=p))
    objects = np.asarray(OBJECT_WEIGHTS) / sum(OBJECT_WEIGHTS)
    while True:
        style = any_of(STYLES, STYLE_WEIGHTS)
        if rng.random() < 0.14:
            a = dict(
                kind="scene",
                land=any_of(LANDS),
                time=any_of(TIMES, [0.44, 0.28, 0.28]),
                weather=any_of(WEATHERS, [0.58, 0.14, 0.14, 0.14]),
                style=style if rng.random() < 0.6 else "shaded",
            )
            if held is None or held_out(a) == held:
                return a
            continue
        obj = any_of(OBJECTS, objects)
        col = NATURAL[obj] if rng.random() < 0.14 else any_of(list(COLOURS))
        bg = any_of(SURFACES, SURFACE_WEIGHTS)
        if obj == "boat" and rng.random() < 0.3:
            bg = "sea"
        bgcol = ""
        if bg == "plain":
            bgcol = any_of(["white"] * 5 + ["black"] * 3 + list(COLOURS))
        elif bg == "table":
            bgcol = any_of(["blue"] * 2 + list(COLOURS))
        if bg == "plain" and bgcol == col or (bg == "table" and bgcol == col and rng.random() < 0.8):
            continue
        if style == "neon" and col in DIM:
            continue
        a = dict(kind="object", obj=obj, col=col, bg=bg, bgcol=bgcol, style=style)
        a.update(size="", pos="", count=1, rel="", obj2="", col2="")
        kind = rng.random()
        if kind < 0.1:
            a["count"] = 2 if kind < 0.055 else 3
        elif kind < 0.2:
            a["rel"] = "on" if kind < 0.145 else "beside"
            a["obj2"] = any_of(list(SUPPORTS) if a["rel"] == "on" else OBJECTS)
            a["col2"] = NATURAL[a["obj2"]] if rng.random() < 0.4 else any_of(list(COLOURS))
            if a["obj2"] == obj or a["col2"] == bgcol or (style == "neon" and a["col2"] in DIM):
                continue
            if a["rel"] == "on" and (bg in ("sky", "night sky", "sea") or obj in SUPPORTS and rng.random() < 0.7):
                continue
        else:
            a["size"] = any_of(["", "tiny", "large"], [0.84, 0.08, 0.08])
            a["pos"] = any_of(["", "left", "right"], [0.92, 0.04, 0.04]) if a["size"] != "large" else ""
        if (a["count"] > 1 or a["rel"]) and style != "shaded" and rng.random() < 0.4:
            a["style"] = "shaded"
        if held is None or held_out(a) == held:
            return a


def sheet(path):
    """Every object, landscape and style once, then a sample."""
    from PIL import Image
    import time

    rng, cells, t = np.random.default_rng(3), [], time.time()
    plain = dict(kind="object", bg="grass", bgcol="", style="shaded", size="", pos="", count=1, rel="", obj2="", col2="")
    for k, o in enumerate(OBJECTS):
        cells.append(dict(plain, obj=o, col=NATURAL[o], bg=SURFACES[k % 10], bgcol="purple" if k % 10 < 2 else ""))
    for k, land in enumerate(LANDS * 2):
        weather = "clear" if k < 8 else WEATHERS[1 + k % 3]
        cells.append(dict(kind="scene", land=land, time=TIMES[k % 3], weather=weather, style="shaded"))
    for k, style in enumerate(STYLES[1:] * 4):
        around = dict(bg=SURFACES[k % 3], bgcol=("blue", "white")[k % 2] if k % 3 < 2 else "")
        cells.append(dict(plain, obj=OBJECTS[(7 * k) % 28], col=list(COLOURS)[k % 8], style=style, **around))
    cells += [dict(plain, obj="apple", col="red", bg="table", bgcol="blue", count=2), dict(plain, obj="cat", col="orange", count=3)]
    cells += [dict(plain, obj="bird", col="yellow", rel="on", obj2=o, col2="purple") for o in SUPPORTS]
    cells += [dict(plain, obj="cat", col="black", rel="beside", obj2="tree", col2="green")]
    cells += [dict(kind="scene", land=LANDS[k], time=TIMES[k % 3], weather="clear", style=STYLES[1 + k % 5]) for k in range(8)]
    cells += [sample(rng) for _ in range(100 - len(cells) % 10 - len(cells) + 20)]
    cells = cells[: len(cells) // 12 * 12]
    pictures = [render(a, k) for k, a in enumerate(cells)]
    print(f"{1000 * (time.time() - t) / len(cells):.1f} ms a picture")
    rows = [np.concatenate(pictures[k : k + 12], 1) for k in range(0, len(cells), 12)]
    Image.fromarray(np.concatenate(rows, 0)).resize((12 * 140, len(rows) * 140), Image.LANCZOS).save(path)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--count", type=int, default=14000)
    ap.add_argument("--out", default="/tmp/pocket")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--sheet")
    ap.add_argument("--workers", type=int, default=2)
    o = ap.parse_args()
    if o.sheet:
        return sheet(o.sheet)
    rng = np.random.default_rng(o.seed)
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
