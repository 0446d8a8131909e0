"""Judges an exported model: draws with what ships (generate.mjs: the built runtime), asks the classifier what it sees.

    python judge.py --set development --count 200              # what may be looked at while training
    python judge.py --set held-out --count 1000 --parts all    # the figures of the model card; never steers anything

Combinations of the held-out set were never drawn for training. Every list of prompts is deterministic, every picture is of the
first seed. Writes results.json, sheets and the pictures themselves (bytes) into --to; what was drawn before is kept.
"""
import argparse, hashlib, json, math, os, subprocess, time
import numpy as np
from PIL import Image, ImageDraw
import draw
from captions import caption
from classifier import HEADS, SIDE, Judge, draw_set, open_set, overlap, reduce, value

HERE = os.path.dirname(os.path.abspath(__file__))
ASKED = ["obj", "col", "style", "bg", "bgcol", "count", "obj2", "col2", "rel", "size", "pos", "land", "time", "weather"]
PARTS = ["main", "sheet", "image", "steps", "words", "counts", "negative", "empty", "inpaint", "neighbours", "speed"]


# --- numbers ---
def wilson(right, n, z=1.96):
    """The 95 % interval of a share."""
    if n == 0:
        return 0.0, 1.0
    p, zz = right / n, z * z / n
    middle, half = p + zz / 2, z * math.sqrt(p * (1 - p) / n + zz / (4 * n))
    return max(0.0, (middle - half) / (1 + zz)), min(1.0, (middle + half) / (1 + zz))


def share(right, n):
    low, high = wilson(right, n)
    return dict(right=int(right), of=int(n), share=round(right / n, 4) if n else None, low=round(low, 4), high=round(high, 4))


def frechet(a, b):
    """Fréchet distance of Gaussians fitted to features [n, d]."""
    ma, mb, ca, cb = a.mean(0), b.mean(0), np.cov(a.T), np.cov(b.T)
    w, v = np.linalg.eigh(ca)
    root = (v * np.sqrt(np.maximum(w, 0))) @ v.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cb @ root), 0)).sum()
    return float(((ma - mb) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * both)


def score(cases, names, heads=ASKED):
    """Accuracy of every head that the cases ask, what was taken for what, and all asked heads at once."""
    result, whole = {}, np.ones(len(cases), bool)
    scene = np.ones(len(cases), bool)
    for h in heads:
        if h not in names:
            continue
        pairs = [(i, value(a, h), n) for i, (a, n) in enumerate(zip(cases, names[h])) if value(a, h) is not None]
        if not pairs:
            continue
        wrong, total, missed = {}, {}, {}
        for i, asked, seen in pairs:
            total[asked] = total.get(asked, 0) + 1
            if asked != seen:
                whole[i] = False
                if h in ("bg", "bgcol"):
                    scene[i] = False
                wrong[f"{asked} > {seen}"] = wrong.get(f"{asked} > {seen}", 0) + 1
                missed[asked] = missed.get(asked, 0) + 1
        result[h] = dict(
            share(len(pairs) - sum(wrong.values()), len(pairs)),
            confusions=dict(sorted(wrong.items(), key=lambda w: -w[1])[:12]),
            worst={k: f"{total[k] - n}/{total[k]}" for k, n in sorted(missed.items(), key=lambda w: -w[1] / total[w[0]])[:8]},
        )
    placed = np.array([value(a, "bg") is not None for a in cases])
    if placed.any():
        result["surroundings"] = share(scene[placed].sum(), placed.sum())
    result["everything"] = share(whole.sum(), len(cases))
    return result


# --- lists of cases ---
def cases_of(which, count, seed, keep=lambda a: True):
    """`count` different attribute sets of a set, the same every time."""
    rng, found = np.random.default_rng([seed, which == "held-out"]), []
    while len(found) < count:
        a = draw.sample(rng, which == "held-out")
        if keep(a):
            found.append(a)
    return found


def prompts_of(cases, seed):
    """A prompt that names everything for each case: synonyms and word orders vary."""
    return [caption(a, np.random.default_rng([seed, i]), typos=False, full=True) for i, a in enumerate(cases)]


def single(a):
    return a["kind"] == "object" and a.get("count", 1) == 1 and not a.get("rel")


def mistyped(text, rng):
    """One letter of one longer word left out, doubled, swapped or replaced."""
    words = text.split(" ")
    at = rng.choice([i for i, w in enumerate(words) if len(w) >= 3 and w.isalpha()])
    w, i = words[at], int(rng.integers(len(words[at]) - 1))
    letter = "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))]
    words[at] = (w[:i] + w[i + 1 :], w[: i + 1] + w[i:], w[:i] + w[i + 1] + w[i] + w[i + 2 :], w[:i] + letter + w[i + 1 :])[
        int(rng.integers(4))
    ]
    return " ".join(words)


# --- drawing ---
class Studio:
    def __init__(self, o):
        self.o = o
        weights = hashlib.sha256()
        for file in ("unet/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"):
            weights.update(open(f"{o.model}/{file}.safetensors", "rb").read())
        self.weights = weights.hexdigest()[:16]

    def draw(self, name, jobs, seeds=None, masks=None, processes=None, threads=1, times=False):
        """Pictures [n, 256, 256, 3] of the jobs; kept in a file that is used again for the same jobs and weights."""
        path = f"{self.o.to}/{name}"
        key = hashlib.sha256(json.dumps([self.weights, jobs]).encode()).hexdigest()
        if not (os.path.exists(f"{path}.key") and open(f"{path}.key").read() == key):
            json.dump(jobs, open(f"{path}.jobs.json", "w"))
            arguments = ["--model", self.o.model, "--jobs", f"{path}.jobs.json", "--to", f"{path}.u8", "--times", f"{path}.times.json"]
            for option, array in (("seeds", seeds), ("masks", masks)):
                if array is not None:
                    np.ascontiguousarray(array).tofile(f"{path}.{option}.u8")
                    arguments += [f"--{option}", f"{path}.{option}.u8"]
            arguments += ["--processes", str(processes or self.o.processes)] + (["--threads", str(threads)] if threads else [])
            begun = time.time()
            subprocess.run(["node", os.path.join(HERE, "generate.mjs"), "--dist", self.o.dist, *arguments], check=True, stderr=subprocess.DEVNULL)
            print(f"{name}: {len(jobs)} pictures in {time.time() - begun:.0f} s", flush=True)
            open(f"{path}.key", "w").write(key)
        return np.fromfile(f"{path}.u8", np.uint8).reshape(-1, 256, 256, 3)


def jobs_of(prompts, first=0, **rest):
    return [dict(prompt=p, seed=first + i, **rest) for i, p in enumerate(prompts)]


def sheet(path, pictures, texts, columns=8, thumb=176, quality=82):
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * thumb, rows * (thumb + 14)), "white")
    pen = ImageDraw.Draw(page)
    for k, (rgb, text) in enumerate(zip(pictures, texts)):
        x, y = k % columns * thumb, k // columns * (thumb + 14)
        page.paste(Image.fromarray(rgb).resize((thumb, thumb), Image.LANCZOS), (x, y))
        while pen.textlength(text) > thumb - 4:
            text = text[:-1]
        pen.text((x + 2, y + thumb + 1), text, fill="black")
    page.save(path, quality=quality)


# --- parts ---
def main_part(o, studio, judge):
    cases = cases_of(o.set, o.count, 1)
    prompts = prompts_of(cases, 2)
    pictures = studio.draw("main", jobs_of(prompts, 10_000))
    names, features, _ = judge(pictures)
    result = score(cases, names)
    # Two further sets of drawings of the same attributes: the classifier's own accuracy, and the floor of the Fréchet distance.
    _, one, _ = draw_set(f"{o.to}/drawn-{o.set}-{o.count}-1", cases, 9001)
    _, two, _ = draw_set(f"{o.to}/drawn-{o.set}-{o.count}-2", cases, 9002)
    names_one, features_one, _ = judge(one)
    _, features_two, _ = judge(two)
    own = score(cases, names_one)
    result["by style"] = {
        s: {h: v for h, v in score([cases[i] for i in rows], {h: [n[i] for i in rows] for h, n in names.items()}).items()}
        for s in sorted({a["style"] for a in cases})
        if (rows := [i for i, a in enumerate(cases) if a["style"] == s])
    }
    wrong = [i for i, a in enumerate(cases) if any(value(a, h) not in (None, names[h][i]) for h in ("obj", "col", "bg", "bgcol", "style", "land", "time") if h in names)]
    told = lambda i: " ".join(f"{value(cases[i], h)}>{names[h][i]}" for h in names if value(cases[i], h) not in (None, names[h][i]))
    if o.set == "development":  # the held-out pictures that went wrong are nobody's to look at while something can still change
        sheet(f"{o.to}/wrong.png", [pictures[i] for i in wrong[:48]], [told(i) + " | " + prompts[i] for i in wrong[:48]])
    return dict(
        prompts=len(cases),
        heads=result,
        classifier_on_drawings_of_the_same=own,
        frechet=dict(generated=frechet(features, features_one), drawn=frechet(features_two, features_one)),
    )


def steps_part(o, studio, judge):
    """Fewer steps, on the first cases of the main set, with its seeds."""
    cases = cases_of(o.set, o.count, 1)[: o.some]
    prompts, result = prompts_of(cases, 2), {}
    _, drawn, _ = draw_set(f"{o.to}/drawn-{o.set}-{o.count}-1", cases_of(o.set, o.count, 1), 9001)
    drawn_features = judge(drawn[: len(cases)])[1]
    for entry in o.steps.split(","):
        scheduler, steps = entry.rsplit(":", 1) if ":" in entry else ("", entry)
        extra = dict(scheduler=scheduler) if scheduler else {}
        if entry == "20" and os.path.exists(f"{o.to}/main.key"):
            pictures = studio.draw("main", jobs_of(prompts_of(cases_of(o.set, o.count, 1), 2), 10_000))[: len(cases)]
        else:
            pictures = studio.draw(f"steps-{entry.replace(':', '-').replace(' ', '')}", jobs_of(prompts, 10_000, steps=int(steps), **extra))
        names, features, _ = judge(pictures)
        result[entry] = dict(score(cases, names), frechet=frechet(features, drawn_features))
    return result


def image_part(o, studio, judge):
    """Image to image: a drawing, and a prompt that asks for another colour of its object. Does the colour change, does the object stay?"""
    rng = np.random.default_rng(31)
    cases = cases_of(o.set, o.some, 3, lambda a: single(a) and a["style"] == "shaded")
    asked = []
    for a in cases:
        near = {a["col"], a["bgcol"]}
        asked.append(dict(a, col=str(rng.choice([c for c in draw.COLOURS if c not in near]))))
    seeds, masks = [], []
    for i, a in enumerate(cases):
        m = []
        seeds.append(draw.render(a, 500_000_000 + i, 256, m))
        mask = np.any([np.asarray(x) > 0.5 for x in m], 0)
        k = 256 // len(mask)
        masks.append(np.kron(mask, np.ones((k, k))).reshape(64, 4, 64, 4).mean((1, 3)) > 0.5)
    seeds, masks = np.stack(seeds), np.stack(masks)
    prompts, result = prompts_of(asked, 4), {}
    floor = overlap(judge(seeds)[2], masks)
    for strength in map(float, o.strengths.split(",")):
        pictures = studio.draw(
            f"image-{strength}", [dict(j, image=i, strength=strength, guidanceScale=o.image_guidance) for i, j in enumerate(jobs_of(prompts, 20_000))], seeds
        )
        names, _, seen = judge(pictures)
        both = overlap(seen, masks)
        heads = score(asked, names, ["obj", "col", "bg", "bgcol"])
        kept = np.array([n == value(a, "col") for a, n in zip(asked, names["col"])])
        result[str(strength)] = dict(
            heads,
            overlap=round(float(both.mean()), 4),
            overlap_spread=round(float(1.96 * both.std() / math.sqrt(len(both))), 4),
            overlap_above_07=share((both >= 0.7).sum(), len(both)),
            overlap_of_the_seeds_themselves=round(float(floor.mean()), 4),
            changed_and_kept=share((kept & (both >= 0.7)).sum(), len(both)),
        )
        pairs = [p for i in range(12) for p in (seeds[i], pictures[i])]
        sheet(f"{o.to}/image-{strength}.png", pairs, [t for i in range(12) for t in (f"{cases[i]['col']} {cases[i]['obj']}", prompts[i])])
    return result


def inpaint_part(o, studio, judge):
    """Inpainting by blending: a disc over the object is redrawn in another colour; everything outside stays to the byte."""
    cases = cases_of(o.set, 20, 5, lambda a: single(a) and a["style"] == "shaded" and not a["pos"])
    rng = np.random.default_rng(32)
    asked = [dict(a, col=str(rng.choice([c for c in draw.COLOURS if c not in (a["col"], a["bgcol"])]))) for a in cases]
    seeds = np.stack([draw.render(a, 600_000_000 + i, 256) for i, a in enumerate(cases)])
    y, x = np.mgrid[:256, :256]
    disc = (np.hypot(x - 128, y - 140) < 100).astype(np.uint8) * 255
    jobs = [dict(j, image=i, mask=0, strength=0.8) for i, j in enumerate(jobs_of(prompts_of(asked, 6), 30_000))]
    pictures = studio.draw("inpaint", jobs, seeds, disc[None])
    apart = np.abs(pictures.astype(int) - seeds.astype(int)).max(-1)
    names = judge(pictures)[0]
    sheet(f"{o.to}/inpaint.png", [p for i in range(12) for p in (seeds[i], pictures[i])], [j["prompt"] for i in range(12) for j in (jobs[i], jobs[i])])
    return dict(
        pictures=len(cases),
        largest_change_outside=int(apart[:, disc == 0].max()),
        changed_pixels_outside=int((apart[:, disc == 0] > 0).sum()),
        changed_share_inside=round(float((apart[:, disc > 0] > 8).mean()), 4),
        colour=score(asked, names, ["col"])["col"],
    )


def words_part(o, studio, judge):
    """The first single objects of the main set in capitals and with one letter wrong, beside the plain prompts; one seed each."""
    cases = cases_of(o.set, o.few, 7, single)
    plain, result = prompts_of(cases, 8), {}
    for name, texts in (
        ("plain", plain),
        ("capitals", [p.upper() for p in plain]),
        ("one letter wrong", [mistyped(p, np.random.default_rng([9, i])) for i, p in enumerate(plain)]),
    ):
        names = judge(studio.draw(f"words-{name.replace(' ', '-')}", jobs_of(texts, 40_000)))[0]
        result[name] = score(cases, names, ["obj", "col", "style", "bg", "bgcol"])
    return result


def counts_part(o, studio, judge):
    result = {}
    for name, keep in (
        ("counts", lambda a: a["kind"] == "object" and not single(a) and not a.get("rel")),
        ("relations", lambda a: bool(a.get("rel"))),
        ("landscapes", lambda a: a["kind"] != "object"),
    ):
        cases = cases_of(o.set, o.few, 10, keep)
        prompts = prompts_of(cases, 11)
        pictures = studio.draw(f"counts-{name}", jobs_of(prompts, 50_000))
        result[name] = score(cases, judge(pictures)[0])
        sheet(f"{o.to}/{name}.png", pictures[:32], prompts[:32])
    return result


def negative_part(o, studio, judge):
    """Prompts that leave the colour open; then once more with the colour that came as the negative prompt. Is it gone?"""
    cases = cases_of(o.set, 50, 12, lambda a: single(a) and a["bg"] not in ("plain", "table"))
    texts = [f"a {a['obj']}" for a in cases]
    came = judge(studio.draw("negative-without", jobs_of(texts, 60_000)))[0]
    jobs = [dict(j, negativePrompt=c) for j, c in zip(jobs_of(texts, 60_000), came["col"])]
    pictures = studio.draw("negative-with", jobs)
    names = judge(pictures)[0]
    sheet(f"{o.to}/negative.png", pictures[:24], [f"{j['prompt']} – not {j['negativePrompt']}" for j in jobs[:24]])
    gone = sum(a != b for a, b in zip(names["col"], came["col"]))
    kept = sum(n == a["obj"] for n, a in zip(names["obj"], cases))
    return dict(colour_gone=share(gone, len(cases)), object_as_asked=share(kept, len(cases)))


def empty_part(o, studio, judge):
    pictures = studio.draw("empty", jobs_of([""] * 16, 70_000))
    names = judge(pictures)[0]
    sheet(f"{o.to}/empty.png", pictures, [f"seed {70_000 + i}" for i in range(16)])
    odd = ["a dinosaur", "an astronaut riding a horse", "a city street", "a red car", "a portrait of a woman", "music", "a green guitar", "asdf qwer"]
    sheet(f"{o.to}/outside.png", studio.draw("outside", jobs_of(odd, 71_000)), odd)
    return dict(objects=names["obj"], kinds=names["kind"])


def neighbours_part(o, studio, judge):
    """The nearest training pictures of 16 samples, in the features and in pixels (32×32), against how near fresh drawings of the same come."""
    n = len(json.load(open(f"{o.training}/attributes.json")))
    training = np.memmap(f"{o.training}/pictures.u8", np.uint8, "r", shape=(n, 256, 256, 3))
    rows = np.sort(np.random.default_rng(13).permutation(n)[: o.neighbours])
    features, small = [], []
    for i in range(0, len(rows), 500):
        part = reduce(training[rows[i : i + 500]])
        features.append(judge(part)[1])
        small.append(reduce(part, 32).astype(np.float32).reshape(len(part), -1))
    features, small = np.concatenate(features), np.concatenate(small)
    cases = cases_of(o.set, o.count, 1)
    pictures = studio.draw("main", jobs_of(prompts_of(cases, 2), 10_000))[:16]
    _, drawn, _ = open_set(f"{o.to}/drawn-{o.set}-{o.count}-1")
    result, cells = {}, list(pictures)
    nearest = {}
    for name, some in (("generated", reduce(pictures)), ("freshly drawn", drawn[:16])):
        f, s = judge(some)[1], reduce(np.asarray(some), 32).astype(np.float32).reshape(16, -1)
        df, ds = np.sqrt(((f[:, None] - features[None]) ** 2).sum(-1)), np.stack([np.sqrt(((x - small) ** 2).mean(1)) for x in s])
        result[name] = dict(
            features=[round(float(v), 2) for v in df.min(1)], pixels=[round(float(v), 1) for v in ds.min(1)],
            median_features=round(float(np.median(df.min(1))), 2), median_pixels=round(float(np.median(ds.min(1))), 1),
        )
        nearest[name] = df.argmin(1), ds.argmin(1)
    for by in nearest["generated"]:
        cells += [training[rows[k]] for k in by]
    sheet(f"{o.to}/neighbours.jpg", cells, ["generated"] * 16 + ["nearest in features"] * 16 + ["nearest in pixels"] * 16, 16, 96)
    return dict(training_pictures=len(rows), **result)


def speed_part(o, studio, judge):
    """One picture at a time, the runtime's own choice of threads; the first, which loads, does not count."""
    studio.draw("speed", jobs_of(["a red potion on a blue table"] * 11, 80_000), processes=1, threads=0)
    ms = sorted(t["encodingMs"] + t["denoisingMs"] + t["decodingMs"] for t in json.load(open(f"{o.to}/speed.times.json"))[1:])
    return dict(median_ms=round(ms[5]), fastest_ms=round(ms[0]), slowest_ms=round(ms[-1]))


def sheet_part(o, studio, judge):
    """64 held-out prompts, first seeds, nothing chosen by its looks."""
    of = lambda n, keep, seed: cases_of("held-out", n, seed, keep)
    plain = lambda a: single(a) and a["style"] == "shaded"
    cases, seen = [], set()
    for a in of(400, plain, 20):  # every object once
        if a["obj"] not in seen:
            seen.add(a["obj"])
            cases.append(a)
    cases = cases[:30]
    for style in draw.STYLES:
        cases += of(3, lambda a: single(a) and a["style"] == style, 21) if style != "shaded" else []
    cases += of(5, lambda a: a["kind"] == "object" and not single(a) and not a.get("rel"), 22)
    cases += of(5, lambda a: bool(a.get("rel")), 23)
    cases += of(64 - len(cases) - 2, lambda a: a["kind"] != "object", 24)
    prompts = ["a red potion on a blue table", "a green potion"] + prompts_of(cases, 25)
    pictures = studio.draw("sheet", jobs_of(prompts, 0))
    sheet(f"{o.to}/contact-sheet.jpg", pictures, prompts)
    sheet(f"{o.to}/contact-sheet.png", pictures, prompts)
    return dict(prompts=prompts)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", default=os.path.join(HERE, ".."))
    ap.add_argument("--dist", default=os.path.join(HERE, "..", "..", "..", "dist"), help="the built runtime")
    ap.add_argument("--classifier", default="/tmp/judge/classifier.pt")
    ap.add_argument("--training", default="/tmp/pocket", help="where the training pictures are")
    ap.add_argument("--to", default="/tmp/judge/results")
    ap.add_argument("--set", choices=["development", "held-out"], default="development")
    ap.add_argument("--parts", default="main")
    ap.add_argument("--count", type=int, default=200, help="prompts of the main part")
    ap.add_argument("--some", type=int, default=200, help="cases of image to image and of fewer steps")
    ap.add_argument("--few", type=int, default=100, help="cases of each way of writing, of counts, relations, landscapes")
    ap.add_argument("--steps", default="4,6,8,12,20")
    ap.add_argument("--strengths", default="0.55")
    ap.add_argument("--image-guidance", type=float, default=4.0)
    ap.add_argument("--neighbours", type=int, default=20000, help="training pictures to look through")
    ap.add_argument("--processes", type=int, default=2)
    o = ap.parse_args()
    os.makedirs(o.to, exist_ok=True)
    judge, studio = Judge(o.classifier), Studio(o)
    path = f"{o.to}/results.json"
    results = json.load(open(path)) if os.path.exists(path) else {}
    if results.get("weights") != studio.weights or results.get("set") != o.set:
        results = dict(weights=studio.weights, set=o.set, classifier=judge.own)
    for part in PARTS if o.parts == "all" else o.parts.split(","):
        results[part] = globals()[f"{part}_part"](o, studio, judge)
        json.dump(results, open(path, "w"), indent=1)
        print(part, json.dumps(brief(results[part])), flush=True)


def brief(value):
    """A result in one line: shares with their intervals, without lists of what went wrong."""
    if isinstance(value, dict) and "share" in value:
        return f"{100 * (value['share'] or 0):.1f} % ({100 * value['low']:.1f}–{100 * value['high']:.1f}) of {value['of']}"
    if isinstance(value, dict):
        return {k: brief(v) for k, v in value.items() if k not in ("confusions", "worst", "prompts", "by style")}
    return value


if __name__ == "__main__":
    main()
