"""shapes.py and scenes.py over batches of pictures on a device: the same code with torch in the place of NumPy.

Distances are tensors [pictures, rows, columns]. Numbers and colours that differ from picture to picture stay on the host (`Each`)
until they meet a tensor, so their smallest and largest values, which bound what has to be painted, cost no wait for the device.
"""
import functools, importlib.util, operator, os
import numpy as np
import torch
import torch.nn.functional as F

ABOVE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


class Each:
    """A number [pictures, 1, 1] or a colour [pictures, 1, 1, 3] for each picture; [] and [3] where it is the same for all."""

    def __init__(self, values):
        self.values, self.copy = np.asarray(values), None

    def on(self, device):
        if self.copy is None:
            kept = self.values if self.values.dtype == bool else self.values.astype(np.float32)
            self.copy = torch.from_numpy(np.ascontiguousarray(kept)).to(device, non_blocking=True)
        return self.copy

    def __getitem__(self, at):
        return Each(self.values[at])

    def min(self, axis):
        return Each(self.values.min(axis))

    def sum(self, axis):
        return Each(self.values.sum(axis))

    def __neg__(self):
        return Each(-self.values)

    def __abs__(self):
        return Each(abs(self.values))

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        device = next(a.device for a in args if isinstance(a, torch.Tensor))
        return function(*(a.on(device) if isinstance(a, Each) else a for a in args), **(kwargs or {}))


def combined(function, a, b):
    if isinstance(a, torch.Tensor):
        return function(a, b.on(a.device))
    if isinstance(b, torch.Tensor):
        return function(a.on(b.device), b)
    a, b = (np.asarray(v.values if isinstance(v, Each) else v) for v in (a, b))
    if a.ndim == 3 and b.ndim in (1, 4):  # a number and a colour
        a = a[..., None]
    elif b.ndim == 3 and a.ndim in (1, 4):
        b = b[..., None]
    return Each(function(a, b))


for name in ("add", "sub", "mul", "truediv", "pow", "mod", "lt", "le", "gt", "ge", "and_", "or_"):
    function, name = getattr(operator, name), name.rstrip("_")
    setattr(Each, f"__{name}__", lambda a, b, f=function: combined(f, a, b))
    if name not in ("lt", "le", "gt", "ge"):  # Python mirrors comparisons itself
        setattr(Each, f"__r{name}__", lambda a, b, f=function: combined(f, b, a))


def host(value):
    return value.values if isinstance(value, Each) else value


def as_tensor(value, like):
    return value.on(like.device) if isinstance(value, Each) else torch.full((), float(value), device=like.device)


class Arrays:
    """What shapes.py and scenes.py use of NumPy."""

    float32, pi, ceil = np.float32, np.pi, staticmethod(np.ceil)
    zeros_like, full_like = staticmethod(torch.zeros_like), staticmethod(torch.full_like)

    def __getattr__(self, name):  # of one number: sqrt, abs, sin, cos, exp, floor, round, sign
        one, many = getattr(np, name), getattr(torch, name)

        def function(a):
            return many(a) if isinstance(a, torch.Tensor) else Each(one(a.values)) if isinstance(a, Each) else one(a)

        setattr(self, name, function)
        return function

    @staticmethod
    def _larger(a, b, sign):
        if not isinstance(a, torch.Tensor):
            a, b = b, a
        if not isinstance(a, torch.Tensor):
            return combined(np.maximum if sign > 0 else np.minimum, a, b)
        if isinstance(b, (int, float)):
            return a.clamp(min=b) if sign > 0 else a.clamp(max=b)
        return (torch.maximum if sign > 0 else torch.minimum)(a, b if isinstance(b, torch.Tensor) else b.on(a.device))

    def maximum(self, a, b):
        return self._larger(a, b, 1)

    def minimum(self, a, b):
        return self._larger(a, b, -1)

    @staticmethod
    def clip(a, low, high):
        return a.clamp(low, high) if isinstance(a, torch.Tensor) else Each(np.clip(host(a), low, high))

    @staticmethod
    def where(yes, a, b):
        if isinstance(yes, torch.Tensor):
            return torch.where(yes, *(v if isinstance(v, torch.Tensor) else as_tensor(v, yes) for v in (a, b)))
        return Each(np.where(host(yes), host(a), host(b)))

    @staticmethod
    def max(a):
        return float(np.max(host(a)))

    @staticmethod
    def asarray(a, dtype=None):
        return a if isinstance(a, (torch.Tensor, Each)) else constant(tuple(map(float, a)))


@functools.lru_cache(4096)
def constant(values):
    return Each(np.asarray(values, np.float32))


def twin(name, others=None):
    """A module of the folder above once more, with torch in the place of NumPy; functions of `others` in the place of theirs."""
    spec = importlib.util.spec_from_file_location(f"batches_{name}", os.path.join(ABOVE, f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = vars(module)
    names.update({k: v for k, v in vars(others).items() if k in names and callable(v)} if others else {}, np=Arrays())
    return module


shapes = twin("shapes")
scenes = twin("scenes", shapes)


class Many:
    """A NumPy generator for `count` pictures: uniform numbers are one for each, other decisions are one for all."""

    def __init__(self, generator, count):
        self.generator, self.count = generator, count

    def uniform(self, low, high, size=None):
        shape = (self.count, 1, 1) + ((size,) if size else ())
        return Each(self.generator.uniform(host(low), host(high), shape))

    def random(self, shape=None):
        return self.generator.random((self.count, *shape)).astype(np.float32) if shape else self.generator.random()

    def integers(self, *bounds):
        return int(self.generator.integers(*bounds))

    def choice(self, values):
        return Each(np.reshape([self.generator.choice(values) for _ in range(self.count)], (-1, 1, 1)))


def between(cells, places, n):
    """Weights [..., cells + 1] that give smooth noise of `cells` cells at pixels `places` of n."""
    at = places.clamp(0, n - 1) * ((cells - 1e-3) / (n - 1))
    whole = at.floor()
    share = at - whole
    share = share * share * (3 - 2 * share)
    steps = torch.arange(cells + 1, device=places.device)
    here = (whole[..., None] == steps).float()
    return here * (1 - share[..., None]) + (whole[..., None] + 1 == steps).float() * share[..., None]


class Batch(scenes.Canvas):
    """Canvases [count, n, n]. Dots and dashes wait until something else is painted, and then are painted together."""

    def __init__(self, n, count, rng, device, flat=False, hard=False):
        self.n, self.count, self.flat, self.hard = n, count, flat, hard
        self.rng, self.device, self.waiting = Many(rng, count), device, []
        step = (torch.arange(n, device=device) + 0.5) / n * 2 - 1
        self.x, self.y = step[None, None].expand(count, n, n), -step[None, :, None].expand(count, n, n)
        self.rgb = torch.zeros(count, n, n, 3, device=device)

    def window(self, cx, cy, rx, ry=None):
        self.flush()
        ry = rx if ry is None else ry
        low = lambda v: int(np.clip(np.floor((np.min(host(v)) + 1) / 2 * self.n) - 1, 0, self.n - 1))
        high = lambda v: int(np.clip(np.ceil((np.max(host(v)) + 1) / 2 * self.n) + 1, 1, self.n))
        part = object.__new__(Batch)
        part.__dict__.update(self.__dict__, waiting=[])
        part.rows, part.columns = slice(low(-cy - ry), high(-cy + ry)), slice(low(cx - rx), high(cx + rx))
        part.x, part.y, part.rgb = (a[:, part.rows, part.columns] for a in (self.x, self.y, self.rgb))
        return part

    def dot(self, cx, cy, r, colour, strength=1.0):
        self.dash(cx, cy, 0, 0, r, colour, strength)

    def dash(self, ax, ay, dx, dy, r, colour, strength=1.0):
        colour = np.asarray(host(colour), np.float32)
        if self.waiting and not (strength == self.waiting[0][1] and np.array_equal(colour, self.waiting[0][0])):
            self.flush()
        self.waiting.append((colour, strength, [np.broadcast_to(np.reshape(host(v), -1), self.count) for v in (ax, ay, dx, dy, r)]))

    def flush(self):
        if not self.waiting:
            return
        waiting, self.waiting, n = self.waiting, [], self.n
        ax, ay, dx, dy, r = np.moveaxis(np.array([w[2] for w in waiting]), 1, 0).transpose(0, 2, 1)  # each [pictures, strokes]
        at, size = [], []
        for a, d in ((ax, dx), (-ay, -dy)):
            size.append(int(np.ceil((abs(d) / 2 + r).max() * n)) + 3)
            at.append(np.floor((a + d / 2 + 1) / 2 * n) - size[-1] // 2)
        numbers = torch.from_numpy(np.stack([ax, ay, dx, dy, r, *at]).astype(np.float32)).to(self.device)[..., None, None]
        ax, ay, dx, dy, r, left, top = numbers
        columns = left + torch.arange(size[0], device=self.device)
        rows = top + torch.arange(size[1], device=self.device)[:, None]
        x, y = (columns + 0.5) / n * 2 - 1 - ax, -((rows + 0.5) / n * 2 - 1) - ay
        t = ((x * dx + y * dy) / (dx * dx + dy * dy).clamp(min=1e-9)).clamp(0, 1)
        keep = 1 - waiting[0][1] * self.cover(shapes.length(x - t * dx, y - t * dy) - r)
        inside = (rows >= 0) & (rows < n) & (columns >= 0) & (columns < n)
        places = torch.where(inside, rows * n + columns, n * n).long().flatten(1)
        left_over = torch.ones(self.count, n * n + 1, device=self.device)
        left_over.scatter_reduce_(1, places, keep.flatten(1), "prod")
        self.paint(1 - left_over[:, :-1].view(self.count, n, n), Each(waiting[0][0]))

    def paint(self, mask, colour):
        self.flush()
        super().paint(mask, colour)

    def cover(self, d, unit=1.0):
        return (d < 0).float() if self.hard else (0.5 - d * unit * (self.n / 2)).clamp(0, 1)

    def noise(self, cells, seed_rows=None):
        rows = seed_rows or cells
        grid = torch.from_numpy(self.rng.random((rows + 1, cells + 1))).to(self.device)
        places = torch.arange(self.n, device=self.device, dtype=torch.float32)
        return between(rows, places, self.n) @ grid @ between(cells, places, self.n).T
