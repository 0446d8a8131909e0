"""The judge's eye: a small network that names what a picture shows and where its objects are. Trained on drawings only,
with other seeds than the training pictures, and never used to train the model.

    python classifier.py --out /tmp/judge --count 24000 --minutes 20     # draws its own pictures, trains, measures itself

It sees pictures reduced to 128×128. Its weights are not kept beside the model: this makes them anew.
"""
import argparse, json, os, time
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
import draw, parallel

SIDE, MASK = 128, 64
# What a head names, by the attribute of that name. An attribute that a picture has not is not asked for; an empty one is a class of
# its own ("" as size: the usual one), except where it only says that there is nothing to name.
HEADS = ["kind", "obj", "col", "style", "bg", "bgcol", "size", "pos", "count", "obj2", "col2", "rel", "land", "time", "weather"]
SWAPPED = dict(obj="obj2", obj2="obj", col="col2", col2="col")
NOTHING = {"obj", "col", "bg", "bgcol", "obj2", "col2", "land", "time"}


def reduce(pictures, side=SIDE):
    """[..., 256, 256, 3] to [..., side, side, 3] by the mean."""
    k = pictures.shape[-2] // side
    if k == 1:
        return pictures
    s = pictures.shape[:-3]
    return np.round(pictures.reshape(*s, side, k, side, k, 3).mean((-4, -2), dtype=np.float32)).astype(np.uint8)


def drawn(a, seed):
    """A drawing of 128×128 and the mask [64, 64] of its objects, 0 to 255."""
    size = 256 if a["style"] == "pixel" else SIDE  # so many cells for its blocks
    masks = []
    rgb = draw.render(a, seed, size, masks)
    mask = np.zeros(rgb.shape[:2], np.float32)
    for m in masks:
        mask = np.maximum(mask, np.kron(np.asarray(m, np.float32), np.ones((size // len(m),) * 2, np.float32)))
    k = size // MASK
    return reduce(rgb), np.round(255 * mask.reshape(MASK, k, MASK, k).mean((1, 3))).astype(np.uint8)


def draw_set(folder, attributes, seed, workers=2):
    """Pictures and masks of `attributes` as files in `folder`; what is there already for the same attributes stays."""
    n = len(attributes)
    os.makedirs(folder, exist_ok=True)
    # Numbers compare as JSON keeps them.
    if not os.path.exists(f"{folder}/drawn") or json.load(open(f"{folder}/attributes.json")) != json.loads(json.dumps(attributes)):
        pictures = np.memmap(f"{folder}/pictures.u8", np.uint8, "w+", shape=(n, SIDE, SIDE, 3))
        masks = np.memmap(f"{folder}/masks.u8", np.uint8, "w+", shape=(n, MASK, MASK))
        json.dump(attributes, open(f"{folder}/attributes.json", "w"))
        pids = []
        for w in range(workers):
            pid = os.fork()
            if pid == 0:
                try:
                    for i in range(w, n, workers):
                        pictures[i], masks[i] = drawn(attributes[i], seed * 1000003 + i)
                    os._exit(0)
                except BaseException as e:
                    print(repr(e), attributes[i], flush=True)
                    os._exit(1)
            pids.append(pid)
        if any([os.waitpid(pid, 0)[1] for pid in pids]):
            raise SystemExit("drawing failed")
        open(f"{folder}/drawn", "w").write(str(n))
    return open_set(folder)


def open_set(folder):
    attributes = json.load(open(f"{folder}/attributes.json"))
    n = len(attributes)
    return (
        attributes,
        np.memmap(f"{folder}/pictures.u8", np.uint8, "r", shape=(n, SIDE, SIDE, 3)),
        np.memmap(f"{folder}/masks.u8", np.uint8, "r", shape=(n, MASK, MASK)),
    )


def value(a, head):
    """What head `head` should say of a picture with attributes `a`; None where it is not asked."""
    if head in ("size", "pos") and (a.get("rel") or a.get("count", 1) > 1):
        return None
    # Of two objects side by side a picture does not tell which one stands beside the other: the first by name is the first.
    if a.get("rel") == "beside" and a["obj2"] < a["obj"] and head in SWAPPED:
        head = SWAPPED[head]
    v = a.get(head)
    return None if v is None or (v == "" and head in NOTHING) else str(v)


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.a, self.b = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.na, self.nb = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.skip = nn.Conv2d(i, o, 1, bias=False)
        self.stride = stride

    def forward(self, x):
        h = self.nb(self.b(F.relu(self.na(self.a(x)))))
        return F.relu(h + self.skip(F.avg_pool2d(x, 2) if self.stride == 2 else x))


class Classifier(nn.Module):
    """`classes`: head -> names. Takes [n, 3, 128, 128] in [-1, 1]."""

    def __init__(self, classes, widths=(32, 48, 96, 160)):
        super().__init__()
        w = widths
        self.classes = classes
        self.stem = nn.Sequential(nn.Conv2d(3, w[0], 6, 4, 1, bias=False), nn.BatchNorm2d(w[0]), nn.ReLU())  # 32×32
        self.down = nn.ModuleList([Block(i, o, 2) for i, o in zip(w, w[1:])])  # 16, 8, 4
        self.places = nn.Conv2d(w[3], 24, 1)
        self.join = nn.Linear(w[3] + 24 * 16, w[3])
        self.heads = nn.ModuleDict({k: nn.Linear(w[3], len(v)) for k, v in classes.items()})
        self.sides = nn.ModuleList([nn.Conv2d(v, 24, 1) for v in w])
        self.mix = nn.Conv2d(24, 24, 3, 1, 1)
        self.mask = nn.Conv2d(24, 4, 3, 1, 1)

    def forward(self, x):
        """Logits of every head, the joint features [n, 160], and the logits of the objects' mask [n, 64, 64]."""
        levels = [self.stem(x)]
        for block in self.down:
            levels.append(block(levels[-1]))
        h = levels[-1]
        f = F.relu(self.join(torch.cat([h.mean((2, 3)), F.relu(self.places(h)).flatten(1)], 1)))
        m = self.sides[3](h)
        for k in (2, 1, 0):
            m = F.relu(F.interpolate(m, scale_factor=2.0) + self.sides[k](levels[k]))
        m = F.pixel_shuffle(self.mask(F.relu(self.mix(m))), 2)[:, 0]
        return {k: head(f) for k, head in self.heads.items()}, f, m


class Augment:
    """Small shifts, and what an autoencoder does to a picture: soft edges, noise, a little less or more light. Cheap: the noise is
    a part of a large supply, the softness is a batch's."""

    def __init__(self, batch, rng):
        self.rng, self.batch = rng, batch
        make = torch.Generator().manual_seed(5)
        fine = torch.randn(batch + 8, SIDE, SIDE, 3, generator=make)
        coarse = torch.randn(batch + 8, SIDE // 4, SIDE // 4, 3, generator=make)
        self.noise = 0.05 * (fine + coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)).flatten()

    def __call__(self, pictures, masks):
        """Bytes [n, 128, 128, 3] and [n, 64, 64] to the network's input and masks of 0 to 1."""
        n, rng = len(pictures), self.rng
        dx, dy = rng.integers(-3, 4, 2)
        at = lambda size, by: np.clip(np.arange(size) + by, 0, size - 1)
        x = torch.from_numpy(pictures.take(at(SIDE, 2 * dy), 1).take(at(SIDE, 2 * dx), 2)).float()
        mask = torch.from_numpy(masks.take(at(MASK, dy), 1).take(at(MASK, dx), 2)).float().div_(255)
        if rng.random() < 0.6:
            w = 0.33 * float(rng.random())
            for axis in (1, 2):
                x = torch.lerp(x, (torch.roll(x, 1, axis) + torch.roll(x, -1, axis)) / 2, w * 2)
        start = int(rng.integers(8 * SIDE * SIDE * 3))
        noise = self.noise[start : start + x.numel()].view(x.shape)
        x = x.mul_((1 + 0.06 * (torch.rand(n, 1, 1, 1) - 0.5)) / 127.5).add_(0.05 * (torch.rand(n, 1, 1, 3) - 0.5) - 1)
        x = x.add_(noise * torch.rand(n, 1, 1, 1) ** 2).clamp_(-1, 1)
        return x.permute(0, 3, 1, 2), mask


def to_network(pictures):
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


class Judge:
    """A trained classifier."""

    def __init__(self, path):
        s = torch.load(path)
        self.classes, self.own = s["classes"], s.get("own", {})
        self.net = Classifier(self.classes)
        self.net.load_state_dict(s["model"])
        self.net.eval().to(memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self, pictures, batch=100):
        """[n, 128 or 256, .., 3] bytes -> ({head: names [n]}, features [n, 160], masks [n, 64, 64] as booleans)."""
        names, features, masks = {k: [] for k in self.classes}, [], []
        for i in range(0, len(pictures), batch):
            x = to_network(reduce(np.asarray(pictures[i : i + batch]))).to(memory_format=torch.channels_last)
            logits, f, m = self.net(x)
            for k, v in logits.items():
                names[k] += [self.classes[k][j] for j in v.argmax(1).tolist()]
            features.append(f)
            masks.append(m > 0)
        return names, torch.cat(features).numpy().astype(np.float64), torch.cat(masks).numpy()


def overlap(a, b):
    """Intersection over union of boolean masks [n, h, w]."""
    return (a & b).sum((1, 2)) / np.maximum((a | b).sum((1, 2)), 1)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", default="/tmp/judge")
    ap.add_argument("--count", type=int, default=24000, help="drawings to learn from")
    ap.add_argument("--minutes", type=float, default=20)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--seed", type=int, default=77, help="no seed that training pictures are drawn with")
    ap.add_argument("--workers", type=int, default=2)
    ap.add_argument("--more", action="store_true", help="go on from the classifier that is there")
    o = ap.parse_args()
    torch.manual_seed(o.seed)
    rng = np.random.default_rng(o.seed)
    started = time.time()
    # Any combination, the model's held-out ones too: the judge has to know them. Two different objects, the hardest to name, twice as often.
    attributes = []
    while len(attributes) < o.count:
        a = draw.sample(rng, None)
        if a.get("rel") or rng.random() < 0.5:
            attributes.append(a)
    attributes, pictures, truth = draw_set(f"{o.out}/learnt", attributes, o.seed, o.workers)
    tests = draw_set(f"{o.out}/tested", [draw.sample(rng, None) for _ in range(1500)], o.seed + 1, o.workers)
    print(f"drawn in {time.time() - started:.0f} s", flush=True)
    classes = {h: sorted({v for a in attributes if (v := value(a, h)) is not None}) for h in HEADS}
    classes = {h: v for h, v in classes.items() if len(v) > 1}
    known = {h: torch.tensor([v.index(value(a, h)) if value(a, h) in v else -1 for a in attributes]) for h, v in classes.items()}
    net = Classifier(classes)
    before = torch.load(f"{o.out}/classifier.pt") if o.more else None
    if before:
        net.load_state_dict(before["model"])
    net = net.to(memory_format=torch.channels_last)
    opt = torch.optim.AdamW(net.parameters(), o.lr, weight_decay=0.02)
    print("parameters", sum(p.numel() for p in net.parameters()), {h: len(v) for h, v in classes.items()}, flush=True)
    rank = parallel.start(o.workers, 29577)
    rng = np.random.default_rng([o.seed, rank, before["seen"] if before else 0])
    torch.manual_seed(o.seed + rank)
    augment = Augment(o.batch, rng)
    shared = [v for v in net.state_dict().values() if v.dtype == torch.float32]
    begun, seen, done, avg = time.time(), 0, 0.0, {}
    # Each process learns by itself and they agree every 16 steps. The rate falls with the time, so that a busy machine ends
    # with a finished network, only a less trained one.
    while done < 1:
        for g in opt.param_groups:
            g["lr"] = o.lr * min(1, (seen + 1) / 6400) * (1 - done) ** 0.8 + 1e-6
        for _ in range(16):
            rows = rng.integers(0, o.count, o.batch)
            x, mask = augment(pictures[rows], truth[rows])
            logits, _, m = net(x)
            terms = {h: F.cross_entropy(v, known[h][rows], ignore_index=-1, reduction="sum") / o.batch for h, v in logits.items()}
            terms["mask"] = 2 * F.binary_cross_entropy_with_logits(m, mask)
            sum(terms.values()).backward()
            opt.step()
            opt.zero_grad()
            for k, v in terms.items():
                avg[k] = avg.get(k, v.item()) * 0.98 + 0.02 * v.item()
        seen += 16 * o.batch * o.workers
        parallel.average(shared)
        (done,) = parallel.agree((time.time() - begun) / (60 * o.minutes))
        if rank == 0:
            state = dict(classes=classes, model=net.state_dict(), seen=seen + (before["seen"] if before else 0))
            torch.save(state, f"{o.out}/classifier.part")
            os.replace(f"{o.out}/classifier.part", f"{o.out}/classifier.pt")
            if seen // (16 * o.batch * o.workers) % 4 == 0:
                print(f"{seen} {seen / (time.time() - begun):.0f}/s " + " ".join(f"{k} {v:.3f}" for k, v in avg.items()), flush=True)
    if rank > 0:
        os._exit(0)
    # Its own accuracy, on drawings it never saw.
    names, _, masks = Judge(f"{o.out}/classifier.pt")(tests[1])
    own = {}
    for h in classes:
        asked = [(value(a, h), n) for a, n in zip(tests[0], names[h]) if value(a, h) is not None]
        own[h] = (sum(a == b for a, b in asked), len(asked))
        wrong = {}
        for a, b in asked:
            if a != b:
                wrong[f"{a}>{b}"] = wrong.get(f"{a}>{b}", 0) + 1
        worst = sorted(wrong.items(), key=lambda w: -w[1])[:6]
        print(f"{h}: {own[h][0] / max(own[h][1], 1):.4f} of {own[h][1]}", worst, flush=True)
    there = tests[2] > 127
    some = there.any((1, 2))
    own["mask"] = float(overlap(masks[some], there[some]).mean())
    print(f"mask: {own['mask']:.4f} IoU; seen {state['seen']}; {(time.time() - started) / 60:.1f} minutes in all")
    torch.save(dict(state, own=own), f"{o.out}/classifier.pt")


if __name__ == "__main__":
    main()
