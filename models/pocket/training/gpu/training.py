"""Trains further from a model folder for a few minutes on one device: draws, encodes and trains in one process, without a disk.

    python gpu/training.py --minutes 8 --to /tmp/pocket-gpu                  # from the weights of models/pocket
    python gpu/training.py --minutes 6 --to /tmp/pocket-gpu                  # further from what that wrote
    python gpu/training.py --minutes 8 --to /tmp/pocket-wide --width 1.2     # a wider UNet, taught by the present one
    python gpu/training.py --minutes 8 --sizes 256,384,512 --to /tmp/pocket-512

At the start, every two minutes and at the end it writes into --to, no file larger than 16 MiB:

    model/           a whole model folder with the averaged weights, 16-bit, to draw with and to judge
    raw/             the weights as they are, 32-bit; a later run starts from both
    progress.json    loss by kind of picture at each of these times
    sheet-NNN.jpg    the same prompts and seeds each time

What is drawn, how it is captioned, the losses and the times are those of train.py.
"""
import argparse, copy, functools, glob, json, math, multiprocessing, os, shutil, signal, sys, threading, time
from queue import Full
import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import draw, train
from captions import caption
from gpu import drawer
from networks import Autoencoder, TextEncoder, UNet, load_safetensors, save_safetensors
from tokens import Tokenizer

# How much oftener than draw.py draws them, and beyond train.EMPHASIS, each kind is shown.
KINDS = dict(single=1.0, flat=1.0, outlined=1.0, pixel=1.5, watercolor=1.0, neon=1.0, count=2.0, relation=2.2, landscape=1.4, weather=2.0)
CAPTIONS = 4  # of each drawing, which is shown about as often
LIMIT = 15 << 20  # bytes of one file of weights
UNET_FILE, TEXT_FILE = "unet/diffusion_pytorch_model", "text_encoder/model"


def kind_of(a):
    if a["kind"] == "scene":
        return "landscape" if a.get("weather", "clear") == "clear" else "weather"
    return "relation" if a["rel"] else "count" if a["count"] > 1 else "single" if a["style"] == "shaded" else a["style"]


# --- what is shown ---
def supply(queue, seed, kinds, count, tokenizer):
    """A process of its own: puts attributes, captions, labels and what may be cropped for batches of drawings."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rng, candidates, parent = np.random.default_rng(seed), [], os.getppid()
    while True:
        candidates = candidates[max(64, count // 4) :]
        candidates += [draw.sample(rng) for _ in range(max(256, 2 * count) - len(candidates))]
        weights = train.shares(candidates, train.EMPHASIS) * [kinds[kind_of(a)] for a in candidates]
        chosen = [candidates[k] for k in rng.choice(len(candidates), count, p=weights / weights.sum())]
        # Landscapes of one sort are drawn together: a few sorts, each several times.
        scenes = [a for a in chosen if a["kind"] == "scene"]
        sorts = scenes[: math.ceil(len(scenes) / 4)]
        chosen = [a for a in chosen if a["kind"] != "scene"] + [sorts[k % len(sorts)] for k in range(len(scenes))]
        ids = np.array([[tokenizer(caption(a, rng)) for _ in range(CAPTIONS)] for a in chosen], np.int16)
        labels = np.array([[v.index(a.get(k, "")) for k, v in train.NAMES.items()] for a in chosen], np.int16)
        wide = [a["kind"] == "scene" or not (a["pos"] or a["size"] == "large" or a["count"] > 1 or a["rel"]) for a in chosen]
        item = (chosen, int(rng.integers(2**62)), ids, labels, np.array(wide), np.array([a["kind"] == "scene" for a in chosen]))
        while True:
            try:
                queue.put(item, timeout=5)
                break
            except Full:
                if os.getppid() != parent:
                    return


class Pool:
    """The newest drawings of one size as latents, on the device."""

    def __init__(self, size, chunk, slots, device):
        sides = (size // 8, size // 16) if size == 256 else (size // 8,)
        self.chunk, self.slots, self.filled, self.next, self.drawn = chunk, slots, 0, 0, 0
        n = chunk * slots
        self.latents = {s: torch.zeros(n, 4, s, s, device=device) for s in sides}
        self.ids = torch.zeros(n, CAPTIONS, 32, dtype=torch.int16, device=device)
        self.labels = torch.zeros(n, len(train.NAMES), dtype=torch.int16, device=device)
        self.wide, self.scene = (torch.zeros(n, dtype=torch.bool, device=device) for _ in range(2))

    def put(self, latents, *columns):
        rows = slice(self.next * self.chunk, (self.next + 1) * self.chunk)
        for side, z in latents.items():
            self.latents[side][rows] = z
        for own, new in zip((self.ids, self.labels, self.wide, self.scene), columns):
            own[rows] = torch.from_numpy(new).to(own.device)

    def publish(self):
        self.next = (self.next + 1) % self.slots
        self.filled, self.drawn = min(self.slots, self.filled + 1), self.drawn + self.chunk

    def rows(self, n, device):
        """Random rows; none of the part that is written next."""
        if self.filled < self.slots:
            return torch.randint(0, self.filled * self.chunk, (n,), device=device)
        first = (self.next + 1) * self.chunk
        return (first + torch.randint(0, (self.slots - 1) * self.chunk, (n,), device=device)) % (self.slots * self.chunk)


@torch.no_grad()
def encode(vae, pictures, size, piece=64):
    """Latents by side of pictures [n, size, size, 3] in bytes; of half the size too for 256."""
    found = {}
    for part in pictures.split(piece):
        x = part.permute(0, 3, 1, 2).float() / 127.5 - 1
        for side, y in ((size // 8, x), *([(size // 16, F.avg_pool2d(x, 2))] if size == 256 else [])):
            found.setdefault(side, []).append(vae.encode(y)[0])
    return {side: torch.cat(z) for side, z in found.items()}


class Drawing(threading.Thread):
    """Fills the pools beside the training, at most `fresh` new drawings for each sample that was trained on."""

    def __init__(self, o, vae, pools, weights, queue):
        super().__init__(daemon=True)
        self.o, self.vae, self.pools, self.weights, self.queue = o, vae, pools, weights, queue
        self.seen, self.stopped, self.failure, self.seconds = 0, False, None, 0.0

    def run(self):
        try:
            if self.o.device == "cuda":
                with torch.cuda.stream(torch.cuda.Stream()):
                    self.work()
            else:
                self.work()
        except Exception as e:
            self.failure = e

    def work(self):
        rng, first = np.random.default_rng(self.o.seed), 8 if self.o.device == "cuda" else 4
        while not self.stopped:
            drawn = sum(p.drawn for p in self.pools.values())
            if drawn >= first * sum(p.chunk for p in self.pools.values()) + self.o.fresh * self.seen:
                time.sleep(0.005)
                continue
            missing = [s for s, p in self.pools.items() if p.drawn < first * p.chunk]
            size = missing[0] if missing else int(rng.choice(list(self.pools), p=self.weights))
            pool = self.pools[size]
            attributes, seed, *columns = self.queue.get()
            begun = time.time()
            # The attributes of one chunk are enough for several of larger pictures.
            for at in range(0, len(attributes) - pool.chunk + 1, pool.chunk):
                some = slice(at, at + pool.chunk)
                latents = encode(self.vae, drawer.render(attributes[some], [seed, at], size, self.o.device), size)
                pool.put(latents, *(c[some] for c in columns))
                if self.o.device == "cuda":
                    torch.cuda.current_stream().synchronize()
                pool.publish()
            self.seconds += time.time() - begun


# --- weights ---
def load_part(path):
    """Tensors of PATH.safetensors, or of its pieces."""
    found = {}
    for file in [f"{path}.safetensors"] if os.path.exists(f"{path}.safetensors") else sorted(glob.glob(f"{path}-*-of-*.safetensors")):
        found.update(load_safetensors(file))
    if not found:
        raise SystemExit(f"{path}.safetensors does not exist.")
    return found


def save_part(path, tensors, dtype):
    """PATH.safetensors, or pieces and their index where it would be larger than LIMIT."""
    width, pieces, size = dict(F16=2, F32=4)[dtype], [{}], 0
    for k in sorted(tensors):
        bytes_ = tensors[k].numel() * width
        if size + bytes_ > LIMIT:
            pieces.append({})
            size = 0
        pieces[-1][k] = tensors[k]
        size += bytes_
    os.makedirs(os.path.dirname(path), exist_ok=True)
    of = f"-of-{len(pieces):05d}" if len(pieces) > 1 else ""
    names = [f"{path}-{k:05d}{of}.safetensors" for k in range(1, len(pieces) + 1)] if of else [f"{path}.safetensors"]
    for name, piece in zip(names, pieces):
        save_safetensors(name + ".part", piece, dtype)
        os.replace(name + ".part", name)
    if of:
        where = {k: os.path.basename(n) for n, piece in zip(names, pieces) for k in piece}
        total = sum(t.numel() * width for t in tensors.values())
        dump(f"{path}.safetensors.index.json", dict(metadata=dict(total_size=total), weight_map=where))
    for stale in glob.glob(f"{path}*"):
        if stale.endswith(".safetensors") and stale not in names or stale.endswith(".index.json") and not of:
            os.remove(stale)


def dump(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "w") as f:
        f.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    os.replace(path + ".part", path)


def widened(config, width):
    channels = [max(16, round(c * width / 16) * 16) for c in config["block_out_channels"]]
    return dict(config, block_out_channels=channels)


# --- measuring ---
class Held:
    """Fixed drawings, captions, times and noise for each kind, and for each further size: the same on every device and in every run."""

    def __init__(self, o, vae, tokenizer, sizes):
        rng, noise = np.random.default_rng(4242), torch.Generator().manual_seed(4242)
        self.batches, by_kind = {}, {k: [] for k in KINDS}
        while min(map(len, by_kind.values())) < o.held:
            a = draw.sample(rng)
            if len(by_kind[kind_of(a)]) < o.held:
                by_kind[kind_of(a)].append(a)
        groups = [(k, 256, a) for k, a in by_kind.items()]
        groups += [(f"{s}×{s}", s, [x for a in by_kind.values() for x in a[: max(1, o.held // 8)]]) for s in sizes if s != 256]
        for number, (name, size, attributes) in enumerate(groups):
            side = size // 8
            x0 = encode(vae, drawer.render(attributes, [4242, number], size, o.device), size)[side]
            ids = torch.tensor([tokenizer(caption(a, rng, typos=False)) for a in attributes])
            n = o.times * len(x0)
            u = (torch.arange(n) + 0.5) / n
            t = (1000 * torch.sigmoid(0.9 * torch.special.ndtri(u) - 0.15)).long()[torch.randperm(n, generator=noise)]
            eps = torch.randn(n, 4, side, side, generator=noise)
            self.batches[name] = [v.to(o.device) for v in (x0.repeat(o.times, 1, 1, 1), ids.repeat(o.times, 1), t, eps)]

    @torch.no_grad()
    def losses(self, unet, text, piece=64):
        found = {}
        for name, batch in self.batches.items():
            parts = [loss_of(unet, text(ids), x0, t, eps)[0] for x0, ids, t, eps in zip(*(v.split(piece) for v in batch))]
            found[name] = round(torch.cat(parts).mean().item(), 5)
        found["mean"] = round(sum(found[k] for k in KINDS) / len(KINDS), 5)
        return found


@functools.cache
def alphas(device):
    return train.alphas().to(device)


def loss_of(unet, context, x0, t, noise, teacher=None, taught=0.0):
    """Weighted loss of each sample, and without the weights."""
    a = alphas(x0.device)[t][:, None, None, None]
    x, v = a.sqrt() * x0 + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x0
    told = unet(x, t, context).float()
    each = (told - v).square().mean((1, 2, 3))
    snr = (a / (1 - a)).flatten()
    weight = (snr + 1).clamp(max=6) / (snr + 1)
    aim = each
    if taught > 0:
        aim = (1 - taught) * each + taught * (told - teacher(x, t)).square().mean((1, 2, 3))
    return aim * weight, each


def sheet_prompts(count):
    """Several objects most, then landscapes, pixel art and the rest; nothing that was held out."""
    rng, wanted = np.random.default_rng(17), ["relation", "count", "weather", "landscape", "relation", "count", "pixel", "single"]
    found = []
    while len(found) < count:
        a = draw.sample(rng)
        if kind_of(a) == wanted[len(found) % 8]:
            found.append(caption(a, rng, typos=False, full=True))
    return found


@torch.no_grad()
def sheet(path, unet, text, vae, tokenizer, prompts, size):
    from PIL import Image

    pictures = []
    for k in range(0, len(prompts), 8):
        z = train.draw(unet, text, tokenizer, prompts[k : k + 8], size // 8, seed=k)
        pictures.append(((vae.decode(z).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())
    rows = [np.concatenate(list(p), 1) for p in pictures]
    rows[-1] = np.pad(rows[-1], ((0, 0), (0, rows[0].shape[1] - rows[-1].shape[1]), (0, 0)))
    side = 8 * 144
    Image.fromarray(np.concatenate(rows, 0)).resize((side, len(rows) * 144), Image.LANCZOS).save(path, quality=85)


# --- the run ---
def options():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cuda = torch.cuda.is_available()
    ap.add_argument("--device", default="cuda" if cuda else "cpu", choices=["cuda", "cpu"])
    ap.add_argument("--minutes", type=float, default=8, help="wall clock for all: measuring, drawing, training, writing")
    ap.add_argument("--to", default="/tmp/pocket-gpu")
    ap.add_argument("--from", dest="source", default=os.path.join(HERE, "..", ".."), help="model folder to start from")
    ap.add_argument("--kinds", default="", help="how much oftener kinds are shown, as relation=3,weather=2; kinds: " + ", ".join(KINDS))
    ap.add_argument("--sizes", default="256", help="sizes with their shares of the batches, as 256,384,512 or 256:2,512:1")
    ap.add_argument("--width", type=float, help="a new UNet of so many times the channels, taught by the present one")
    ap.add_argument("--taught", type=float, default=0.7, help="with --width: share of the teacher in the loss at first; 0 after 70 %% of the time")
    ap.add_argument("--text", choices=["trained", "frozen"], help="text encoder: trained with the UNet, as train.py does, unless --width is given")
    ap.add_argument("--lr", type=float, help="4e-4; with --width 1e-3")
    ap.add_argument("--batch", type=int, help="of 32×32 latents; twice as many of 16×16, fewer of larger ones")
    ap.add_argument("--small", type=float, default=0.1, help="share of 16×16 batches")
    ap.add_argument("--wide", type=float, default=0.12, help="share of the 32×32 batches that are cropped to 24×32 or 32×24")
    ap.add_argument("--naming", type=float, default=0.03, help="weight of naming the attributes from the text states")
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--warmup", type=int, default=100, help="steps of rising learning rate")
    ap.add_argument("--every", type=float, default=2, help="minutes between reports")
    ap.add_argument("--fresh", type=float, default=0.25, help="new drawings for each trained sample, at most")
    ap.add_argument("--chunk", type=int, help="drawings of 256×256 made at once")
    ap.add_argument("--slots", type=int, default=32, help="chunks that are kept")
    ap.add_argument("--held", type=int, help="fixed drawings of each kind for the loss by kind")
    ap.add_argument("--times", type=int, default=4, help="noise levels of each")
    ap.add_argument("--sheet", type=int, default=48, help="pictures of the contact sheet")
    ap.add_argument("--compile", choices=["auto", "on", "off"], default="auto", help="auto: on for CUDA and at least 4 minutes")
    ap.add_argument("--bf16", type=int, help="1: bfloat16 autocast; as given by the device otherwise")
    ap.add_argument("--seed", type=int, default=1)
    o = ap.parse_args()
    gpu = o.device == "cuda"
    for name, on_gpu, on_cpu in (("batch", 512, 12), ("chunk", 512, 16), ("held", 64, 8), ("bf16", 1, 0)):
        if getattr(o, name) is None:
            setattr(o, name, on_gpu if gpu else on_cpu)
    o.lr = o.lr or (1e-3 if o.width else 4e-4)
    o.text = o.text or ("frozen" if o.width else "trained")
    kinds = dict(KINDS)
    for item in filter(None, o.kinds.split(",")):
        name, _, factor = item.partition("=")
        if name not in KINDS or not factor.replace(".", "", 1).isdigit():
            ap.error(f"--kinds: {item!r} is not KIND=NUMBER; kinds: {', '.join(KINDS)}")
        kinds[name] = float(factor)
    sizes = {}
    for item in o.sizes.split(","):
        size, _, weight = item.partition(":")
        if not size.isdigit() or int(size) % 64 or not 192 <= int(size) <= 1024 or not (weight or "1").replace(".", "", 1).isdigit():
            ap.error(f"--sizes: {item!r} is not SIZE or SIZE:SHARE with a multiple of 64 from 192 to 1024")
        sizes[int(size)] = float(weight or 1)
    return o, kinds, sizes


def main():
    begun = time.time()
    o, kinds, sizes = options()
    end = begun + 60 * o.minutes
    say = lambda text: print(f"{time.time() - begun:6.1f} s  {text}", flush=True)
    resumed = os.path.exists(f"{o.to}/progress.json")
    source = f"{o.to}/model" if resumed else o.source
    tokenizer = Tokenizer(f"{source}/tokenizer")
    # Processes that write captions are forked before the device is first used.
    context, count = multiprocessing.get_context("fork"), o.chunk
    queue = context.Queue(8)
    helpers = []
    for k in range(max(1, min(8, (os.cpu_count() or 2) - 4))):
        seed = [o.seed, k, int(begun) if resumed else 0]
        helpers.append(context.Process(target=supply, args=(queue, seed, kinds, count, tokenizer), daemon=True))
        helpers[-1].start()

    torch.manual_seed(o.seed + (int(begun) if resumed else 0))
    torch.set_flush_denormal(True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    device, gpu = o.device, o.device == "cuda"
    sync = torch.cuda.synchronize if gpu else lambda: None
    config = lambda folder, part: json.load(open(f"{folder}/{part}/config.json"))
    unet_config, taught = config(source, "unet"), 0.0
    vae = Autoencoder(config(source, "vae")).eval().requires_grad_(False)
    vae.load_state_dict(load_part(f"{source}/vae/diffusion_pytorch_model"))
    vae.to(device)
    text = TextEncoder(config(source, "text_encoder"))
    text.load_state_dict(load_part(f"{source}/{TEXT_FILE}"))
    unet, teacher = UNet(unet_config), None
    if o.width:
        old = UNet(config(o.source, "unet")).eval().requires_grad_(False)
        old.load_state_dict(load_part(f"{o.source}/{UNET_FILE}"))
        old_text = TextEncoder(config(o.source, "text_encoder")).eval().requires_grad_(False)
        old_text.load_state_dict(load_part(f"{o.source}/{TEXT_FILE}"))
        teacher, taught = (old.to(device), old_text.to(device)), o.taught
    if o.width and not resumed:
        unet_config = widened(unet_config, o.width)
        unet = UNet(unet_config)
        for name, p in unet.named_parameters():  # residual branches start as nothing
            if name.endswith(("conv2.weight", "proj_out.weight")) or name == "conv_out.weight":
                torch.nn.init.zeros_(p)
    else:
        unet.load_state_dict(load_part(f"{source}/{UNET_FILE}"))
    heads = torch.nn.ModuleDict({k: torch.nn.Linear(train.TEXT["hidden_size"], len(v)) for k, v in train.NAMES.items()})
    pair = torch.nn.ModuleDict(dict(unet=unet, text=text)).to(device)
    ema = copy.deepcopy(pair).eval().requires_grad_(False)
    progress = dict(step=0, samples=0, drawn=0, minutes=0.0, width=unet_config["block_out_channels"], reports=[])
    if resumed:
        progress = json.load(open(f"{o.to}/progress.json"))
        unet.load_state_dict(load_part(f"{o.to}/raw/unet"))
        text.load_state_dict(load_part(f"{o.to}/raw/text"))
        heads.load_state_dict(load_part(f"{o.to}/raw/heads"))
    heads.to(device)
    if gpu:
        for network in (unet, ema["unet"], vae, *(teacher or ())[:1]):
            network.to(memory_format=torch.channels_last)
    text.requires_grad_(o.text == "trained")
    parameters = [p for p in [*pair.parameters(), *heads.parameters()] if p.requires_grad]
    opt = torch.optim.AdamW(parameters, o.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    name = torch.cuda.get_device_name() if gpu else f"CPU, {torch.get_num_threads()} threads"
    megabytes = sum(p.numel() for p in unet.parameters()) * 2 / 1e6
    say(f"{name}, PyTorch {torch.__version__}; UNet {unet_config['block_out_channels']}, {megabytes:.1f} MB as shipped; {'resumed' if resumed else 'from'} {source}")

    weights = np.array(list(sizes.values())) / sum(sizes.values())
    pools = {s: Pool(s, max(4, o.chunk * 256**2 // s**2), o.slots, device) for s in sizes}
    drawing = Drawing(o, vae, pools, weights, queue)
    held = Held(o, vae, tokenizer, sizes)
    say("held-out drawings are encoded")
    sync()  # the drawing thread has a stream of its own
    drawing.start()
    prompts, top = sheet_prompts(o.sheet), max(sizes)
    before = copy.deepcopy(progress)

    def report(step, samples, minutes_total):
        started = time.time()
        losses = dict(averaged=held.losses(ema["unet"], ema["text"]), raw=held.losses(unet, text))
        if not math.isfinite(losses["averaged"]["mean"]):
            raise SystemExit("The weights are not finite any more; those of the last report are kept. Try a lower --lr.")
        progress.update(step=step, samples=samples, minutes=round(minutes_total, 2))
        progress["drawn"] = before["drawn"] + sum(p.drawn for p in pools.values())
        progress["reports"].append(dict(step=step, samples=samples, minutes=progress["minutes"], **losses))
        for part in ("vae", "tokenizer", "tiny_decoder", "scheduler", "text_encoder", "unet"):
            if not os.path.exists(f"{o.to}/model/{part}"):
                shutil.copytree(f"{source}/{part}", f"{o.to}/model/{part}", ignore=shutil.ignore_patterns("*.safetensors") if part in ("text_encoder", "unet") else None)
        for file in ("model_index.json", "latentwire.json"):
            if not os.path.exists(f"{o.to}/model/{file}"):
                shutil.copy(f"{source}/{file}", f"{o.to}/model/{file}")
        dump(f"{o.to}/model/unet/config.json", unet_config)
        save_part(f"{o.to}/model/{UNET_FILE}", ema["unet"].state_dict(), "F16")
        save_part(f"{o.to}/model/{TEXT_FILE}", ema["text"].state_dict(), "F16")
        for part, network in (("unet", unet), ("text", text), ("heads", heads)):
            save_part(f"{o.to}/raw/{part}", network.state_dict(), "F32")
        number = len(progress["reports"])
        if o.sheet:
            sheet(f"{o.to}/sheet-{number:03d}.jpg", ema["unet"], ema["text"], vae, tokenizer, prompts, 256)
            if top > 256:
                sheet(f"{o.to}/sheet-{number:03d}-{top}.jpg", ema["unet"], ema["text"], vae, tokenizer, prompts[:8], top)
        dump(f"{o.to}/progress.json", progress)
        first, now = progress["reports"][0], progress["reports"][-1]
        names = [k for k in now["averaged"] if k in first["averaged"]]
        say(f"report {number}, step {step}, {samples} samples. Loss on the held-out drawings, first → averaged (raw):")
        print("         " + ", ".join(f"{k} {first['averaged'][k]:.4f} → {now['averaged'][k]:.4f} ({now['raw'][k]:.4f})" for k in names), flush=True)
        return time.time() - started

    cost = report(progress["step"], progress["samples"], progress["minutes"])
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(1))
    while min(p.filled for p in pools.values()) < 1 and not drawing.failure:
        time.sleep(0.01)
    say(f"drawn: {sum(p.drawn for p in pools.values())} pictures in {drawing.seconds:.1f} s")

    sides = {s // 8: w for s, w in zip(sizes, weights * (1 - o.small * (256 in sizes)))} | ({16: o.small} if 256 in sizes else {})
    pool_of = {side: pool for pool in pools.values() for side in pool.latents}
    empty = torch.tensor(tokenizer(""), device=device)
    network, averaged = list(pair.parameters()), list(ema.parameters())
    rng = np.random.default_rng([o.seed, progress["step"]])
    autocast = lambda: torch.autocast(device, torch.bfloat16, enabled=bool(o.bf16))
    step, samples, sums = 0, 0, torch.zeros(3, device=device)

    def one_step(side, n, rate, taught, run=unet, trial=False):
        pool, crop = pool_of[side], None
        rows = pool.rows(n, device)
        if side == 32 and not trial and rng.random() < o.wide:
            more = pool.rows(4 * n, device)
            rows, crop = more[(~pool.wide[more]).to(torch.int8).argsort(stable=True)[:n]], bool(rng.random() < 0.5)
            run = unet  # what was compiled is for one shape
        x0 = pool.latents[side][rows]
        if crop is not None:  # a part 24 wide or high; only landscapes are cut anywhere
            low, high = (3, 6) if crop else (4, 6)
            at = torch.where(pool.scene[rows], torch.randint(0, 9, (n,), device=device), torch.randint(low, high, (n,), device=device))
            part = at[:, None] + torch.arange(24, device=device)
            part = part[:, None, None] if crop else part[:, None, :, None]
            x0 = x0.gather(3 if crop else 2, part.expand(n, 4, *((32, 24) if crop else (24, 32))))
        if gpu:
            x0 = x0.contiguous(memory_format=torch.channels_last)
        ids = pool.ids[rows, torch.randint(0, CAPTIONS, (n,), device=device)].long()
        ids = torch.where((torch.rand(n, device=device) < 0.1)[:, None], empty, ids)
        u = (torch.arange(n, device=device) + torch.rand(n, device=device)) / n
        bent = torch.sigmoid(0.9 * torch.special.ndtri(u.clamp(1e-4, 1 - 1e-4)) - 0.15)
        t = (1000 * torch.where(torch.rand(n, device=device) < 0.75, bent, u)).long().clamp(0, 999)
        for g in opt.param_groups:
            g["lr"] = rate
        with autocast():
            states = text(ids)
            teach = None
            if taught > 0:
                teach = lambda x, t: guide(x, t, ids)
            aim, each = loss_of(run, states, x0, t, torch.randn_like(x0), teach, taught)
            loss = aim.mean()
            naming = torch.zeros((), device=device)
            if o.text == "trained" and o.naming:
                pooled, told = states.mean(1), (ids != empty).any(1)
                if step < o.warmup and not resumed:  # the heads are new
                    pooled = pooled.detach()
                labels = pool.labels[rows].long()
                naming = sum(
                    (F.cross_entropy(head(pooled).float(), labels[:, k], reduction="none") * told).mean()
                    for k, head in enumerate(heads.values())
                )
        (loss + o.naming * naming).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        opt.zero_grad()
        decay = min(o.ema, (1 + step) / (20 + step)) if not resumed else o.ema
        with torch.no_grad():
            torch._foreach_lerp_(averaged, network, 1 - decay)
        sums.add_(torch.stack([loss.detach(), each.detach().mean(), naming.detach()]))

    @torch.no_grad()
    def guide(x, t, ids):
        with autocast():
            return teacher[0](x, t, teacher[1](ids)).float()

    def timed(run, n, times=8):
        sync()
        started = time.time()
        for _ in range(times):
            one_step(main_side, n, 1e-6, taught, run, trial=True)
        sync()
        return (time.time() - started) / times

    main_side = max(sides, key=lambda s: sides[s])
    runs = {}
    if o.compile == "on" or o.compile == "auto" and gpu and o.minutes >= 4:
        started = time.time()
        try:
            fast = torch.compile(unet, dynamic=False)
            n = o.batch * 1024 // max(1024, main_side**2)
            one_step(main_side, n, 1e-6, taught, fast, trial=True)
            sync()
            eager, quick = timed(unet, n), timed(fast, n)
            say(f"torch.compile took {time.time() - started:.0f} s: a step of {n} samples {1000 * quick:.0f} ms, without it {1000 * eager:.0f} ms")
            if quick < eager:
                runs[main_side] = fast
        except Exception as e:
            opt.zero_grad()
            say(f"torch.compile does not work here ({type(e).__name__}: {str(e).splitlines()[0][:120] if str(e) else ''}); training goes on without it")

    train_begin, last, last_report = time.time(), (time.time(), 0), time.time()
    train_end = end - 1.3 * cost - 1
    while not stop:
        now = time.time()
        if now >= train_end:
            break
        if drawing.failure:
            raise drawing.failure
        done = (now - train_begin) / max(1, train_end - train_begin)
        side = int(rng.choice(list(sides), p=np.array(list(sides.values())) / sum(sides.values())))
        n = max(2, 2 * o.batch if side == 16 else o.batch * 1024 // max(1024, side * side))
        rate = o.lr * min(1, (step + 1) / o.warmup) * min(1, (1 - done) / 0.65) + 1e-7
        one_step(side, n, rate, taught * max(0.0, 1 - done / 0.7), runs.get(side, unet))
        step, samples = step + 1, samples + n
        drawing.seen = samples
        if step % (100 if gpu else 10) == 0:
            loss, plain, naming = (sums / (100 if gpu else 10)).tolist()
            sums.zero_()
            if not math.isfinite(loss):
                raise SystemExit("The loss is not finite any more; the weights of the last report are kept. Try a lower --lr.")
            now, drawn = time.time(), sum(p.drawn for p in pools.values())
            say(f"step {step}, {(samples - last[1]) / (now - last[0]):.1f} samples a second, drawn {drawn} ({drawn / max(0.1, drawing.seconds):.0f} a second), rate {rate:.1e}, loss {loss:.4f}, unweighted {plain:.4f}, naming {naming:.2f}")
            last = (now, samples)
        if time.time() - last_report > 60 * o.every and time.time() + 2 * cost < train_end:
            cost = report(before["step"] + step, before["samples"] + samples, before["minutes"] + (time.time() - begun) / 60)
            last_report = time.time()
    drawing.stopped = True
    report(before["step"] + step, before["samples"] + samples, before["minutes"] + (time.time() - begun) / 60)
    files = [os.path.join(d, f) for d, _, names in os.walk(o.to) for f in names]
    say(f"{step} steps, {samples} samples, {sum(p.drawn for p in pools.values())} drawings; {sum(map(os.path.getsize, files)) / 1e6:.1f} MB in {o.to}, largest file {max(map(os.path.getsize, files)) / 2**20:.1f} MiB")
    for helper in helpers:
        helper.kill()
    sys.stdout.flush()
    os._exit(0)  # without waiting for the drawing thread


if __name__ == "__main__":
    main()
