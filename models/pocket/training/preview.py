"""Trains the tiny decoder that shows denoised latents before the end, at half the size of the picture.

    python preview.py --minutes 8        # writes tiny.pt in --out, which export.py takes along
    python preview.py --compare FOLDER   # against the linear map, over drawings the training did not see

The layout is AutoencoderTiny's (diffusers), as the published TAESD decoders have it (https://github.com/madebyollin/taesd), with
two doublings in place of three: 128 pixels of a picture of 256, at a sixth of the cost of the whole decoder.
"""
import argparse, copy, json, math, time
import numpy as np
import torch
import torch.nn.functional as F
from autoencoder import loss_of
from networks import TinyDecoder, load_safetensors

CONFIG = dict(
    _class_name="AutoencoderTiny",
    _diffusers_version="0.30.0",
    in_channels=3,
    out_channels=3,
    encoder_block_out_channels=[16, 16, 16],
    decoder_block_out_channels=[16, 16, 16],
    act_fn="relu",
    upsample_fn="nearest",
    latent_channels=4,
    upsampling_scaling_factor=2,
    num_encoder_blocks=[1, 1, 1],
    num_decoder_blocks=[3, 2, 1],
    latent_magnitude=3,
    latent_shift=0.5,
    force_upcast=False,
    scaling_factor=1.0,
    shift_factor=0.0,
)
KEPT = 200  # the last pictures are for comparing only


def opened(out):
    """Latents [n, 4, 32, 32] and the pictures [n, 256, 256, 3] they are of."""
    count = len(json.load(open(f"{out}/attributes.json")))
    latents = np.memmap(f"{out}/latents256.f32", np.float32, "r").reshape(-1, 4, 32, 32)
    return latents, np.memmap(f"{out}/pictures.u8", np.uint8, "r", shape=(count, 256, 256, 3))


def halved(pictures):
    """Bytes [n, h, w, 3] to [n, 3, h/2, w/2] in [-1, 1]."""
    n, h, w, _ = pictures.shape
    small = pictures.reshape(n, h // 2, 2, w // 2, 2, 3).mean((2, 4), dtype=np.float32)
    return torch.from_numpy(small / 127.5 - 1).permute(0, 3, 1, 2)


def blurred(x, by):
    return F.interpolate(F.avg_pool2d(x, by), scale_factor=by, mode="bilinear")


def train(o):
    torch.set_num_threads(o.threads)
    torch.manual_seed(90)
    rng = np.random.default_rng(90)
    latents, pictures = opened(o.out)
    net = TinyDecoder(CONFIG)
    ema, parameters = copy.deepcopy(net), list(net.parameters())
    opt = torch.optim.AdamW(parameters, o.lr, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    print("parameters", sum(p.numel() for p in parameters), flush=True)
    begun, step, average = time.time(), 0, 0.0
    while (done := (time.time() - begun) / (60 * o.minutes)) < 1:
        for g in opt.param_groups:
            g["lr"] = o.lr * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * done)) + 1e-6
        zs, xs = [], []
        for _ in range(o.batch):
            i, (y, x) = int(rng.integers(len(latents) - KEPT)), rng.integers(0, 17, 2)
            zs.append(latents[i, :, y : y + 16, x : x + 16])
            xs.append(pictures[i, 8 * y : 8 * y + 128, 8 * x : 8 * x + 128])
        z, target = torch.from_numpy(np.stack(zs)), halved(np.stack(xs))
        # What is believed in early on is blurred: it shall look so, and no worse.
        by = int(rng.choice([1, 1, 1, 2, 4]))
        if by > 1:
            z, target = blurred(z, by), blurred(target, 4 * by)
        out = net(z + 0.08 * torch.rand(len(z), 1, 1, 1) * torch.randn_like(z))
        loss = loss_of(out, target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        opt.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(list(ema.parameters()), parameters, 1 - min(0.998, (1 + step) / (10 + step)))
        if by == 1:
            average = average * 0.98 + 0.02 * (out - target).abs().mean().item() if average else loss.item()
        step += 1
        if step % 200 == 0:
            print(f"{time.strftime('%H:%M:%S')} step {step} {step * o.batch / (time.time() - begun):.0f}/s l1 {average:.4f}", flush=True)
    torch.save(ema.state_dict(), f"{o.out}/tiny.pt")


@torch.no_grad()
def compare(o):
    """Mean absolute error to the drawing at 128×128, of 255, and the peak signal to noise ratio."""
    latents, pictures = opened(o.out)
    z, target = torch.from_numpy(np.array(latents[-KEPT:])), halved(pictures[len(latents) - KEPT : len(latents)])
    net = TinyDecoder(json.load(open(f"{o.compare}/tiny_decoder/config.json")))
    net.load_state_dict(load_safetensors(f"{o.compare}/tiny_decoder/diffusion_pytorch_model.safetensors"))
    known = json.load(open(f"{o.compare}/latentwire.json"))
    factors, bias = torch.tensor(known["latentRgbFactors"]), torch.tensor(known["latentRgbBias"])
    linear = torch.einsum("nchw,ck->nkhw", z, factors) + bias[None, :, None, None]
    for name, shown in (("linear", F.interpolate(linear, scale_factor=4, mode="bilinear")), ("tiny", net(z))):
        shown = shown.clamp(-1, 1)
        error, square = 127.5 * (shown - target).abs().mean(), (0.5 * (shown - target)).square().mean()
        print(f"{name}: mean error {error:.2f} of 255, {-10 * math.log10(square):.1f} dB")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", default="/tmp/pocket")
    ap.add_argument("--minutes", type=float, default=8)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--lr", type=float, default=3e-3)
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--compare", help="model folder; nothing is trained")
    o = ap.parse_args()
    compare(o) if o.compare else train(o)


if __name__ == "__main__":
    main()
