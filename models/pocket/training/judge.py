"""Judges an exported model: draws with what ships (generate.mjs: the built runtime), asks the classifier what it sees.

    python judge.py --set development --count 200              # what may be looked at while training
    python judge.py --set held-out --count 1000 --parts all    # the figures of the model card; never steers anything

Combinations of the held-out set were never drawn for training. Every list of prompts is deterministic, every picture is of the
first seed. Writes results.json, sheets and the pictures themselves (bytes) into --to; what was drawn before is kept.
"""
import argparse, glob, hashlib, json, math, os, subprocess, time
import numpy as np
from PIL import Image, ImageDraw
import draw
from captions import caption
from classifier import Judge, draw_set, overlap, reduce, value

HERE = os.path.dirname(os.path.abspath(__file__))
ASKED = ["obj", "col", "style", "bg", "bgcol", "count", "obj2", "col2", "rel", "size", "pos", "land", "time", "weather"]
PARTS = ["main", "sheet", "image", "steps", "words", "counts", "negative", "empty", "inpaint", "neighbours", "autoencoder", "speed"]


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
            each={k: [n - missed.get(k, 0), n] for k, n in sorted(total.items(), key=lambda t: -missed.get(t[0], 0) / t[1])},
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
            for shard in sorted(glob.glob(f"{o.model}/{file}*.safetensors")):
                weights.update(open(shard, "rb").read())
        self.weights = weights.hexdigest()[:16]

    def draw(self, name, jobs, seeds=None, masks=None, processes=None, threads=1):
        """Pictures [n, 256, 256, 3] of the jobs, a hundred at a time; kept in files that are used again for the same jobs and weights."""
        path, pictures, begun, fresh = f"{self.o.to}/{name}", [], time.time(), 0
        given = []
        for option, array in (("seeds", seeds), ("masks", masks)):
            if array is not None:
                np.ascontiguousarray(array).tofile(f"{path}.{option}.u8")
                given += [f"--{option}", f"{path}.{option}.u8"]
        for i in range(0, len(jobs), 100):
            part, file = jobs[i : i + 100], f"{path}-{i // 100}"
            key = hashlib.sha256(json.dumps([self.weights, part]).encode()).hexdigest()
            if not (os.path.exists(f"{file}.key") and open(f"{file}.key").read() == key):
                json.dump(part, open(f"{file}.jobs.json", "w"))
                arguments = ["--model", self.o.model, "--jobs", f"{file}.jobs.json", "--to", f"{file}.u8", "--times", f"{file}.times.json", *given]
                arguments += ["--processes", str(processes or self.o.processes)] + (["--threads", str(threads)] if threads else [])
                subprocess.run(["node", os.path.join(HERE, "generate.mjs"), "--dist", self.o.dist, *arguments], check=True, stderr=subprocess.DEVNULL)
                open(f"{file}.key", "w").write(key)
                fresh += len(part)
                print(f"{name}: {fresh} pictures in {time.time() - begun:.0f} s", flush=True)
            pictures.append(np.fromfile(f"{file}.u8", np.uint8).reshape(-1, 256, 256, 3))
        return np.concatenate(pictures)


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
def main_set(o, studio):
    """Cases, jobs and pictures of the main part."""
    cases = cases_of(o.set, o.count, 1)
    jobs = jobs_of(prompts_of(cases, 2), 10_000)
    return cases, jobs, studio.draw("main", jobs)


def drawings(o, cases, which):
    """Drawings of the main part's cases: of the first set and of a second one, with other seeds."""
    every = cases_of(o.set, max(o.count, o.drawn), 1)
    return draw_set(f"{o.drawings}/{o.set}-{len(every)}-{which}", every, 9000 + which)[1][: len(cases)]


def main_part(o, studio, judge):
    cases, jobs, pictures = main_set(o, studio)
    prompts = [j["prompt"] for j in jobs]
    names, features, _ = judge(pictures)
    result = score(cases, names)
    # Two further sets of drawings of the same attributes: the classifier's own accuracy, and the floor of the Fréchet distance.
    names_one, features_one, _ = judge(drawings(o, cases, 1))
    _, features_two, _ = judge(drawings(o, cases, 2))
    own = score(cases, names_one)
    part = lambda told, rows: score([cases[i] for i in rows], {h: [n[i] for i in rows] for h, n in told.items()})
    rows_of = {style: [i for i, a in enumerate(cases) if a["style"] == style] for style in draw.STYLES}
    result["by style"] = {style: part(names, rows) for style, rows in rows_of.items() if rows}
    alone = [i for i, a in enumerate(cases) if single(a)]
    wrong = [i for i, a in enumerate(cases) if any(value(a, h) not in (None, names[h][i]) for h in ("obj", "col", "bg", "bgcol", "style", "land", "time") if h in names)]
    told = lambda i: " ".join(f"{value(cases[i], h)}>{names[h][i]}" for h in names if value(cases[i], h) not in (None, names[h][i]))
    if o.set == "development":  # the held-out pictures that went wrong are nobody's to look at while something can still change
        sheet(f"{o.to}/wrong.png", [pictures[i] for i in wrong[:48]], [told(i) + " | " + prompts[i] for i in wrong[:48]])
    return dict(
        prompts=len(cases),
        heads=result,
        one_object=part(names, alone),
        one_object_drawn=part(names_one, alone),
        classifier_on_drawings_of_the_same=own,
        frechet=dict(generated=frechet(features, features_one), drawn=frechet(features_two, features_one)),
    )


def steps_part(o, studio, judge):
    """Fewer steps, for the first cases of the main set, with its seeds."""
    every, jobs, pictures = main_set(o, studio)
    cases, result = every[: o.few], {}
    features_drawn = judge(drawings(o, every, 1)[: o.few])[1]
    for entry in o.steps.split(","):
        scheduler, steps = entry.rsplit(":", 1) if ":" in entry else ("", entry)
        extra = dict(scheduler=scheduler) if scheduler else {}
        fewer = [dict(j, steps=int(steps), **extra) for j in jobs[: o.few]]
        drawn = pictures[: o.few] if entry == "20" else studio.draw("steps-" + entry.replace(":", "-").replace(" ", ""), fewer)
        names, features, _ = judge(drawn)
        result[entry] = dict(score(cases, names), frechet=frechet(features, features_drawn))
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
        some = range(min(24, len(cases)))
        texts = [t for i in some for t in (f"{cases[i]['col']} {cases[i]['obj']}", prompts[i])]
        sheet(f"{o.to}/image-{strength}.png", [p for i in some for p in (seeds[i], pictures[i])], texts)
    return result


def inpaint_part(o, studio, judge):
    """Inpainting by blending: a disc over the object is redrawn in another colour; everything outside stays to the byte."""
    cases = cases_of(o.set, min(o.few, 20), 5, lambda a: single(a) and a["style"] == "shaded" and not a["pos"])
    rng = np.random.default_rng(32)
    asked = [dict(a, col=str(rng.choice([c for c in draw.COLOURS if c not in (a["col"], a["bgcol"])]))) for a in cases]
    seeds = np.stack([draw.render(a, 600_000_000 + i, 256) for i, a in enumerate(cases)])
    y, x = np.mgrid[:256, :256]
    disc = (np.hypot(x - 128, y - 140) < 100).astype(np.uint8) * 255
    jobs = [dict(j, image=i, mask=0, strength=0.8) for i, j in enumerate(jobs_of(prompts_of(asked, 6), 30_000))]
    pictures = studio.draw("inpaint", jobs, seeds, disc[None])
    apart = np.abs(pictures.astype(int) - seeds.astype(int)).max(-1)
    names = judge(pictures)[0]
    sheet(f"{o.to}/inpaint.png", [p for pair in zip(seeds, pictures) for p in pair], [j["prompt"] for j in jobs for _ in "12"])
    return dict(
        pictures=len(cases),
        largest_change_outside=int(apart[:, disc == 0].max()),
        changed_pixels_outside=int((apart[:, disc == 0] > 0).sum()),
        changed_share_inside=round(float((apart[:, disc > 0] > 8).mean()), 4),
        colour=score(asked, names, ["col"])["col"],
    )


def words_part(o, studio, judge):
    """The first single objects of the main set, with its seeds, in capitals and with one letter wrong."""
    every, jobs, pictures = main_set(o, studio)
    rows = [i for i, a in enumerate(every) if single(a)][: o.few]
    cases, heads = [every[i] for i in rows], ["obj", "col", "style", "bg", "bgcol"]
    result = {"as they are": score(cases, judge(pictures[rows])[0], heads)}
    for name, write in (("capitals", lambda p, i: p.upper()), ("one letter wrong", lambda p, i: mistyped(p, np.random.default_rng([9, i])))):
        other = [dict(jobs[i], prompt=write(jobs[i]["prompt"], i)) for i in rows]
        result[name] = score(cases, judge(studio.draw(f"words-{name.replace(' ', '-')}", other))[0], heads)
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
    cases = cases_of(o.set, min(o.few, 50), 12, lambda a: single(a) and a["bg"] not in ("plain", "table"))
    texts = [f"a {a['obj']}" for a in cases]
    came = judge(studio.draw("negative-without", jobs_of(texts, 60_000)))[0]
    jobs = [dict(j, negativePrompt=c) for j, c in zip(jobs_of(texts, 60_000), came["col"])]
    pictures = studio.draw("negative-with", jobs)
    names = judge(pictures)[0]
    sheet(f"{o.to}/negative.png", pictures[:24], [f"{j['prompt']}; not {j['negativePrompt']}" for j in jobs[:24]])
    gone = sum(a != b for a, b in zip(names["col"], came["col"]))
    kept = sum(n == a["obj"] for n, a in zip(names["obj"], cases))
    return dict(colour_gone=share(gone, len(cases)), object_as_asked=share(kept, len(cases)))


def empty_part(o, studio, judge):
    pictures = studio.draw("empty", jobs_of([""] * 8, 70_000))
    names = judge(pictures)[0]
    sheet(f"{o.to}/empty.png", pictures, [f"seed {70_000 + i}" for i in range(8)])
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
    cases, _, pictures = main_set(o, studio)
    pictures, drawn = pictures[:16], drawings(o, cases, 1)[:16]
    result, cells = {}, list(pictures)
    nearest = {}
    for name, some in (("generated", reduce(pictures)), ("freshly drawn", drawn)):
        f, s = judge(some)[1], reduce(np.asarray(some), 32).astype(np.float32).reshape(len(some), -1)
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


def autoencoder_part(o, studio, judge):
    """Drawings of the main part's first cases through the autoencoder alone: what the decoder costs, without the diffusion model."""
    import torch
    from networks import Autoencoder, load_safetensors

    config = json.load(open(f"{o.model}/vae/config.json"))
    vae = Autoencoder(config).eval()
    vae.load_state_dict(load_safetensors(f"{o.model}/vae/diffusion_pytorch_model.safetensors"))
    cases = cases_of(o.set, o.count, 1)[: o.few]
    there, again = [], []
    for i, a in enumerate(cases):
        there.append(draw.render(a, 700_000_000 + i, 256))
        with torch.no_grad():
            x = vae.decode(vae.encode(torch.from_numpy(there[-1]).permute(2, 0, 1)[None].float() / 127.5 - 1)[0])
        again.append(((x[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())
    there, again = np.stack(there), np.stack(again)
    error = np.abs(there.astype(int) - again.astype(int)).mean()
    (before, features, _), (after, features_after, _) = judge(there), judge(again)
    sheet(f"{o.to}/autoencoder.png", [p for pair in zip(there[:16], again[:16]) for p in pair], [""] * 32)
    return dict(mean_error=round(float(error), 2), before=score(cases, before), after=score(cases, after), frechet=frechet(features, features_after))


def speed_part(o, studio, judge):
    """One picture at a time, the runtime's own choice of threads; the first, which loads, does not count."""
    studio.draw("speed", jobs_of(["a red potion on a blue table"] * 11, 80_000), processes=1, threads=0)
    ms = sorted(t["encodingMs"] + t["denoisingMs"] + t["decodingMs"] for t in json.load(open(f"{o.to}/speed-0.times.json"))[1:])
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
    ap.add_argument("--some", type=int, default=200, help="cases of image to image")
    ap.add_argument("--few", type=int, default=100, help="cases of each number of steps, of each way of writing, of counts, relations, landscapes")
    ap.add_argument("--steps", default="4,6,8,12,20")
    ap.add_argument("--strengths", default="0.55")
    ap.add_argument("--image-guidance", type=float, default=4.0)
    ap.add_argument("--neighbours", type=int, default=20000, help="training pictures to look through")
    ap.add_argument("--drawn", type=int, default=1000, help="cases to draw for comparison, as many as the main part may ever have")
    ap.add_argument("--drawings", default="/tmp/judge/drawings", help="where they are kept")
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
        if part == "main":
            print(table(results), flush=True)


def percent(v):
    return f"{100 * v['share']:.1f} % ({100 * v['low']:.1f} to {100 * v['high']:.1f})"


def table(results):
    """The model card's table: what was asked, how often, how often it came, and what the classifier says of drawings of the same."""
    main = results["main"]
    asked, drawn = main["heads"], main["classifier_on_drawings_of_the_same"]
    lines = ["| Asked | Prompts | As asked | Drawings of the same |", "| --- | --- | --- | --- |"]

    def row(name, v, own):
        lines.append(f"| {name} | {v['of']} | {percent(v)} | {100 * own['share']:.1f} % |")

    def whole(head, name):
        row(name, asked[head], drawn[head])

    def alone(head, name):
        row(name, main["one_object"][head], main["one_object_drawn"][head])

    def parts(head, **names):
        for value, name in names.items():
            value = value.lstrip("_")
            if value in asked[head]["each"]:
                row(name, share(*asked[head]["each"][value]), share(*drawn[head]["each"][value]))

    whole("obj", "object")
    alone("obj", "– where there is only one")
    whole("col", "its colour")
    alone("col", "– where there is only one object")
    whole("bg", "background or surface")
    whole("bgcol", "its colour (plain backgrounds and tables)")
    whole("style", "style")
    parts("style", shaded="– shaded (no style named)", **{s: f"– {s}" for s in draw.STYLES if s != "shaded"})
    parts("count", _1="one object, not more", _2="two", _3="three")
    parts("rel", on="one on another", beside="one beside another")
    parts("size", tiny="tiny", large="large")
    parts("pos", left="on the left", right="on the right")
    whole("land", "landscape")
    whole("time", "time of day")
    parts("weather", **{w: f"weather: {w}" for w in draw.WEATHERS})
    whole("everything", "everything that was asked")
    return "\n".join(lines)


def brief(value):
    """A result in one line: shares with their intervals, without lists of what went wrong."""
    if isinstance(value, dict) and "share" in value:
        return f"{100 * (value['share'] or 0):.1f} % ({100 * value['low']:.1f}–{100 * value['high']:.1f}) of {value['of']}"
    if isinstance(value, dict):
        return {k: brief(v) for k, v in value.items() if k not in ("confusions", "each", "prompts", "by style")}
    return value


if __name__ == "__main__":
    main()
