"""The same networks as shapes.ts and transformerShapes.ts in PyTorch, for `npm run bench:gpu`: what our figures have to be
compared with.

    python bench/gpu/pytorch.py --seconds 60 --unets sd15,sdxl --transformers JSON

Half precision (transformers: bfloat16), channels-last, fused attention, random weights made on the device; on the CPU float32.
With torch.compile where it works and where there is time. Prints a line of JSON for each case, as measuring.ts reads them; the
names of cases are those of networks.ts and transformers.ts. JSON is what `transformerForPython` tells of each transformer.
"""

import argparse
import json
import os
import statistics
import sys
import time

BEGUN = time.perf_counter()
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))


def tell(**told):
    print(json.dumps(told), flush=True)


def row(state, name, **more):
    tell(row={"state": state, "name": name, **more})


try:
    import torch
except ImportError:
    row("skipped", "PyTorch", detail=f"{sys.executable} has no torch")
    sys.exit(0)

import transformer as wide
import unet as reference
from torch import nn
from torch.nn import functional as F

reference.attend = F.scaled_dot_product_attention

SD15 = {
    "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280], "norm_num_groups": 32,
    "cross_attention_dim": 768, "attention_head_dim": 8,
}
XL = {
    "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280], "norm_num_groups": 32,
    "cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20], "transformer_layers_per_block": [0, 2, 10],
    "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}
VAE = {"latent_channels": 4, "block_out_channels": [128, 256, 512, 512], "norm_num_groups": 32}
# Floating-point operations at 512² and 1024², of one row (shapes.ts counts them), and of one text.
OPERATIONS = {"SD 1.5": (0.803e12, 4.674e12), "XL": (1.589e12, 6.761e12), "decoder": (2.515e12, 10.47e12)}
TEXT_OPERATIONS = {"SD 1.5": 13.3e9, "XL": 97.9e9}
STEPS = [(512, 1), (512, 2), (1024, 1), (512, 4), (1024, 2), (512, 8), (1024, 4), (1024, 8)]


class ClipLayer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads = width // 64

    def forward(self, x):
        q, k, v = (y.unflatten(2, (self.heads, 64)).transpose(1, 2) for y in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        y = self.fc1(self.norm2(x))
        return x + self.fc2(y * torch.sigmoid(1.702 * y))


class Clip(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(49408, width), nn.Embedding(77, width)
        self.layers = nn.Sequential(*(ClipLayer(width) for _ in range(layers)), nn.LayerNorm(width))

    def forward(self, ids):
        return self.layers(self.tokens(ids) + self.positions.weight)


def reason(error):
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


class Bench:
    def __init__(self, seconds):
        # Importing PyTorch is a part of the time.
        self.ends = BEGUN + seconds
        self.cuda = torch.cuda.is_available()
        self.device = torch.device("cuda" if self.cuda else "cpu")
        self.dtype = torch.float16 if self.cuda else torch.float32
        # Activations of transformers exceed what float16 holds, so people run them in this.
        self.wide = torch.bfloat16 if self.cuda else torch.float32
        self.speed = None
        self.best = 0
        self.late = []

    def left(self):
        return self.ends - time.perf_counter()

    def make(self, build, dtype=None):
        """Random weights on the device; the networks are built without memory first."""
        with torch.device("meta"):
            network = build()
        network = network.to_empty(device=self.device).to(dtype or self.dtype, memory_format=torch.channels_last)
        for name, parameter in network.named_parameters():
            if parameter.dim() < 2:
                nn.init.constant_(parameter, 1.0 if name.endswith("weight") else 0.0)
            elif self.cuda:
                nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
            else:
                # A CPU takes as long for equal numbers, and a minute for a thousand million random ones.
                nn.init.constant_(parameter, 1 / parameter[0].numel())
        return network.eval().requires_grad_(False)

    def sync(self):
        if self.cuda:
            torch.cuda.synchronize()

    def clock(self, call):
        begun = time.perf_counter()
        call()
        self.sync()
        return time.perf_counter() - begun

    def measure(self, name, call, operations):
        """With the speed of earlier cases the operations of a call say whether it fits."""
        expected = 3 * operations / self.speed
        if self.left() < 0.5:
            self.late.append(name)
            return None
        if expected > self.left():
            row("skipped", name, detail=f"would take about {expected:.1f} s, and {self.left():.1f} s are left")
            return None
        tell(begin=name)
        try:
            first = self.clock(call)
            self.clock(call)
            times = []
            within = min(3, self.left() / 10)
            begun = time.perf_counter()
            while not times or (len(times) < 30 and time.perf_counter() - begun < within):
                times.append(self.clock(call))
            ms = 1000 * statistics.median(times)
            self.speed = operations / (ms / 1000)
            self.best = max(self.best, self.speed)
            row("measured", name, value=ms, unit="ms", detail=f"first call {first:.1f} s, median of {len(times)}")
            return ms
        except Exception as error:
            row("failed", name, detail=reason(error))
            if self.cuda:
                torch.cuda.empty_cache()
            return None

    def feeds(self, pixels, rows, config):
        random = lambda *shape: torch.randn(*shape, device=self.device, dtype=self.dtype)
        sample = random(rows, 4, pixels // 8, pixels // 8).contiguous(memory_format=torch.channels_last)
        given = [sample, torch.full((rows,), 500.0, device=self.device), random(rows, 77, config["cross_attention_dim"])]
        if config.get("addition_time_embed_dim"):
            sizes = [float(pixels), float(pixels), 0.0, 0.0, float(pixels), float(pixels)]
            given += [random(rows, 1280), torch.tensor([sizes] * rows, device=self.device)]
        return given

    def guarded(self, title, work):
        """What fails outside of a case, such as weights that do not fit, leaves the other models."""
        try:
            work()
        except Exception as error:
            row("failed", title, detail=reason(error))
        if self.cuda:
            torch.cuda.empty_cache()

    def model(self, name, transformers):
        if name in transformers:
            self.transformer(name, transformers[name])
        else:
            self.unet(*UNETS[name][:3])

    def model_compiled(self, name, transformers):
        if name in transformers:
            self.transformer_compiled(name, transformers[name])
        else:
            title, config, _, pixels = UNETS[name]
            self.unet_compiled(title, config, pixels)

    def unet(self, title, config, clip):
        work = lambda pixels, of: OPERATIONS[of][0 if pixels == 512 else 1]
        network = self.make(lambda: reference.UNet(config))
        for pixels, rows in STEPS:
            given = self.feeds(pixels, rows, config)
            self.measure(step_name(title, pixels, rows), lambda: network(*given), rows * work(pixels, title))
        text = self.make(lambda: Clip(*clip))
        ids = torch.arange(77, device=self.device)[None]
        self.measure(f"{title} text", lambda: text(ids), TEXT_OPERATIONS[title])
        decoder = self.make(lambda: reference.Vae(VAE))
        for pixels in (512, 1024):
            latents = torch.randn(1, 4, pixels // 8, pixels // 8, device=self.device, dtype=self.dtype)
            latents = latents.contiguous(memory_format=torch.channels_last)
            self.measure(f"{title} decoding, {pixels}²", lambda: decoder(latents), work(pixels, "decoder"))

    def unet_compiled(self, title, config, pixels):
        def prepare():
            network, given = self.make(lambda: reference.UNet(config)), self.feeds(pixels, 1, config)
            return network, given

        self.compiled(step_name(title, pixels, 1), prepare, OPERATIONS[title][0 if pixels == 512 else 1])

    def transformer_feeds(self, name, told, pixels, rows):
        random = lambda *shape: torch.randn(*shape, device=self.device, dtype=self.wide)
        time = torch.full((rows,), 0.7, device=self.device)
        size = told["size"]
        # Positions cost the same whatever they are.
        if name == "klein":
            side, tokens = pixels // 16, told["text"]["tokens"]
            sample, positions = random(rows, 128, side, side), side**2 + tokens
        else:
            side, tokens = pixels // 8, told["text"]["tokens"]
            up = lambda length: -(-length // 32) * 32
            sample, positions = random(rows, 16, side, side), up(side**2 // 4) + up(tokens)
        angles = torch.arange(positions * size["head"] // 2, device=self.device).reshape(positions, -1) * 0.37
        return [sample, time, random(rows, tokens, size["text"]), angles.cos(), angles.sin()]

    def transformer(self, name, told):
        title, text = told["title"], told["text"]
        build = lambda: TRANSFORMERS[name](**told["size"])
        network = self.make(build, self.wide)
        for pixels, rows, operations in told["steps"]:
            given = self.transformer_feeds(name, told, pixels, rows)
            self.measure(step_name(title, pixels, rows), lambda: network(*given), operations)
        del network
        encoder = self.make(lambda: wide.Qwen3(**text["size"]), self.wide)
        ids = torch.arange(text["tokens"], device=self.device)[None]
        mask = (torch.arange(text["tokens"], device=self.device) < 30) if text["isFilled"] else None
        self.measure(f"{title} text", lambda: encoder(ids, mask), text["operations"])

    def transformer_compiled(self, name, told):
        pixels, rows, operations = told["steps"][1]

        def prepare():
            network = self.make(lambda: TRANSFORMERS[name](**told["size"]), self.wide)
            return network, self.transformer_feeds(name, told, pixels, rows)

        self.compiled(step_name(told["title"], pixels, rows), prepare, operations)

    def compiled(self, step, prepare, operations):
        """Compiling takes half a minute and more, so it comes last."""
        name = f"{step}, torch.compile"
        if self.left() < 30:
            row("skipped", name, detail=f"compiling takes half a minute and more, and {max(0, self.left()):.0f} s are left")
            return
        network, given = prepare()
        # The last case was of another kind.
        self.speed = max(self.best, self.speed)
        fast = torch.compile(network, mode="max-autotune-no-cudagraphs" if self.left() > 120 else "default")
        self.measure(name, lambda: fast(*given), operations)

    def product(self):
        size = 8192 if self.cuda else 1024
        a, b = (torch.randn(size, size, device=self.device, dtype=self.dtype) for _ in range(2))
        name = f"product of matrices, {'float16' if self.cuda else 'float32'}"
        tell(begin=name)
        for _ in range(3):
            self.clock(lambda: a @ b)
        seconds = min(self.clock(lambda: a @ b) for _ in range(10))
        # Networks reach a part of what a single product does.
        self.speed = 0.3 * 2 * size**3 / seconds
        row("measured", name, value=2 * size**3 / seconds / 1e12, unit="TFLOP/s", detail=f"{size}×{size}, the best of 10")


UNETS = {"sd15": ("SD 1.5", SD15, (768, 12), 512), "sdxl": ("XL", XL, (1280, 32), 1024)}
TRANSFORMERS = {"klein": wide.Flux2, "z-image": wide.ZImage}
# Bytes of the GPU that a model needs, and the part of the time that it gets of what those before it left.
NEEDS = {"klein": (12e9, 0.35), "sd15": (4e9, 0.35), "z-image": (16e9, 0.4), "sdxl": (12e9, 0.5)}


def step_name(title, pixels, rows):
    return f"{title} step, {pixels}², {'1 row' if rows == 1 else f'{rows} rows'}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--unets", default="sd15,sdxl")
    parser.add_argument("--transformers", type=json.loads, default={})
    options = parser.parse_args()
    bench = Bench(options.seconds)
    on = torch.cuda.get_device_name() if bench.cuda else f"CPU, {torch.get_num_threads()} threads"
    row("measured", "PyTorch", value=torch.__version__, detail=f"{on}; {str(bench.dtype).removeprefix('torch.')}")
    torch.backends.cudnn.benchmark = True
    titles = {name: UNETS[name][0] for name in UNETS if name in options.unets.split(",")}
    titles |= {name: told["title"] for name, told in options.transformers.items()}
    with torch.inference_mode():
        bench.product()
        fitting = []
        for name, (needed, part) in NEEDS.items():
            if name not in titles:
                continue
            title = titles[name]
            if bench.cuda and torch.cuda.mem_get_info()[0] < needed:
                free = torch.cuda.mem_get_info()[0] / 1e9
                row("skipped", title, detail=f"needs {needed / 1e9:.0f} GB of the GPU, and {free:.1f} are free")
                continue
            if not bench.cuda and name != "sd15" and not title.startswith("tiny"):
                row("skipped", title, detail="too large for PyTorch on a CPU")
                continue
            fitting.append(name)
            last, bench.ends = bench.ends, time.perf_counter() + part * bench.left()
            bench.guarded(title, lambda: bench.model(name, options.transformers))
            bench.ends = last
        for name in fitting:
            bench.guarded(titles[name], lambda: bench.model_compiled(name, options.transformers))
    if bench.late:
        others = f", nor for {', '.join(bench.late[1:])}" if bench.late[1:] else ""
        row("skipped", bench.late[0], detail=f"no time was left{others}")


main()
