"""Draws batches of training pictures on a device: what draw.py's `render` draws, a few hundred at a time.

    python gpu/drawer.py --check                # single pictures against draw.py, pixel by pixel
    python gpu/drawer.py --sheet sheet.jpg      # left draw.py, right a batch; same attributes, other random numbers
"""
import argparse, os, sys, time
import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import draw
from gpu.batches import Batch, Each, Many, between, scenes, shapes

LINE = {"shaded": 0.048, "outlined": 0.1}


def jitter(rng, rgb, amount=10):
    """Colours [n, 1, 1, 3] around those of the rows [n, 3]."""
    rgb = Each(np.asarray(rgb, np.float32).reshape(-1, 1, 1, 3))
    return Each(np.clip((rgb * rng.uniform(0.95, 1.04) + rng.uniform(-amount, amount, 3)).values, 4, 250).astype(np.float32))


def grouped(values):
    """The places of each different value."""
    groups = {}
    for k, v in enumerate(values):
        groups.setdefault(v, []).append(k)
    return groups.items()


def gradient(a, step=1.0):
    """Along rows and along columns of [..., rows, columns], as NumPy's."""
    gy, gx = torch.gradient(a, dim=(-2, -1))
    return gy / step, gx / step


def edges(rgb, full):
    gy, gx = gradient(rgb.mean(3))
    return ((gy.abs() + gx.abs()) / full).clamp(0, 1)


def ink_edges(rgb):
    edge = edges(rgb, 14)
    for axis in (1, 2):
        edge = torch.maximum(edge, torch.maximum(edge.roll(1, axis), edge.roll(-1, axis)))
    return rgb + 0.9 * edge[..., None] * (torch.tensor([14.0, 12, 16], device=rgb.device) - rgb)


def bright(c):
    low, high = c.amin(-1, keepdim=True), c.amax(-1, keepdim=True)
    return ((c - 0.6 * low) / (high - 0.6 * low).clamp(min=30) * 255).clamp(0, 255)


def neon_surroundings(rgb):
    edge = edges(rgb, 24)
    soft = edge[:, None]
    for across in (False, True):
        for w in (3, 5):
            pad, size = ((w, w, 0, 0), (1, 2 * w + 1)) if across else ((0, 0, w, w), (2 * w + 1, 1))
            soft = F.avg_pool2d(F.pad(soft, pad, mode="replicate"), size, 1)
    lit = (0.9 * edge + 0.9 * soft[:, 0]).clamp(0, 1)[..., None]
    return (rgb * 0.2 + torch.tensor([6.0, 4, 16], device=rgb.device)) * (1 - lit) + bright(rgb) * lit


class Plane:
    """Pictures of one number of pixels: the pixel art of a batch, or all the rest."""

    def __init__(self, attributes, n, hard, rng, device):
        self.attributes, self.n, self.hard, self.rng, self.device = attributes, n, hard, rng, device
        count = len(attributes)
        # One row more than there are pixels takes what is painted outside.
        self.pixels = torch.zeros(count * n * n + 1, 3, device=device)
        self.rgb = self.pixels[:-1].view(count, n, n, 3)
        self.dark = np.zeros(count)
        self.surroundings()
        objects = [k for k, a in enumerate(attributes) if a["kind"] == "object"]
        self.union = None
        if any(a["style"] == "watercolor" for a in attributes):
            self.union = torch.full((count * n * n + 1,), 9.0, device=device)
        if objects:
            self.objects(objects)
        self.watercolor()

    def rows(self, places):
        return torch.tensor(places, device=self.device)

    def surroundings(self):
        flat = lambda a: not self.hard and a["style"] in ("flat", "outlined", "neon")
        scene = lambda a: (a["land"], a["time"], a.get("weather", "clear"))
        for (where, even), places in grouped(
            [(scene(a) if a["kind"] == "scene" else a["bg"], flat(a)) for a in self.attributes]
        ):
            cv = Batch(self.n, len(places), self.rng, self.device, even, self.hard)
            if isinstance(where, tuple):
                scenes.landscape(cv, *where)
            else:
                horizon = cv.rng.uniform(-0.16, -0.06)
                names = [self.attributes[k]["bgcol"] for k in places]
                colours = jitter(cv.rng, [draw.COLOURS[c] for c in names], 6) if names[0] else None
                self.dark[places] = scenes.background(cv, where, colours, horizon)
            cv.flush()
            styles = [self.attributes[k]["style"] for k in places]
            for style, change in (("neon", neon_surroundings), ("outlined", ink_edges)):
                some = [k for k, s in enumerate(styles) if s == style]
                if some and (style == "neon" or isinstance(where, tuple)):
                    some = self.rows(some)
                    cv.rgb[some] = change(cv.rgb[some])
            self.rgb[self.rows(places)] = cv.rgb

    def objects(self, places):
        rng = Many(self.rng, len(places))
        side, height = rng.choice([-1.0, -1.0, 1.0]).values.ravel(), rng.uniform(0.45, 0.7).values.ravel()
        light = np.stack([side * 0.5, height, np.full_like(side, 0.66)], 1)
        light = dict(zip(places, light / np.sqrt((light**2).sum(1, keepdims=True))))
        found = []  # picture, layer, name, colour, x, y, scale
        for k in places:
            found += [(k, layer, *o) for layer, o in enumerate(draw.placed(self.attributes[k], self.rng))]
        sides = lambda s: self.n if self.hard else next(int(q * self.n / 256) for q, limit in ((168, 0.475), (248, 0.71), (328, 9)) if s <= limit)
        for side, some in grouped([sides(o[6]) for o in found]):
            self.paint_objects([found[k] for k in some], side, light)

    def paint_objects(self, found, side, light):
        """Objects of nearly one size, each in a square of `side` pixels around it."""
        n, device, count = self.n, self.device, len(found)
        styles = [self.attributes[o[0]]["style"] for o in found]
        cx, cy, s = (np.array([o[k] for o in found], np.float32) for k in (4, 5, 6))
        left, top = (np.floor((v + 1) / 2 * n) - side // 2 if not self.hard else np.zeros(count) for v in (cx, -cy))
        move = lambda a: torch.from_numpy(np.asarray(a, np.float32)).to(device)
        number = lambda a: move(a).view(-1, 1, 1)
        steps = torch.arange(side, device=device)
        columns, rows = number(left) + steps, number(top) + steps[:, None]
        X, Y = ((columns + 0.5) / n * 2 - 1).expand(-1, side, -1), -((rows + 0.5) / n * 2 - 1).expand(-1, -1, side)
        inside = (rows >= 0) & (rows < n) & (columns >= 0) & (columns < n)
        first = torch.tensor([o[0] * n * n for o in found], device=device).view(-1, 1, 1)
        index = torch.where(inside, first + (rows * n + columns).long(), len(self.pixels) - 1)
        LX, parts = torch.empty(count, side, side, device=device), {}
        main = np.zeros((count, 3), np.float32)
        for name, some in grouped([o[2] for o in found]):
            rng = Many(self.rng, len(some))
            colour = jitter(rng, [draw.COLOURS[found[k][3]] for k in some])
            turn = rng.uniform(-0.06, 0.06) + draw.LYING.get(name, 0)
            may_flip = name not in ("fish", "moon", "boat", *draw.LYING)
            flip = Each(np.where(rng.uniform(0, 1).values < (0.5 if may_flip else 0), -1.0, 1.0))
            at, each = self.rows(some), lambda a: Each(a[some].reshape(-1, 1, 1))
            lx, ly = flip * (X[at] - each(cx)) / each(s), (Y[at] - each(cy)) / each(s)
            wet = [j for j, k in enumerate(some) if styles[k] == "watercolor"]
            if wet:
                subset = self.rows(wet)
                for axis in (lx, ly):
                    grid = move(self.rng.random((len(wet), 8, 8)))
                    down, across = (between(7, v[at[subset]].flatten(1), n) for v in (rows, columns))
                    axis[subset] += 0.09 * (down @ grid @ across.mT - 0.5)
            cos, sin = Each(np.cos(turn.values)), Each(np.sin(turn.values))
            lx, ly = lx * cos + ly * sin, ly * cos - lx * sin
            LX[at], main[some] = lx, colour.values.reshape(-1, 3)
            parts[name] = (some, at, shapes.draw_object(name, lx, ly, colour, rng))
        most = max(len(p) for _, _, p in parts.values())
        D = torch.full((count, most, side, side), 9.0, device=device)
        C, table = np.zeros((count, most, 3), np.float32), np.zeros((3, count, most), np.float32)  # bevel, gloss, edge
        for some, at, found_parts in parts.values():
            for p, (d, c, *how) in enumerate(found_parts):
                D[at, p] = d.expand(len(some), side, side)
                C[some, p] = c.values.reshape(-1, 3)
                for row, value in zip(table, how):
                    row[some, p] = value
        parts.clear()
        C, main, (bevel, gloss, edge) = move(C), move(main), move(table)
        outer = edge > 0
        outer[:, 0] = True
        union = D.masked_fill(~outer[..., None, None], 9.0).amin(1)
        s_, lights = number(s), move([light[o[0]] for o in found])
        dark, night = move([self.dark[o[0]] for o in found]), move([
            self.attributes[o[0]]["bgcol"] == "black" or self.attributes[o[0]]["bg"] == "night sky" for o in found
        ])
        for (layer, style), some in sorted(grouped([(o[1], t) for o, t in zip(found, styles)])):
            at = self.rows(some)
            P = self.pixels[index[at]]
            x, y = X[at] - number(cx[some]), Y[at] - number(cy[some])
            self.paint_style(
                style, P, D[at], union[at], LX[at], x, y, s_[at], C[at], main[at], bevel[at], gloss[at], edge[at],
                lights[at], dark[at], night[at], first[at, 0, 0], (rows[at], columns[at]),
            )
            self.pixels[index[at]] = P
            if style == "watercolor":
                self.union[index[at]] = torch.minimum(self.union[index[at]], union[at] * s_[at])

    def paint_style(self, style, P, D, union, lx, x, y, s, C, main, bevel, gloss, edge, lights, dark, night, first, places):
        n, count = self.n, len(P)
        wide = lambda v: v.view(-1, 1, 1)
        colours = lambda c: c.view(-1, 1, 1, 3)

        def paint(mask, colour):
            if not isinstance(colour, torch.Tensor):
                colour = torch.tensor(colour, dtype=torch.float32, device=P.device)
            P.add_(mask[..., None] * (colour - P))

        def cover(d):
            return (d < 0).float() if self.hard else (0.5 - d * s * (n / 2)).clamp(0, 1)

        if style not in ("flat", "neon"):
            d = (1.15 - shapes.length((x - 0.06) / (0.85 * s), (y + 0.92 * s) / (0.17 * s))).clamp(0, 1)
            shadow = torch.where(self.pixels[first].sum(1) > 120, 0.0, 90.0)
            paint(wide(dark) * ((d > 0.2).float() if self.hard else (2 * d).clamp(max=1)), wide(shadow)[..., None])
        step = 2 / n / s
        line = LINE.get(style, 0.0) if style != "pixel" else (1.5 * step).clamp(min=0.075)
        ink = torch.tensor([14.0, 12, 16], device=P.device) if style == "outlined" else colours(main * 0.24 * 0.8 + 6)
        if style == "outlined":
            paint(cover(union - 2.1 * line), (250, 250, 250))
        elif style in ("shaded", "pixel"):
            paint(cover(union - 2 * line) * wide(night * (main.sum(1) < 160)), (150, 150, 162))
        if style in ("shaded", "pixel", "outlined"):
            paint(cover(union - line), ink)
        if style == "neon":
            return glow(paint, cover, D, union, C, edge)
        grids = between_patches = None
        if style == "watercolor":
            grids = torch.from_numpy(self.rng.random((count, D.shape[1], 7, 7)).astype(np.float32)).to(P.device)
            between_patches = [between(6, v.flatten(1), n) for v in places]
        for p in range(D.shape[1]):
            d, c = D[:, p], colours(C[:, p])
            mask = cover(d)
            if style in ("shaded", "pixel", "outlined"):
                paint(cover(d - line * 0.62 * wide(edge[:, p])) * wide(edge[:, p] > 0), ink)
            if style in ("shaded", "pixel"):
                round_, b = wide(bevel[:, p] > 0)[..., None], wide(bevel[:, p].clamp(min=1e-3))
                h = (1 + d / b).clamp(0, 1)
                h = (1 - h * h).clamp(min=0).sqrt() * b
                gy, gx = gradient(h, step)
                lx_, ly_, lz = (wide(v) for v in lights.T)
                lit = (-gx * lx_ + gy * ly_ + lz) / (1 + gx * gx + gy * gy).sqrt()
                value = c * (0.5 + 0.66 * lit.clamp(-0.3, 1))[..., None]
                value = value + (255 * 0.55 * wide(gloss[:, p]) * ((lit - 0.9) * 9).clamp(0, 1) ** 2 + 26 * (-lit).clamp(0, 0.4))[..., None]
                paint(mask, torch.where(round_, value.clamp(0, 255), c))
            elif style == "watercolor":
                noise = between_patches[0] @ grids[:, p] @ between_patches[1].mT
                wash = 0.80 + 0.3 * noise - 0.34 * (1 + d / 0.1).clamp(0, 1) ** 2
                paint(mask * 0.9, (c * wash[..., None] + 30).clamp(0, 255))
            elif style == "flat":
                paint(mask, torch.where((lx > 0)[..., None], c * 0.84, (c * 1.06).clamp(max=255)))
            else:
                paint(mask, c)

    def watercolor(self):
        places = [k for k, a in enumerate(self.attributes) if a["style"] == "watercolor"]
        if not places:
            return
        at, cv = self.rows(places), Batch(self.n, len(places), self.rng, self.device)
        grain, wash = (cv.noise(64) - 0.5) * 10, 0.42 + 0.25 * cv.noise(4)
        edge = ((torch.maximum(cv.x.abs(), cv.y.abs()) + 0.08 * cv.noise(9) - 0.9) * 9).clamp(0, 1)
        paper = torch.tensor([250.0, 246, 236], device=self.device)
        share = torch.tensor([0.5 if self.attributes[k]["kind"] == "scene" else 0.75 for k in places], device=self.device)
        pale = share.view(-1, 1, 1) * wash * (1 - cv.cover(self.union[:-1].view(self.rgb.shape[:3])[at]))
        rgb = self.rgb[at]
        rgb = rgb + (paper - rgb) * pale[..., None]
        self.rgb[at] = rgb + (paper - rgb) * edge[..., None] + grain[..., None]


def glow(paint, cover, D, union, C, edge):
    paint(cover(union), (12, 12, 12))
    largest = ((D < 0).sum((2, 3)) + 1).masked_fill(edge == 0, 0).argmax(1)
    C, rows = bright(C)[:, :, None, None], torch.arange(len(C), device=C.device)
    paint(0.62 * torch.exp(-union.abs() / 0.1), C[rows, largest])
    for p in range(D.shape[1]):
        d, c, outer = D[:, p], C[:, p], (edge[:, p] > 0).float().view(-1, 1, 1)
        real = (d.amin((1, 2)) < 8).float().view(-1, 1, 1)
        paint(cover(d), c * 0.2)
        paint(real * (0.5 + 0.5 * outer) * (1.6 - (d + 0.03).abs() / 0.034).clamp(0, 1), c)
        paint(0.55 * outer * (1.5 - (d + 0.03).abs() / 0.014).clamp(0, 1), (255, 255, 255))


@torch.no_grad()
def render(attributes, seed, size=256, device="cpu"):
    """Pictures [len(attributes), size, size, 3] as bytes on the device. A batch of one is draw.py's picture of that seed."""
    rng = np.random.default_rng(seed)
    out = torch.empty(len(attributes), size, size, 3, dtype=torch.uint8, device=device)
    for hard, places in grouped([a["style"] == "pixel" for a in attributes]):
        rgb = Plane([attributes[k] for k in places], size // 8 if hard else size, hard, rng, device).rgb.clamp(0, 255)
        if hard:
            rgb = ((rgb / 24).round() * 24).repeat_interleave(8, 1).repeat_interleave(8, 2)
        out[torch.tensor(places, device=device)] = (rgb + 0.5).clamp(0, 255).to(torch.uint8)
    return out


def examples():
    """Every object, style, place, landscape and weather."""
    rng, cells = np.random.default_rng(9), []
    while len(cells) < 84:
        a = draw.sample(rng, None)
        if a["kind"] == "object" and a["obj"] == draw.OBJECTS[len(cells) % 28]:
            cells.append(a)
    for k, land in enumerate(draw.LANDS * 4):
        cells.append(dict(kind="scene", land=land, time=draw.TIMES[k % 3], weather=draw.WEATHERS[k // 8], style=draw.STYLES[k % 7 % 6]))
    return cells


def check():
    """A batch of one uses its random numbers in draw.py's order, but for two or three of one object and two objects in watercolor."""
    worst, where = 0.0, ""
    for k, a in enumerate(examples()):
        if a["kind"] == "object" and (a["count"] > 1 or a["rel"] and a["style"] == "watercolor"):
            continue
        difference = np.abs(render([a], k)[0].numpy().astype(int) - draw.render(a, k).astype(int))
        share = (difference > 2).mean()
        if share > worst:
            worst, where = share, f"{a}"
        if share > 0.001:
            print(f"{100 * share:.2f} % of the values differ by more than 2: {a}")
    print(f"largest share of values that differ by more than 2 of 255: {100 * worst:.3f} % {where}")
    if worst > 0.01:
        sys.exit("differs")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--check", action="store_true")
    ap.add_argument("--sheet")
    ap.add_argument("--device", default="cpu")
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--count", type=int, default=96, help="pictures of the batch that is timed")
    o = ap.parse_args()
    if o.check:
        check()
    if o.sheet:
        from PIL import Image

        cells = examples()
        a, b = [draw.render(c, 500 + k, o.size) for k, c in enumerate(cells)], render(cells, 7, o.size, o.device).cpu().numpy()
        both = [np.concatenate([x, y], 1) for x, y in zip(a, b)]
        rows = [np.concatenate(both[k : k + 8], 1) for k in range(0, len(both) // 8 * 8, 8)]
        Image.fromarray(np.concatenate(rows, 0)).resize((16 * 112, len(rows) * 112), Image.LANCZOS).save(o.sheet, quality=88)
    rng = np.random.default_rng(3)
    attributes = [draw.sample(rng) for _ in range(o.count)]
    for _ in range(2):  # the second shows the speed
        begun = time.time()
        render(attributes, 3, o.size, o.device).cpu()
        print(f"{o.count / (time.time() - begun):.0f} pictures of {o.size}×{o.size} a second on {o.device}")


if __name__ == "__main__":
    main()
