"""The three networks of a Stable Diffusion checkpoint and a tiny decoder, with the parameter names the diffusers and transformers layouts use.

Written for training: only what the pocket model (and the SD 1.5 family) needs. check.py compares them with reference numbers.
"""
import json, math, struct
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


# --- safetensors ---
DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64}


def load_safetensors(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header, data = json.loads(f.read(size)), f.read()
    return {
        k: torch.from_numpy(
            np.frombuffer(data, DTYPES[v["dtype"]], int(np.prod(v["shape"])), v["data_offsets"][0])
            .reshape(v["shape"])
            .copy()
        ).float()
        for k, v in header.items()
        if k != "__metadata__"
    }


def save_safetensors(path, tensors, dtype="F16"):
    header, chunks, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for k in sorted(tensors):
        raw = tensors[k].detach().float().cpu().contiguous().numpy().astype(DTYPES[dtype]).tobytes()
        header[k] = {"dtype": dtype, "shape": list(tensors[k].shape), "data_offsets": [offset, offset + len(raw)]}
        chunks.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


# --- shared blocks ---
class Resnet(nn.Module):
    def __init__(self, cin, cout, groups, eps, time=None):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, cin, eps), nn.Conv2d(cin, cout, 3, padding=1)
        if time:
            self.time_emb_proj = nn.Linear(time, cout)
        self.norm2, self.conv2 = nn.GroupNorm(groups, cout, eps), nn.Conv2d(cout, cout, 3, padding=1)
        if cin != cout:
            self.conv_shortcut = nn.Conv2d(cin, cout, 1)

    def forward(self, x, temb=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if temb is not None:
            h = h + self.time_emb_proj(temb)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Downsample(nn.Module):
    def __init__(self, c, padding):
        super().__init__()
        self.conv, self.padding = nn.Conv2d(c, c, 3, stride=2, padding=padding), padding

    def forward(self, x):
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x, size=None):
        return self.conv(F.interpolate(x, size=size or (2 * x.shape[2], 2 * x.shape[3]), mode="nearest"))


class Attention(nn.Module):
    def __init__(self, c, context=None, heads=1, bias=False, groups=None):
        super().__init__()
        self.heads = heads
        if groups:
            self.group_norm = nn.GroupNorm(groups, c, 1e-6)
        self.to_q, self.to_k, self.to_v = (
            nn.Linear(c, c, bias),
            nn.Linear(context or c, c, bias),
            nn.Linear(context or c, c, bias),
        )
        self.to_out = nn.ModuleList([nn.Linear(c, c)])

    def forward(self, x, context=None):
        context = x if context is None else context
        q, k, v = (
            p.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for p in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class ImageAttention(Attention):
    def __init__(self, c, groups):
        super().__init__(c, bias=True, groups=groups)

    def forward(self, x):
        b, c, h, w = x.shape
        return x + super().forward(self.group_norm(x).flatten(2).transpose(1, 2)).transpose(1, 2).reshape(b, c, h, w)


# --- AutoencoderKL ---
class Block(nn.Module):
    def __init__(self, resnets, attentions=None, down=None, up=None):
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        if attentions:
            self.attentions = nn.ModuleList(attentions)
        if down:
            self.downsamplers = nn.ModuleList([down])
        if up:
            self.upsamplers = nn.ModuleList([up])

    def forward(self, x, *args):
        for r in self.resnets:
            x = r(x, *args)
        for s in getattr(self, "downsamplers", []):
            x = s(x)
        for s in getattr(self, "upsamplers", []):
            x = s(x)
        return x


class VaeMid(nn.Module):
    def __init__(self, c, groups):
        super().__init__()
        self.attentions = nn.ModuleList([ImageAttention(c, groups)])
        self.resnets = nn.ModuleList([Resnet(c, c, groups, 1e-6) for _ in range(2)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class VaeEncoder(nn.Module):
    def __init__(self, chans, layers, latent, groups):
        super().__init__()
        self.conv_in = nn.Conv2d(3, chans[0], 3, padding=1)
        ins = [chans[0]] + chans[:-1]
        self.down_blocks = nn.ModuleList(
            [
                Block(
                    [Resnet(i if k == 0 else o, o, groups, 1e-6) for k in range(layers)],
                    down=Downsample(o, 0) if n < len(chans) - 1 else None,
                )
                for n, (i, o) in enumerate(zip(ins, chans))
            ]
        )
        self.mid_block = VaeMid(chans[-1], groups)
        self.conv_norm_out, self.conv_out = nn.GroupNorm(groups, chans[-1], 1e-6), nn.Conv2d(
            chans[-1], 2 * latent, 3, padding=1
        )

    def forward(self, x):
        x = self.conv_in(x)
        for b in self.down_blocks:
            x = b(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class VaeDecoder(nn.Module):
    def __init__(self, chans, layers, latent, groups):
        super().__init__()
        chans = chans[::-1]
        self.conv_in, self.mid_block = nn.Conv2d(latent, chans[0], 3, padding=1), VaeMid(chans[0], groups)
        ins = [chans[0]] + chans[:-1]
        self.up_blocks = nn.ModuleList(
            [
                Block(
                    [Resnet(i if k == 0 else o, o, groups, 1e-6) for k in range(layers + 1)],
                    up=Upsample(o) if n < len(chans) - 1 else None,
                )
                for n, (i, o) in enumerate(zip(ins, chans))
            ]
        )
        self.conv_norm_out, self.conv_out = nn.GroupNorm(groups, chans[-1], 1e-6), nn.Conv2d(chans[-1], 3, 3, padding=1)

    def forward(self, z):
        x = self.mid_block(self.conv_in(z))
        for b in self.up_blocks:
            x = b(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class Autoencoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        a = (
            list(config["block_out_channels"]),
            config["layers_per_block"],
            config["latent_channels"],
            config["norm_num_groups"],
        )
        self.encoder, self.decoder, n = VaeEncoder(*a), VaeDecoder(*a), config["latent_channels"]
        self.quant_conv, self.post_quant_conv = nn.Conv2d(2 * n, 2 * n, 1), nn.Conv2d(n, n, 1)

    def encode(self, x):
        return self.quant_conv(self.encoder(x)).chunk(2, 1)  # mean, log variance

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z))


# --- AutoencoderTiny, the decoder ---
class TinyBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        conv = lambda: nn.Conv2d(c, c, 3, padding=1)
        self.conv = nn.Sequential(conv(), nn.ReLU(), conv(), nn.ReLU(), conv())

    def forward(self, x):
        return F.relu(x + self.conv(x))


class TinyDecoder(nn.Module):
    """Scaled latents to colours in [-1, 1]; every stage of `config` but the last doubles the size."""

    def __init__(self, config):
        super().__init__()
        c, counts = config["decoder_block_out_channels"][0], config["num_decoder_blocks"]
        layers = [nn.Conv2d(config["latent_channels"], c, 3, padding=1), nn.ReLU()]
        for stage, count in enumerate(counts):
            layers += [TinyBlock(c) for _ in range(count)]
            if stage < len(counts) - 1:
                layers += [nn.Upsample(scale_factor=2), nn.Conv2d(c, c, 3, padding=1, bias=False)]
        layers.append(nn.Conv2d(c, config["out_channels"], 3, padding=1))
        self.decoder = nn.ModuleDict(dict(layers=nn.Sequential(*layers)))

    def forward(self, z):
        return self.decoder["layers"](3 * torch.tanh(z / 3)) * 2 - 1


# --- UNet2DConditionModel ---
class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.net = nn.ModuleList([nn.ModuleDict({"proj": nn.Linear(c, 8 * c)}), nn.Identity(), nn.Linear(4 * c, c)])

    def forward(self, x):
        x, gate = self.net[0]["proj"](x).chunk(2, -1)
        return self.net[2](x * F.gelu(gate))


class TransformerBlock(nn.Module):
    def __init__(self, c, context, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(c), nn.LayerNorm(c), nn.LayerNorm(c)
        self.attn1, self.attn2, self.ff = Attention(c, None, heads), Attention(c, context, heads), FeedForward(c)

    def forward(self, x, context):
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    def __init__(self, c, context, heads, groups, linear):
        super().__init__()
        make = (lambda: nn.Linear(c, c)) if linear else (lambda: nn.Conv2d(c, c, 1))
        self.linear, self.norm, self.proj_in, self.proj_out = linear, nn.GroupNorm(groups, c, 1e-6), make(), make()
        self.transformer_blocks = nn.ModuleList([TransformerBlock(c, context, heads)])

    def forward(self, x, context):
        b, c, h, w = x.shape
        y = self.norm(x)
        if self.linear:
            y = self.proj_in(y.flatten(2).transpose(1, 2))
        else:
            y = self.proj_in(y).flatten(2).transpose(1, 2)
        y = self.transformer_blocks[0](y, context)
        if self.linear:
            y = self.proj_out(y).transpose(1, 2).reshape(b, c, h, w)
        else:
            y = self.proj_out(y.transpose(1, 2).reshape(b, c, h, w))
        return x + y


class TimeEmbedding(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(c, 4 * c), nn.Linear(4 * c, 4 * c)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


class UNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        ch, layers, groups, eps = (
            list(config["block_out_channels"]),
            config["layers_per_block"],
            config["norm_num_groups"],
            config["norm_eps"],
        )
        heads = config["attention_head_dim"]
        heads = heads if isinstance(heads, list) else [heads] * len(ch)
        ctx, lin, t, last = config["cross_attention_dim"], config["use_linear_projection"], 4 * ch[0], len(ch) - 1
        self.freqs = ch[0]
        self.conv_in, self.time_embedding = nn.Conv2d(config["in_channels"], ch[0], 3, padding=1), TimeEmbedding(ch[0])
        res = lambda i, o: Resnet(i, o, groups, eps, t)
        tra = lambda c, h: Transformer(c, ctx, h, groups, lin)
        self.down_blocks, cin = nn.ModuleList(), ch[0]
        for n, (kind, c) in enumerate(zip(config["down_block_types"], ch)):
            self.down_blocks.append(
                Block(
                    [res(cin if k == 0 else c, c) for k in range(layers)],
                    [tra(c, heads[n]) for _ in range(layers)] if "CrossAttn" in kind else None,
                    down=Downsample(c, 1) if n < last else None,
                )
            )
            cin = c
        self.mid_block = Block([res(ch[-1], ch[-1]) for _ in range(2)], [tra(ch[-1], heads[-1])])
        self.up_blocks, rev = nn.ModuleList(), ch[::-1]
        for n, (kind, c) in enumerate(zip(config["up_block_types"], rev)):
            prev, skip_in = rev[max(n - 1, 0)], rev[min(n + 1, last)]
            self.up_blocks.append(
                Block(
                    [res((prev if k == 0 else c) + (skip_in if k == layers else c), c) for k in range(layers + 1)],
                    [tra(c, heads[::-1][n]) for _ in range(layers + 1)] if "CrossAttn" in kind else None,
                    up=Upsample(c) if n < last else None,
                )
            )
        self.conv_norm_out, self.conv_out = nn.GroupNorm(groups, ch[0], eps), nn.Conv2d(
            ch[0], config["out_channels"], 3, padding=1
        )

    def forward(self, x, t, context):
        half = self.freqs // 2
        angle = t.float()[:, None] * torch.exp(torch.arange(half, device=t.device) * (-math.log(10000) / half))[None]
        temb = F.silu(self.time_embedding(torch.cat([angle.cos(), angle.sin()], 1)))
        x = self.conv_in(x)
        skips = [x]
        for b in self.down_blocks:
            for k, r in enumerate(b.resnets):
                x = r(x, temb)
                if hasattr(b, "attentions"):
                    x = b.attentions[k](x, context)
                skips.append(x)
            for s in getattr(b, "downsamplers", []):
                x = s(x)
                skips.append(x)
        m = self.mid_block
        x = m.resnets[1](m.attentions[0](m.resnets[0](x, temb), context), temb)
        for b in self.up_blocks:
            for k, r in enumerate(b.resnets):
                x = r(torch.cat([x, skips.pop()], 1), temb)
                if hasattr(b, "attentions"):
                    x = b.attentions[k](x, context)
            for s in getattr(b, "upsamplers", []):
                x = s(x, skips[-1].shape[2:])
        return self.conv_out(F.silu(self.conv_norm_out(x)))


# --- CLIPTextModel ---
class ClipAttention(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(c, c) for _ in range(4))

    def forward(self, x):
        q, k, v = (
            p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class ClipMlp(nn.Module):
    def __init__(self, c, m):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(c, m), nn.Linear(m, c)

    def forward(self, x):
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x))


class ClipLayer(nn.Module):
    def __init__(self, c, m, heads, eps):
        super().__init__()
        self.self_attn, self.mlp = ClipAttention(c, heads), ClipMlp(c, m)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(c, eps), nn.LayerNorm(c, eps)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class TextEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, eps = config["hidden_size"], config["layer_norm_eps"]
        self.text_model = nn.ModuleDict(
            {
                "embeddings": nn.ModuleDict(
                    {
                        "token_embedding": nn.Embedding(config["vocab_size"], c),
                        "position_embedding": nn.Embedding(config["max_position_embeddings"], c),
                    }
                ),
                "encoder": nn.ModuleDict(
                    {
                        "layers": nn.ModuleList(
                            [
                                ClipLayer(c, config["intermediate_size"], config["num_attention_heads"], eps)
                                for _ in range(config["num_hidden_layers"])
                            ]
                        )
                    }
                ),
                "final_layer_norm": nn.LayerNorm(c, eps),
            }
        )

    def forward(self, ids):
        m = self.text_model
        x = m["embeddings"]["token_embedding"](ids) + m["embeddings"]["position_embedding"].weight[: ids.shape[1]]
        for layer in m["encoder"]["layers"]:
            x = layer(x)
        return m["final_layer_norm"](x)
