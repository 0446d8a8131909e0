"""Draws a contact sheet with the exported model: python judge.py --model .. --to ../contact-sheet.jpg

The prompts name object, colour and surroundings whose combination was never in the training pictures, plus scenes and styles.
"""
import argparse, json, os, time, zlib
import numpy as np
import torch
from PIL import Image, ImageDraw
from captions import SURFACE_WORDS
from draw import COLOURS, OBJECTS, SURFACES, held_out
from networks import Autoencoder, TextEncoder, UNet, load_safetensors
from tokens import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))


class Pipeline:
    def __init__(self, folder):
        config = lambda part: json.load(open(f"{folder}/{part}/config.json"))
        self.vae, self.clip, self.unet = (
            Autoencoder(config("vae")),
            TextEncoder(config("text_encoder")),
            UNet(config("unet")),
        )
        for net, part, file in (
            (self.vae, "vae", "diffusion_pytorch_model"),
            (self.clip, "text_encoder", "model"),
            (self.unet, "unet", "diffusion_pytorch_model"),
        ):
            net.load_state_dict(load_safetensors(f"{folder}/{part}/{file}.safetensors"))
            net.eval()
        self.tokenizer, self.scale = Tokenizer(f"{folder}/tokenizer"), config("vae")["scaling_factor"]
        s = json.load(open(f"{folder}/scheduler/scheduler_config.json"))
        self.abar = torch.cumprod(
            1 - torch.linspace(s["beta_start"] ** 0.5, s["beta_end"] ** 0.5, 1000, dtype=torch.float64) ** 2, 0
        )

    @torch.no_grad()
    def sample(
        self,
        prompts,
        width=256,
        height=256,
        steps=20,
        guidance=4.0,
        seed=0,
        sampler="dpm",
        start=None,
        strength=1.0,
        rescale=0.0,
    ):
        """DPM-Solver++ (2M) or DDIM with trailing steps; `start` are scaled latents for image to image."""
        n = len(prompts)
        context = self.clip(torch.tensor([self.tokenizer(p) for p in prompts] + [self.tokenizer("")] * n))
        noise = torch.cat(
            [
                torch.randn(1, 4, height // 8, width // 8, generator=torch.Generator().manual_seed(seed + k))
                for k in range(n)
            ]
        )
        times = np.round(np.arange(1000, 0, -1000 / steps)).astype(int) - 1
        times = times[steps - int(steps * strength) :]
        alpha = lambda t: self.abar[t].sqrt().float() if t >= 0 else torch.tensor(1.0)
        sigma = lambda t: (1 - self.abar[t]).sqrt().float() if t >= 0 else torch.tensor(0.0)
        x = noise if start is None else alpha(times[0]) * start + sigma(times[0]) * noise
        previous = None
        for k, t in enumerate(times):
            v = self.unet(torch.cat([x, x]), torch.full((2 * n,), int(t)), context)
            v = v[n:] + guidance * (v[:n] - v[n:])
            x0, eps = alpha(t) * x - sigma(t) * v, alpha(t) * v + sigma(t) * x
            s = times[k + 1] if k + 1 < len(times) else -1
            if sampler == "ddim" or s < 0 or previous is None:
                d = x0
            else:
                lam = lambda u: (alpha(u) / sigma(u)).log()
                h, last = lam(s) - lam(t), lam(t) - lam(times[k - 1])
                d = x0 + 0.5 * h / last * (x0 - previous)
            if s < 0:
                x = x0
            elif sampler == "ddim":
                x = alpha(s) * x0 + sigma(s) * eps
            else:
                x = sigma(s) / sigma(t) * x + (alpha(s) - alpha(t) * sigma(s) / sigma(t)) * d
            previous = x0
        return x

    @torch.no_grad()
    def decode(self, z):
        return ((self.vae.decode(z / self.scale).clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()

    @torch.no_grad()
    def encode(self, pictures):
        return self.vae.encode(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1)[0] * self.scale


def prompts():
    """48 held-out combinations (every object at least twice), 8 landscapes, 6 styles, and the demonstration prompt twice."""
    found = {o: [] for o in OBJECTS}
    for obj in OBJECTS:
        for col in COLOURS:
            for bg in SURFACES:
                for bgcol in (
                    ["white", "blue", "black", "yellow"]
                    if bg == "plain"
                    else ["blue", "red", "green", "purple", "brown"]
                    if bg == "table"
                    else [""]
                ):
                    a = dict(kind="object", obj=obj, col=col, bg=bg, bgcol=bgcol, style="shaded")
                    if col != bgcol and held_out(a):
                        where = (
                            f"on a {bgcol} background"
                            if bg == "plain"
                            else f"on a {bgcol} table"
                            if bg == "table"
                            else SURFACE_WORDS[bg][0]
                        )
                        found[obj].append(
                            (
                                zlib.crc32(f"{obj}{col}{where}".encode()),
                                f"a {col} {obj} {where}".replace("a orange", "an orange"),
                            )
                        )
    found = {o: [p for _, p in sorted(v)] for o, v in found.items()}
    chosen = [found[o][k] for k in range(3) for o in OBJECTS if k < len(found[o])][:48]
    return (
        ["a red potion on a blue table", "a green potion"]
        + chosen
        + [
            "mountains at sunset",
            "a desert by day",
            "the ocean at night",
            "a pine forest by day",
            "green hills at sunset",
            "a forest at night",
            "snowy mountains on a sunny day",
            "the sea at sunset",
            "a purple gem on a white background, pixel art",
            "a green tree, watercolor",
            "a blue shield on a white background, flat design",
            "an orange cat on grass, outlined",
            "an apple, pixel art",
            "a red heart on a white background, outlined",
        ]
    )


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", default=os.path.join(HERE, ".."))
    ap.add_argument("--to", default="/tmp/pocket/contact-sheet.jpg")
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--guidance", type=float, default=4.0)
    ap.add_argument("--sampler", default="dpm")
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--prompts", nargs="*")
    ap.add_argument("--columns", type=int, default=8)
    ap.add_argument("--thumb", type=int, default=176)
    o = ap.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    pipe, texts, cells, start = Pipeline(o.model), o.prompts or prompts(), [], time.time()
    for i in range(0, len(texts), 8):
        part = texts[i : i + 8]
        for text, rgb in zip(
            part, pipe.decode(pipe.sample(part, o.size, o.size, o.steps, o.guidance, o.seed + i, o.sampler))
        ):
            cell = Image.new("RGB", (o.thumb, o.thumb + 14), "white")
            cell.paste(Image.fromarray(rgb).resize((o.thumb, o.thumb), Image.LANCZOS), (0, 0))
            ImageDraw.Draw(cell).text((2, o.thumb + 1), text[: o.thumb // 6], fill="black")
            cells.append(cell)
    print(f"{(time.time() - start) / len(texts):.2f} s a picture")
    rows = -(-len(cells) // o.columns)
    sheet = Image.new("RGB", (o.columns * o.thumb, rows * (o.thumb + 14)), "white")
    for k, cell in enumerate(cells):
        sheet.paste(cell, (k % o.columns * o.thumb, k // o.columns * (o.thumb + 14)))
    sheet.save(o.to, quality=82)


if __name__ == "__main__":
    main()
