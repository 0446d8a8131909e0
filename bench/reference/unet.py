"""The UNet and the VAE decoder of Stable Diffusion 1.5 in plain PyTorch, exported to ONNX: the other side of `npm run bench:model`.

    python bench/reference/unet.py MODEL_FOLDER OUT_FOLDER [unet] [vae_decoder]

Written from the published architecture, with attention as matrix products and a softmax, as exporters leave it. Tensors
are read by hand from MODEL_FOLDER's safetensors files (F32), so it needs torch, numpy and onnx only.
"""

import json
import math
import os
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def tensors_of(path):
    """All tensors of a safetensors file, mapped."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    data = np.memmap(path, np.uint8, "r")
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}; this reads F32 only"
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        found[name] = torch.from_numpy(np.frombuffer(data[begin:end].tobytes(), np.float32).reshape(entry["shape"]).copy())
    return found


class Resnet(nn.Module):
    def __init__(self, into, out, time, groups, eps):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, into, eps)
        self.conv1 = nn.Conv2d(into, out, 3, padding=1)
        if time:
            self.time_emb_proj = nn.Linear(time, out)
        self.norm2 = nn.GroupNorm(groups, out, eps)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(into, out, 1) if into != out else nn.Identity()

    def forward(self, x, time=None):
        y = self.conv1(F.silu(self.norm1(x)))
        if time is not None:
            y = y + self.time_emb_proj(F.silu(time))[:, :, None, None]
        return self.conv_shortcut(x) + self.conv2(F.silu(self.norm2(y)))


def attend(q, k, v):
    """As exporters leave it; bench/gpu/pytorch.py puts PyTorch's fused attention in its place."""
    scores = torch.matmul(q, k.transpose(2, 3)) * (1 / math.sqrt(q.shape[-1]))
    return torch.matmul(scores.softmax(-1), v)


class Attention(nn.Module):
    def __init__(self, width, other, heads, bias=False):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias)
        self.to_k = nn.Linear(other, width, bias)
        self.to_v = nn.Linear(other, width, bias)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, other):
        split = lambda y: y.unflatten(2, (self.heads, -1)).transpose(1, 2)
        q, k, v = split(self.to_q(x)), split(self.to_k(other)), split(self.to_v(other))
        return self.to_out[0](attend(q, k, v).transpose(1, 2).flatten(2))


class Gate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x):
        hidden, gate = self.proj(x).chunk(2, -1)
        return hidden * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(Gate(width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x):
        return self.net(x)


class Block(nn.Module):
    def __init__(self, width, text, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1 = Attention(width, width, heads)
        self.attn2 = Attention(width, text, heads)
        self.ff = FeedForward(width)

    def forward(self, x, text):
        y = self.norm1(x)
        x = x + self.attn1(y, y)
        x = x + self.attn2(self.norm2(x), text)
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    def __init__(self, width, text, heads, groups, depth=1):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, 1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([Block(width, text, heads) for _ in range(depth)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x, text):
        y = self.proj_in(self.norm(x))
        height, width = y.shape[2:]
        y = y.flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            y = block(y, text)
        return x + self.proj_out(y.transpose(1, 2).unflatten(2, (height, width)))


class Down(nn.Module):
    def __init__(self, width, padding=1):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 2, padding)

    def forward(self, x):
        return self.conv(x)


class Up(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Stage(nn.Module):
    """What diffusers calls a block: residual layers, attention behind each, and a change of size."""

    def __init__(self, widths, out, transformer=None, down=False, up=False, time=0, groups=32, eps=1e-5):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(into, out, time, groups, eps) for into in widths])
        if transformer:
            self.attentions = nn.ModuleList([transformer(out) for _ in widths])
        if down:
            self.downsamplers = nn.ModuleList([Down(out)])
        if up:
            self.upsamplers = nn.ModuleList([Up(out)])


def sinusoids(numbers, width):
    half = width // 2
    angles = numbers[:, None] * torch.exp(-math.log(10000) * torch.arange(half, device=numbers.device) / half)[None]
    return torch.cat([angles.cos(), angles.sin()], -1)


class UNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels, groups, text = config["block_out_channels"], config["norm_num_groups"], config["cross_attention_dim"]
        self.width, time = channels[0], 4 * channels[0]
        heads = config["attention_head_dim"]
        heads = heads if isinstance(heads, list) else [heads] * len(channels)
        # Of each block on the way down: none in the last one of Stable Diffusion 1.5, none in the first one of XL.
        depths = config.get("transformer_layers_per_block", [1] * (len(channels) - 1) + [0])
        transformer = lambda i, depth: depth and (lambda width: Transformer(width, text, heads[i], groups, depth))
        self.conv_in = nn.Conv2d(config["in_channels"], channels[0], 3, padding=1)
        self.time_embedding = nn.ModuleDict({"linear_1": nn.Linear(channels[0], time), "linear_2": nn.Linear(time, time)})
        self.added = config.get("addition_time_embed_dim")
        if self.added:
            pooled = config["projection_class_embeddings_input_dim"]
            self.add_embedding = nn.ModuleDict({"linear_1": nn.Linear(pooled, time), "linear_2": nn.Linear(time, time)})
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        skips, last = [channels[0]], channels[0]
        for i, out in enumerate(channels):
            end = i == len(channels) - 1
            self.down_blocks.append(Stage([last, out], out, transformer(i, depths[i]), down=not end, time=time, groups=groups))
            skips += [out, out] + ([] if end else [out])
            last = out
        self.mid_block = Stage([last, last], last, None, time=time, groups=groups)
        self.mid_block.attentions = nn.ModuleList([transformer(-1, max(1, depths[-1]))(last)])
        for i, out in enumerate(reversed(channels)):
            widths = []
            for _ in range(3):
                widths.append(last + skips.pop())
                last = out
            self.up_blocks.append(Stage(widths, out, transformer(-1 - i, depths[-1 - i]), up=i < len(channels) - 1, time=time, groups=groups))
        self.conv_norm_out = nn.GroupNorm(groups, channels[0], 1e-5)
        self.conv_out = nn.Conv2d(channels[0], config["out_channels"], 3, padding=1)

    def forward(self, sample, timestep, encoder_hidden_states, text_embeds=None, time_ids=None):
        time = self.time_embedding["linear_1"](sinusoids(timestep, self.width).to(sample.dtype))
        time = self.time_embedding["linear_2"](F.silu(time))
        if self.added:
            sizes = sinusoids(time_ids.flatten(), self.added).reshape(sample.shape[0], -1)
            added = self.add_embedding["linear_1"](torch.cat([text_embeds, sizes.to(sample.dtype)], -1))
            time = time + self.add_embedding["linear_2"](F.silu(added))
        x = self.conv_in(sample)
        skips = [x]
        for block in self.down_blocks:
            for i, resnet in enumerate(block.resnets):
                x = resnet(x, time)
                if hasattr(block, "attentions"):
                    x = block.attentions[i](x, encoder_hidden_states)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block.resnets[0](x, time)
        x = self.mid_block.attentions[0](x, encoder_hidden_states)
        x = self.mid_block.resnets[1](x, time)
        for block in self.up_blocks:
            for i, resnet in enumerate(block.resnets):
                x = resnet(torch.cat([x, skips.pop()], 1), time)
                if hasattr(block, "attentions"):
                    x = block.attentions[i](x, encoder_hidden_states)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class VaeAttention(Attention):
    def __init__(self, width, groups):
        super().__init__(width, width, 1, True)
        self.group_norm = nn.GroupNorm(groups, width, 1e-6)

    def forward(self, x):
        y = self.group_norm(x).flatten(2).transpose(1, 2)
        return x + super().forward(y, y).transpose(1, 2).unflatten(2, x.shape[2:])


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels, groups = config["block_out_channels"][::-1], config["norm_num_groups"]
        stage = lambda widths, out, up=False: Stage(widths, out, up=up, groups=groups, eps=1e-6)
        self.conv_in = nn.Conv2d(config["latent_channels"], channels[0], 3, padding=1)
        self.mid_block = stage([channels[0]] * 2, channels[0])
        self.mid_block.attentions = nn.ModuleList([VaeAttention(channels[0], groups)])
        self.up_blocks, last = nn.ModuleList(), channels[0]
        for i, out in enumerate(channels):
            self.up_blocks.append(stage([last, out, out], out, i < len(channels) - 1))
            last = out
        self.conv_norm_out = nn.GroupNorm(groups, last, 1e-6)
        self.conv_out = nn.Conv2d(last, 3, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        x = self.mid_block.resnets[1](self.mid_block.attentions[0](self.mid_block.resnets[0](x)))
        for block in self.up_blocks:
            for resnet in block.resnets:
                x = resnet(x)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class Vae(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.post_quant_conv = nn.Conv2d(config["latent_channels"], config["latent_channels"], 1)
        self.decoder = Decoder(config)

    def forward(self, latent_sample):
        return self.decoder(self.post_quant_conv(latent_sample))


def export(network, weights, inputs, axes, output, out):
    wanted = network.state_dict().keys()
    network.load_state_dict({name: weights[name] for name in wanted}, assign=True)
    os.makedirs(os.path.dirname(out), exist_ok=True)
    network.eval().requires_grad_(False)
    # The exporter that walks the traced module, as optimum used it for the models that are published as ONNX.
    torch.onnx.export(
        network, tuple(inputs.values()), out, dynamo=False, opset_version=17, do_constant_folding=True,
        input_names=list(inputs), output_names=[output], dynamic_axes=axes,
    )


def main():
    folder, out, *parts = sys.argv[1:]
    torch.manual_seed(0)
    with torch.no_grad():
        if not parts or "unet" in parts:
            config = json.load(open(f"{folder}/unet/config.json"))
            text = config["cross_attention_dim"]
            inputs = {
                "sample": torch.randn(1, 4, 64, 64),
                "timestep": torch.tensor([500.0]),
                "encoder_hidden_states": torch.randn(1, 77, text),
            }
            axes = {
                "sample": {0: "batch", 2: "height", 3: "width"},
                "timestep": {0: "batch"},
                "encoder_hidden_states": {0: "batch", 1: "length"},
            }
            with torch.device("meta"):
                network = UNet(config)
            weights = tensors_of(f"{folder}/unet/diffusion_pytorch_model.safetensors")
            export(network, weights, inputs, axes, "out_sample", f"{out}/unet/model.onnx")
            del network, weights
        if not parts or "vae_decoder" in parts:
            config = json.load(open(f"{folder}/vae/config.json"))
            with torch.device("meta"):
                network = Vae(config)
            weights = tensors_of(f"{folder}/vae/diffusion_pytorch_model.safetensors")
            inputs = {"latent_sample": torch.randn(1, config["latent_channels"], 64, 64)}
            axes = {"latent_sample": {0: "batch", 2: "height", 3: "width"}}
            export(network, weights, inputs, axes, "sample", f"{out}/vae_decoder/model.onnx")


if __name__ == "__main__":
    main()
