"""The same networks as shapes.ts in PyTorch, for `npm run bench:gpu`: what our figures have to be compared with.

    python bench/gpu/pytorch.py --seconds 60

Half precision, channels-last, fused attention, random weights made on the device; on the CPU float32. With torch.compile
where it works and where there is time. Prints a line of JSON for each case, as measuring.ts reads them; the names of
cases are those of networks.ts.
"""

import argparse
import json
import os
import statistics
import sys
import time

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


class Bench:
    def __init__(self, seconds):
        self.ends = time.perf_counter() + seconds
        self.cuda = torch.cuda.is_available()
        self.device = torch.device("cuda" if self.cuda else "cpu")
        self.dtype = torch.float16 if self.cuda else torch.float32
        self.speed = None
        self.late = []

    def left(self):
        return self.ends - time.perf_counter()

    def make(self, network):
        """Random weights on the device; the networks are built without memory first."""
        network = network.to_empty(device=self.device).to(self.dtype, memory_format=torch.channels_last)
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
            row("measured", name, value=ms, unit="ms", detail=f"first call {first:.1f} s, median of {len(times)}")
            return ms
        except Exception as error:
            row("failed", name, detail=str(error).splitlines()[0][:300] if str(error) else type(error).__name__)
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

    def model(self, title, config, clip, ends):
        """One model's networks; `ends` is when the next one has its turn."""
        last, self.ends = self.ends, min(self.ends, ends)
        work = lambda pixels, of: OPERATIONS[of][0 if pixels == 512 else 1]
        with torch.device("meta"):
            network = reference.UNet(config)
        network = self.make(network)
        for pixels, rows in STEPS:
            given = self.feeds(pixels, rows, config)
            name = f"{title} step, {pixels}², {'1 row' if rows == 1 else f'{rows} rows'}"
            self.measure(name, lambda: network(*given), rows * work(pixels, title))
        with torch.device("meta"):
            text = Clip(*clip)
        text = self.make(text)
        ids = torch.arange(77, device=self.device)[None]
        self.measure(f"{title} text", lambda: text(ids), TEXT_OPERATIONS[title])
        with torch.device("meta"):
            decoder = reference.Vae(VAE)
        decoder = self.make(decoder)
        for pixels in (512, 1024):
            latents = torch.randn(1, 4, pixels // 8, pixels // 8, device=self.device, dtype=self.dtype)
            latents = latents.contiguous(memory_format=torch.channels_last)
            self.measure(f"{title} decoding, {pixels}²", lambda: decoder(latents), work(pixels, "decoder"))
        del decoder, text
        self.ends = last
        return network

    def compiled(self, title, network, config, pixels):
        """Compiling takes half a minute and more, so it comes last."""
        name = f"{title} step, {pixels}², 1 row, torch.compile"
        if self.left() < 30:
            row("skipped", name, detail=f"compiling takes half a minute and more, and {max(0, self.left()):.0f} s are left")
            return
        given = self.feeds(pixels, 1, config)
        fast = torch.compile(network, mode="max-autotune-no-cudagraphs" if self.left() > 120 else "default")
        self.measure(name, lambda: fast(*given), OPERATIONS[title][0 if pixels == 512 else 1])

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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    bench = Bench(parser.parse_args().seconds)
    on = torch.cuda.get_device_name() if bench.cuda else f"CPU, {torch.get_num_threads()} threads"
    row("measured", "PyTorch", value=torch.__version__, detail=f"{on}; {str(bench.dtype).removeprefix('torch.')}")
    torch.backends.cudnn.benchmark = True
    with torch.inference_mode():
        bench.product()
        half = time.perf_counter() + bench.left() * 0.4
        sd15 = bench.model("SD 1.5", SD15, (768, 12), half)
        xl = None
        if bench.cuda and torch.cuda.mem_get_info()[0] < 12e9:
            row("skipped", "XL", detail=f"needs 12 GB of the GPU, and {torch.cuda.mem_get_info()[0] / 1e9:.1f} are free")
        elif not bench.cuda:
            row("skipped", "XL", detail="too large for PyTorch on a CPU")
        else:
            xl = bench.model("XL", XL, (1280, 32), time.perf_counter() + bench.left() * 0.7)
        bench.compiled("SD 1.5", sd15, SD15, 512)
        if xl is not None:
            bench.compiled("XL", xl, XL, 1024)
    if bench.late:
        others = f", nor for {', '.join(bench.late[1:])}" if bench.late[1:] else ""
        row("skipped", bench.late[0], detail=f"no time was left{others}")


main()
