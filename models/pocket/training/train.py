"""Trains the text encoder and the UNet together on cached latents: 16×16 latents first (a quarter of the cost), then 32×32.

    python train.py --minutes 75                     # writes unet-train.pt in --out every few minutes and resumes from it
    python train.py --minutes 75 --warm FOLDER       # begins with the weights of a model folder, e.g. the one that ships
    python train.py --minutes 75 --restart           # goes on from a training that had ended

Pictures and latents may still be growing: what is there is used. Every process' id is a line of OUT/train.pid, so that the training
can be paused (kill -STOP, kill -CONT). OUT/emphasis.json, read again every 100 steps, says how much oftener pictures with an attribute
are shown, e.g. {"style=neon": 1.5}, over EMPHASIS.

v-prediction (https://arxiv.org/abs/2202.00512) on the schedule of `SCHEDULER`; the loss is capped where little noise is
left, after min-SNR (https://arxiv.org/abs/2303.09556), but keeps full weight where layout and colour are decided.
"""
import argparse, copy, json, math, os, time
import numpy as np
import torch
import parallel
from captions import caption
from draw import COLOURS, LANDS, OBJECTS, STYLES, SURFACES, TIMES, WEATHERS
from networks import TextEncoder, UNet, load_safetensors
from tokens import Tokenizer, pieces

UNET = dict(
    _class_name="UNet2DConditionModel",
    _diffusers_version="0.30.0",
    sample_size=32,
    in_channels=4,
    out_channels=4,
    center_input_sample=False,
    flip_sin_to_cos=True,
    freq_shift=0,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    mid_block_type="UNetMidBlock2DCrossAttn",
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    only_cross_attention=False,
    block_out_channels=[48, 96, 160],
    layers_per_block=1,
    downsample_padding=1,
    mid_block_scale_factor=1,
    dropout=0.0,
    act_fn="silu",
    norm_num_groups=16,
    norm_eps=1e-5,
    cross_attention_dim=160,
    transformer_layers_per_block=1,
    attention_head_dim=4,
    use_linear_projection=True,
)
TEXT = dict(
    architectures=["CLIPTextModel"],
    model_type="clip_text_model",
    hidden_size=160,
    intermediate_size=512,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=32,
    hidden_act="quick_gelu",
    layer_norm_eps=1e-5,
    projection_dim=160,
)
SCHEDULER = dict(
    _class_name="DPMSolverMultistepScheduler",
    _diffusers_version="0.30.0",
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.02,
    beta_schedule="scaled_linear",
    prediction_type="v_prediction",
    timestep_spacing="trailing",
    steps_offset=0,
    algorithm_type="dpmsolver++",
    solver_order=2,
    solver_type="midpoint",
    lower_order_final=True,
    use_karras_sigmas=False,
    clip_sample=False,
    set_alpha_to_one=True,
    skip_prk_steps=True,
    trained_betas=None,
)


def alphas():
    betas = torch.linspace(SCHEDULER["beta_start"] ** 0.5, SCHEDULER["beta_end"] ** 0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


def text_config(tokenizer):
    return dict(
        TEXT,
        vocab_size=len(tokenizer.vocab),
        bos_token_id=tokenizer.start,
        eos_token_id=tokenizer.end,
        pad_token_id=tokenizer.pad,
    )


@torch.no_grad()
def draw(unet, text, tokenizer, prompts, size=32, steps=20, guidance=4.0, seed=0):
    """DDIM with guidance, for a look at a checkpoint; returns scaled latents."""
    abar, n, device = alphas(), len(prompts), next(unet.parameters()).device
    context = text(torch.tensor([tokenizer(p) for p in prompts] + [tokenizer("")] * n, device=device))
    x = torch.randn(n, 4, size, size, generator=torch.Generator().manual_seed(seed)).to(device)
    times = np.round(np.arange(1000, 0, -1000 / steps)).astype(int) - 1
    for k, t in enumerate(times):
        v = unet(torch.cat([x, x]), torch.full((2 * n,), int(t), device=device), context)
        v = v[n:] + guidance * (v[:n] - v[n:])
        a, b = abar[t].sqrt(), (1 - abar[t]).sqrt()
        x0, eps = a * x - b * v, a * v + b * x
        last = abar[times[k + 1]] if k + 1 < len(times) else torch.tensor(1.0)
        x = last.sqrt() * x0 + (1 - last).sqrt() * eps
    return x


# What the heads name from the averaged text states, and the values of each attribute.
NAMES = {
    "obj": [*OBJECTS, ""],
    "col": [*COLOURS, ""],
    "bg": [*SURFACES, ""],
    "bgcol": [*COLOURS, ""],
    "style": STYLES,
    "size": ["tiny", "large", ""],
    "pos": ["left", "right", ""],
    "count": [1, 2, 3, ""],
    "rel": ["on", "beside", ""],
    "obj2": [*OBJECTS, ""],
    "col2": [*COLOURS, ""],
    "land": [*LANDS, ""],
    "time": [*TIMES, ""],
    "weather": [*WEATHERS, ""],
}
# How much oftener than it is drawn a picture is shown: the plain case (shaded, one object of the usual size in the middle) and what
# is hard to learn; several factors multiply.
EMPHASIS = {
    "plain": 1.5,
    "count=2": 0.9,
    "count=3": 0.8,
    "rel=on": 1.8,
    "rel=beside": 1.2,
    "pos=left": 1.7,
    "pos=right": 1.7,
    "style=pixel": 1.2,
    "style=flat": 1.5,
    "style=outlined": 1.5,
    "style=neon": 1.2,
    "style=watercolor": 0.8,
    "weather=fog": 2.0,
    "weather=snow": 2.0,
    "weather=rain": 1.6,
} | {f"obj={name}": factor for name, factor in dict(bird=1.4, mug=1.4, rocket=1.3, book=1.3, bomb=1.2, shield=1.2).items()}


def attributes_of(a):
    plain = a["style"] == "shaded" and not (a.get("size") or a.get("pos") or a.get("rel")) and a.get("count", 1) == 1
    return {f"{k}={v}" for k, v in a.items()} | ({"plain"} if plain else set())


def shares(attributes, emphasis):
    """How probable each picture is, so that wished for attributes come oftener."""
    weights = np.array([math.prod(emphasis[k] for k in attributes_of(a) & emphasis.keys()) for a in attributes], float)
    return weights / weights.sum()


def warm_start(folder, tokenizer, unet, text):
    """Weights of a model folder; words its vocabulary lacks begin as the mean of the pieces they had in it."""
    unet.load_state_dict(load_safetensors(f"{folder}/unet/diffusion_pytorch_model.safetensors"))
    old, known = Tokenizer(f"{folder}/tokenizer"), load_safetensors(f"{folder}/text_encoder/model.safetensors")
    name = "text_model.embeddings.token_embedding.weight"
    known[name] = torch.stack([known[name][pieces(entry, old)].mean(0) for entry in tokenizer.vocab])
    text.load_state_dict(known)


def crop(latents, rows, attributes, rng):
    """Landscape or portrait parts (three quarters) of square latents, where nothing is cut through."""
    tall = rng.random() < 0.5
    out = []
    for r in rows:
        scene = attributes[r]["kind"] == "scene"
        at = int(rng.integers(0, 9)) if scene else int(rng.integers(3, 6)) if tall else int(rng.integers(4, 6))
        out.append(latents[r, :, :, at : at + 24] if tall else latents[r, :, at : at + 24])
    return np.stack(out)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", default="/tmp/pocket")
    ap.add_argument("--tokenizer", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tokenizer"))
    ap.add_argument("--warm", help="model folder whose weights training begins with")
    ap.add_argument("--restart", action="store_true", help="begin a new cycle of the learning rate with the averaged weights of the checkpoint")
    ap.add_argument("--until", help="wall clock HH:MM at which the learning rate reaches 0")
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--small", type=float, default=0.4, help="share of the time spent on 16×16 latents only")
    ap.add_argument("--mix", type=float, default=0.25, help="share of 16×16 batches afterwards")
    ap.add_argument("--batch", type=int, default=32, help="of 16×16 latents; half as many of 32×32")
    ap.add_argument("--wide", type=float, default=0.12, help="share of the large batches that are 24×32 or 32×24")
    ap.add_argument("--workers", type=int, default=2)
    ap.add_argument("--naming", type=float, default=0.03, help="weight of naming the attributes from the text states")
    ap.add_argument("--steps", type=int, default=0, help="stop after so many, for a trial")
    o = ap.parse_args()
    if not o.steps:
        open(f"{o.out}/train.pid", "w").close()
    rank = parallel.start(o.workers)
    say = (lambda *a: print(*a, flush=True)) if rank == 0 else (lambda *a: None)
    if not o.steps:
        open(f"{o.out}/train.pid", "a").write(f"{os.getpid()}\n")
    attributes, tokenizer = json.load(open(f"{o.out}/attributes.json")), Tokenizer(o.tokenizer)
    torch.manual_seed(0)
    unet, text = UNet(UNET), TextEncoder(text_config(tokenizer))
    for p in text.text_model["embeddings"].parameters():
        torch.nn.init.normal_(p, std=0.1)
    for name, p in unet.named_parameters():  # residual branches start as nothing
        if name.endswith(("conv2.weight", "proj_out.weight")) or name == "conv_out.weight":
            torch.nn.init.zeros_(p)
    if o.warm:
        warm_start(o.warm, tokenizer, unet, text)
    pair = torch.nn.ModuleDict(dict(unet=unet, text=text))
    ema = copy.deepcopy(pair)
    # Heads that name the attributes from the averaged text states: text encoders learn nouns much sooner with this help. Not exported.
    heads = torch.nn.ModuleDict({k: torch.nn.Linear(TEXT["hidden_size"], len(v)) for k, v in NAMES.items()})
    labels = {k: torch.tensor([v.index(a.get(k, "")) for a in attributes]) for k, v in NAMES.items()}
    network, parameters = list(pair.parameters()), [*pair.parameters(), *heads.parameters()]
    opt = torch.optim.AdamW(parameters, o.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    say(
        "parameters: unet", sum(p.numel() for p in unet.parameters()), "text", sum(p.numel() for p in text.parameters())
    )
    start, step, seen, avg = time.time(), 0, {16: 0, 32: 0}, {}
    end = start + o.minutes * 60
    if o.until:
        now = time.localtime()
        h, m = map(int, o.until.split(":"))
        end = time.mktime((*now[:3], h, m, 0, *now[6:]))
    path = f"{o.out}/unet-train.pt"
    if os.path.exists(path) and not o.steps:
        s = torch.load(path)
        pair.load_state_dict(s["model"])
        ema.load_state_dict(s["ema"])
        heads.load_state_dict(s["heads"])
        opt.load_state_dict(s["opt"])
        if o.restart:
            pair.load_state_dict(s["ema"])
        else:
            step, seen, start = s["step"], s["seen"], s["start"]
        if not o.until:  # the minutes already spent count
            end = start + o.minutes * 60
        say("resumed at step", step)
    flat = torch.zeros(sum(p.numel() for p in parameters))
    rng = np.random.default_rng(11 + step)  # shared decisions
    mine = np.random.default_rng(1000 + 10 * step + rank)  # this process's own
    torch.manual_seed(2000 + 10 * step + rank)
    abar, saved, last, empty = alphas(), time.time(), (time.time(), sum(seen.values())), tokenizer("")
    ready, chosen = 0, None
    while not o.steps or step < o.steps:
        if chosen is None or step % 100 == 0:
            ready = cached(o.out)
            emphasis = dict(EMPHASIS)
            if os.path.exists(f"{o.out}/emphasis.json"):
                emphasis.update(json.load(open(f"{o.out}/emphasis.json")))
            file = lambda s: np.memmap(f"{o.out}/latents{8 * s}.f32", np.float32, "r", shape=(ready, 4, s, s))
            latents = {s: file(s) for s in (16, 32)}
            chosen = shares(attributes[:ready], emphasis).cumsum()
        (now,) = parallel.agree(time.time())
        if now >= end:
            break
        done = min(1, (now - start) / (end - start))
        size = 32 if done >= o.small and rng.random() > o.mix else 16
        wide = size == 32 and rng.random() < o.wide
        n = (o.batch if size == 16 else o.batch // 2) // o.workers
        for g in opt.param_groups:
            g["lr"] = o.lr * min(1, (step + 1) / 200) * min(1, (1 - done) / 0.65) + 1e-7
        rows = chosen.searchsorted(mine.random(n) * chosen[-1], side="right").clip(0, ready - 1)
        if wide:
            usual = [r for r in rows if not attributes[r].get("pos") and attributes[r].get("size") != "large"]
            usual = [r for r in usual if attributes[r].get("count", 1) == 1 and not attributes[r].get("rel")]
            rows = np.asarray((usual or [r for r in rows]) * n)[:n]
        x0 = torch.from_numpy(crop(latents[32], rows, attributes, mine) if wide else latents[size][rows])
        ids = torch.tensor([empty if mine.random() < 0.1 else tokenizer(caption(attributes[r], mine)) for r in rows])
        # Stratified; three quarters of the times where shapes are decided.
        u = torch.from_numpy((np.arange(n) + mine.random(n)) / n)
        t = 1000 * torch.where(torch.rand(n) < 0.75, torch.sigmoid(0.9 * torch.special.ndtri(u) - 0.15), u)
        t = t.long().clamp(0, 999)
        a = abar[t][:, None, None, None]
        noise = torch.randn_like(x0)
        x, v = a.sqrt() * x0 + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x0
        context = text(ids)
        each = (unet(x, t, context) - v).square().mean((1, 2, 3))
        snr = (a / (1 - a)).flatten()
        loss = (each * (snr + 1).clamp(max=6) / (snr + 1)).mean()
        pooled, told = context.mean(1), (ids != torch.tensor(empty)).any(1)  # the empty prompt names nothing
        naming = sum(
            (torch.nn.functional.cross_entropy(head(pooled), labels[k][rows], reduction="none") * told).mean()
            for k, head in heads.items()
        )
        (loss + o.naming * naming).backward()
        parallel.average_gradients(parameters, flat, o.workers)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        opt.zero_grad()
        decay = min(0.998, (1 + step) / (20 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(ema.parameters()), network, 1 - decay)
        step += 1
        seen[size] += n * o.workers
        for k, value in ((f"loss{size}", loss), (f"all{size}", each.mean()), ("naming", naming)):
            avg[k] = avg.get(k, value.item()) * 0.98 + 0.02 * value.item()
        if step % 100 == 0:
            now, total = time.time(), sum(seen.values())
            say(
                f"{time.strftime('%H:%M:%S')} step {step} pictures {ready} seen {seen[16]}+{seen[32]} "
                f"{(total - last[1]) / (now - last[0]):.1f}/s lr {opt.param_groups[0]['lr']:.1e} "
                + " ".join(f"{k} {value:.4f}" for k, value in avg.items())
            )
            last = (now, total)
        if rank == 0 and not o.steps and time.time() - saved > 120:
            save(path, pair, heads, ema, opt, step, seen, start)
            saved = time.time()
    if rank == 0 and not o.steps:
        save(path, pair, heads, ema, opt, step, seen, start)
        say("done", step, seen)


def cached(out):
    """How many pictures have latents of both sizes."""
    return min(os.path.getsize(f"{out}/latents{8 * s}.f32") // (16 * s * s) for s in (16, 32))


def save(path, pair, heads, ema, opt, step, seen, start):
    torch.save(
        dict(
            model=pair.state_dict(),
            heads=heads.state_dict(),
            ema=ema.state_dict(),
            opt=opt.state_dict(),
            step=step,
            seen=seen,
            start=start,
        ),
        path + ".part",
    )
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main()
