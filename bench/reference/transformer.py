"""The transformers of FLUX.2 and Z-Image and the Qwen3 text encoder in plain PyTorch, with the names of diffusers.

Sums, norms and rotations are in the precision that diffusers has them in. Only what a bench needs: one caption length and one
size in a call, no references, no guidance embedding.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


def linear(into, out, bias=False):
    return nn.Linear(into, out, bias=bias)


class Group(nn.Module):
    """Modules under names, which may hold what attributes cannot."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def __getitem__(self, name):
        return self._modules[name]


def waves(time, width):
    """Sinusoids with cosines first."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) / half * torch.arange(half, device=time.device, dtype=torch.float32))
    angles = time.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


def rotate(x, cos, sin):
    """x [batch, heads, tokens, head] by position; neighbours form the pairs."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).to(x.dtype)


def rotate_halves(x, cos, sin):
    a, b = x.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)


def heads_of(x, head):
    return x.unflatten(-1, (-1, head)).transpose(1, 2)


def attend(q, k, v, **options):
    return F.scaled_dot_product_attention(q, k, v, **options).transpose(1, 2).flatten(2)


def modulated(x, scale, shift=0.0, eps=1e-6):
    return F.layer_norm(x, x.shape[-1:], eps=eps) * (1 + scale) + shift


def qk_norms(head, eps, *names):
    return {f"norm_{name}": nn.RMSNorm(head, eps=eps) for name in names}


class JointBlock(nn.Module):
    def __init__(self, inner, head):
        super().__init__()
        names = ["to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"]
        self.head = head
        self.attn = Group(
            **{name: linear(inner, inner) for name in names},
            to_out=nn.ModuleList([linear(inner, inner)]),
            **qk_norms(head, 1e-6, "q", "k", "added_q", "added_k"),
        )
        self.ff, self.ff_context = (
            Group(linear_in=linear(inner, 6 * inner), linear_out=linear(3 * inner, inner)) for _ in range(2)
        )

    def forward(self, text, image, of_text, of_image, cos, sin):
        a, head = self.attn, self.head
        x, t = modulated(image, of_image[1], of_image[0]), modulated(text, of_text[1], of_text[0])
        both = lambda of_t, of_x: torch.cat([heads_of(of_t, head), heads_of(of_x, head)], 2)
        q = torch.cat([a.norm_added_q(heads_of(a.add_q_proj(t), head)), a.norm_q(heads_of(a.to_q(x), head))], 2)
        k = torch.cat([a.norm_added_k(heads_of(a.add_k_proj(t), head)), a.norm_k(heads_of(a.to_k(x), head))], 2)
        v = both(a.add_v_proj(t), a.to_v(x))
        mixed = attend(rotate(q, cos, sin), rotate(k, cos, sin), v)
        length = text.shape[1]
        image = image + of_image[2] * a.to_out[0](mixed[:, length:])
        text = text + of_text[2] * a.to_add_out(mixed[:, :length])
        image = image + of_image[5] * gated(self.ff, modulated(image, of_image[4], of_image[3]))
        text = text + of_text[5] * gated(self.ff_context, modulated(text, of_text[4], of_text[3]))
        return text, image


def gated(ff, x):
    gate, value = ff.linear_in(x).chunk(2, -1)
    return ff.linear_out(F.silu(gate) * value)


class ParallelBlock(nn.Module):
    """Attention and feed-forward side by side."""

    def __init__(self, inner, head):
        super().__init__()
        self.inner, self.head = inner, head
        self.attn = Group(
            to_qkv_mlp_proj=linear(inner, 9 * inner), to_out=linear(4 * inner, inner), **qk_norms(head, 1e-6, "q", "k")
        )

    def forward(self, x, modulation, cos, sin):
        shift, scale, gate = modulation
        inner, head, a = self.inner, self.head, self.attn
        parts = a.to_qkv_mlp_proj(modulated(x, scale, shift)).split([inner, inner, inner, 3 * inner, 3 * inner], -1)
        q, k, v = (heads_of(part, head) for part in parts[:3])
        mixed = attend(rotate(a.norm_q(q), cos, sin), rotate(a.norm_k(k), cos, sin), v)
        return x + gate * a.to_out(torch.cat([mixed, F.silu(parts[3]) * parts[4]], -1))


class Flux2(nn.Module):
    def __init__(self, head, heads, double, single, text):
        super().__init__()
        inner = head * heads
        self.x_embedder, self.context_embedder = linear(128, inner), linear(text, inner)
        embedder = Group(linear_1=linear(256, inner), linear_2=linear(inner, inner))
        self.time_guidance_embed = Group(timestep_embedder=embedder)
        self.double_stream_modulation_img = Group(linear=linear(inner, 6 * inner))
        self.double_stream_modulation_txt = Group(linear=linear(inner, 6 * inner))
        self.single_stream_modulation = Group(linear=linear(inner, 3 * inner))
        self.transformer_blocks = nn.ModuleList([JointBlock(inner, head) for _ in range(double)])
        self.single_transformer_blocks = nn.ModuleList([ParallelBlock(inner, head) for _ in range(single)])
        self.norm_out, self.proj_out = Group(linear=linear(inner, 2 * inner)), linear(inner, 128)

    def forward(self, sample, timestep, states, cos, sin):
        embedder = self.time_guidance_embed.timestep_embedder
        first = embedder.linear_1(waves(1000 * timestep, 256).to(states.dtype))
        time = F.silu(embedder.linear_2(F.silu(first)))[:, None]
        image = self.x_embedder(sample.flatten(2).transpose(1, 2))
        text = self.context_embedder(states)
        of_image = self.double_stream_modulation_img.linear(time).chunk(6, -1)
        of_text = self.double_stream_modulation_txt.linear(time).chunk(6, -1)
        for block in self.transformer_blocks:
            text, image = block(text, image, of_text, of_image, cos, sin)
        joint = torch.cat([text, image], 1)
        modulation = self.single_stream_modulation.linear(time).chunk(3, -1)
        for block in self.single_transformer_blocks:
            joint = block(joint, modulation, cos, sin)
        scale, shift = self.norm_out.linear(time).chunk(2, -1)
        out = self.proj_out(modulated(joint[:, text.shape[1] :], scale, shift))
        return out.transpose(1, 2).reshape(sample.shape)


class ZImageBlock(nn.Module):
    def __init__(self, inner, head, time):
        super().__init__()
        self.head = head
        forward = inner // 3 * 8
        self.attention = Group(
            **{name: linear(inner, inner) for name in ["to_q", "to_k", "to_v"]},
            to_out=nn.ModuleList([linear(inner, inner)]),
            **qk_norms(head, 1e-5, "q", "k"),
        )
        self.feed_forward = Group(w1=linear(inner, forward), w2=linear(forward, inner), w3=linear(inner, forward))
        for name in ["attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"]:
            self.add_module(name, nn.RMSNorm(inner, eps=1e-5))
        self.adaLN_modulation = nn.ModuleList([linear(time, 4 * inner, bias=True)]) if time else None

    def forward(self, x, time, cos, sin):
        a, ff, head = self.attention, self.feed_forward, self.head
        parts = self.adaLN_modulation[0](time)[:, None].chunk(4, -1) if self.adaLN_modulation else None
        scales, gates = ((1 + parts[0], 1 + parts[2]), (parts[1].tanh(), parts[3].tanh())) if parts else ((1, 1), (1, 1))
        y = self.attention_norm1(x) * scales[0]
        q, k = a.norm_q(heads_of(a.to_q(y), head)), a.norm_k(heads_of(a.to_k(y), head))
        mixed = attend(rotate(q, cos, sin), rotate(k, cos, sin), heads_of(a.to_v(y), head))
        x = x + gates[0] * self.attention_norm2(a.to_out[0](mixed))
        y = self.ffn_norm1(x) * scales[1]
        return x + gates[1] * self.ffn_norm2(ff.w2(F.silu(ff.w1(y)) * ff.w3(y)))


def filled(x, token):
    """Up to a multiple of 32."""
    missing = -x.shape[1] % 32
    return torch.cat([x, token.expand(x.shape[0], missing, -1)], 1) if missing else x


class ZImage(nn.Module):
    def __init__(self, head, heads, layers, refiners, text):
        super().__init__()
        inner = head * heads
        time = min(256, inner)
        self.all_x_embedder = Group(**{"2-1": linear(64, inner, bias=True)})
        self.cap_embedder = nn.ModuleList([nn.RMSNorm(text, eps=1e-5), linear(text, inner, bias=True)])
        self.x_pad_token, self.cap_pad_token = (nn.Parameter(torch.zeros(1, inner)) for _ in range(2))
        self.t_embedder = Group(mlp=nn.Sequential(linear(256, 1024, bias=True), nn.SiLU(), linear(1024, time, bias=True)))
        block = lambda count, width: nn.ModuleList([ZImageBlock(inner, head, width) for _ in range(count)])
        self.noise_refiner, self.context_refiner = block(refiners, time), block(refiners, None)
        self.layers = block(layers, time)
        modulation = nn.Sequential(nn.SiLU(), linear(time, inner, bias=True))
        final = Group(linear=linear(inner, 64, bias=True), adaLN_modulation=modulation)
        self.all_final_layer = Group(**{"2-1": final})

    def forward(self, sample, timestep, states, cos, sin):
        batch, channels, height, width = sample.shape
        time = self.t_embedder.mlp(waves(1000 * timestep, 256).to(states.dtype))
        split = sample.reshape(batch, channels, height // 2, 2, width // 2, 2)
        patches = split.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, 4 * channels)
        image = filled(self.all_x_embedder["2-1"](patches), self.x_pad_token)
        length = image.shape[1]
        for block in self.noise_refiner:
            image = block(image, time, cos[:length], sin[:length])
        text = filled(self.cap_embedder[1](self.cap_embedder[0](states)), self.cap_pad_token)
        for block in self.context_refiner:
            text = block(text, time, cos[length:], sin[length:])
        joint = torch.cat([image, text], 1)
        for block in self.layers:
            joint = block(joint, time, cos, sin)
        final = self.all_final_layer["2-1"]
        own = modulated(joint[:, : patches.shape[1]], final.adaLN_modulation(time)[:, None])
        out = final.linear(own).reshape(batch, height // 2, width // 2, 2, 2, channels)
        return out.permute(0, 5, 1, 3, 2, 4).reshape(sample.shape)


class Qwen3Layer(nn.Module):
    def __init__(self, head, heads, key_heads, inner, forward):
        super().__init__()
        self.head = head
        self.input_layernorm, self.post_attention_layernorm = (nn.RMSNorm(inner, eps=1e-6) for _ in range(2))
        self.self_attn = Group(
            q_proj=linear(inner, heads * head),
            k_proj=linear(inner, key_heads * head),
            v_proj=linear(inner, key_heads * head),
            o_proj=linear(heads * head, inner),
            q_norm=nn.RMSNorm(head, eps=1e-6),
            k_norm=nn.RMSNorm(head, eps=1e-6),
        )
        self.mlp = Group(
            gate_proj=linear(inner, forward), up_proj=linear(inner, forward), down_proj=linear(forward, inner)
        )

    def forward(self, x, cos, sin, mask):
        a, head = self.self_attn, self.head
        y = self.input_layernorm(x)
        q, k = a.q_norm(heads_of(a.q_proj(y), head)), a.k_norm(heads_of(a.k_proj(y), head))
        v = heads_of(a.v_proj(y), head)
        seen = {"is_causal": True} if mask is None else {"attn_mask": mask}
        x = x + a.o_proj(attend(rotate_halves(q, cos, sin), rotate_halves(k, cos, sin), v, enable_gqa=True, **seen))
        y = self.post_attention_layernorm(x)
        return x + self.mlp.down_proj(F.silu(self.mlp.gate_proj(y)) * self.mlp.up_proj(y))


class Qwen3(nn.Module):
    """States after some of the layers, side by side; layers behind the last of them are left out."""

    def __init__(self, head, heads, keyHeads, inner, forward, layers, words, states):
        super().__init__()
        self.head, self.states = head, states
        self.embed_tokens = nn.Embedding(words, inner)
        self.layers = nn.ModuleList([Qwen3Layer(head, heads, keyHeads, inner, forward) for _ in range(max(states))])

    def forward(self, ids, mask=None):
        """`mask` [length] is 0 for tokens that no other sees."""
        length, half = ids.shape[1], self.head // 2
        frequencies = 1e6 ** (-torch.arange(half, device=ids.device, dtype=torch.float32) / half)
        angles = torch.arange(length, device=ids.device)[:, None] * frequencies
        cos, sin = angles.cos(), angles.sin()
        if mask is not None:
            mask = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril() & mask.bool()
        x, found = self.embed_tokens(ids), []
        for index, layer in enumerate(self.layers):
            x = layer(x, cos, sin, mask)
            if index + 1 in self.states:
                found.append(x)
        return torch.cat(found, -1)
