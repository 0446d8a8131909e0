"""Trains the autoencoder on random crops, then caches the latents of every picture at 256 and at 128 pixels.

    python autoencoder.py --minutes 25                    # writes vae.pt in --out (resumes if it is there), then latents
    python autoencoder.py --cache FOLDER                  # latents alone, with the encoder of a model folder; pictures may still be drawn
    python autoencoder.py --decoder-only --minutes 11     # afterwards: more training for the decoder alone, writes vae-final.pt
"""
import argparse, copy, json, math, os, time
import numpy as np
import torch
import torch.nn.functional as F
import parallel
from networks import Autoencoder, load_safetensors

CONFIG = dict(
    _class_name="AutoencoderKL",
    _diffusers_version="0.30.0",
    in_channels=3,
    out_channels=3,
    down_block_types=["DownEncoderBlock2D"] * 4,
    up_block_types=["UpDecoderBlock2D"] * 4,
    block_out_channels=[16, 32, 64, 64],
    layers_per_block=1,
    act_fn="silu",
    latent_channels=4,
    norm_num_groups=8,
    sample_size=256,
    scaling_factor=1.0,
    shift_factor=None,
    latents_mean=None,
    latents_std=None,
    force_upcast=False,
    use_quant_conv=True,
    use_post_quant_conv=True,
    mid_block_add_attention=True,
)


def crops(pictures, ready, batch, size, rng):
    out = np.empty((batch, size, size, 3), np.uint8)
    for k in range(batch):
        p = pictures[int(rng.integers(ready))]
        if rng.random() < 0.3:  # half-size pictures, as used at 128 pixels
            y, x = rng.integers(0, 256 - 2 * size + 1, 2)
            out[k] = p[y : y + 2 * size, x : x + 2 * size].reshape(size, 2, size, 2, 3).mean((1, 3))
        else:
            y, x = rng.integers(0, 256 - size + 1, 2)
            out[k] = p[y : y + size, x : x + size]
        if rng.random() < 0.5:
            out[k] = out[k, :, ::-1]
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last).float() / 127.5 - 1


def edges(a):
    return a[:, :, 1:] - a[:, :, :-1], a[:, :, :, 1:] - a[:, :, :, :-1]


def loss_of(y, x):
    loss = (y - x).abs().mean()
    for a, b in zip(edges(y), edges(x)):
        loss = loss + (a - b).abs().mean()
    return loss + (F.avg_pool2d(y, 8) - F.avg_pool2d(x, 8)).abs().mean() + 0.5 * F.mse_loss(y, x)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", default="/tmp/pocket")
    ap.add_argument("--minutes", type=float, default=18)
    ap.add_argument("--until", help="wall clock HH:MM instead of --minutes")
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--crop", type=int, default=64)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--kl", type=float, default=2e-4)
    ap.add_argument("--bf16", type=int, default=0)
    ap.add_argument("--steps", type=int, default=0)
    ap.add_argument(
        "--rgb", type=float, default=2.0, help="weight of reading the 8x-pooled colours off the latents linearly"
    )
    ap.add_argument("--restart", action="store_true", help="begin a new learning-rate cycle at the checkpoint")
    ap.add_argument(
        "--decoder-only",
        action="store_true",
        help="afterwards: the decoder on the cached latents, encoder unchanged; writes vae-final.pt",
    )
    ap.add_argument("--cache", help="model folder whose encoder writes the latents; nothing is trained")
    ap.add_argument("--workers", type=int, default=2)
    o = ap.parse_args()
    if o.decoder_only:
        return decoder_only(o)
    if o.cache:
        return cache_with(o)
    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    open(f"{o.out}/train.pid", "w").write(str(os.getpid()))
    attributes = json.load(open(f"{o.out}/attributes.json"))
    pictures = np.memmap(f"{o.out}/pictures.u8", np.uint8, "r", shape=(len(attributes), 256, 256, 3))
    vae = Autoencoder(CONFIG).to(memory_format=torch.channels_last)
    ema = copy.deepcopy(vae)
    # Colours that a linear map can read off the latents are colours the latents really hold: without this term one of the
    # three colour axes was learnt last or not at all. It also makes the linear previews good.
    readout = torch.nn.Conv2d(4, 3, 1)
    opt = torch.optim.AdamW([*vae.parameters(), *readout.parameters()], o.lr, betas=(0.9, 0.99), weight_decay=1e-4)
    print(
        "parameters",
        sum(p.numel() for p in vae.parameters()),
        "decoder",
        sum(p.numel() for p in vae.decoder.parameters()),
        flush=True,
    )
    start, step, rng, avg = time.time(), 0, np.random.default_rng(7), {}
    end = start + o.minutes * 60
    if o.until:
        now = time.localtime()
        h, m = map(int, o.until.split(":"))
        end = time.mktime((*now[:3], h, m, 0, *now[6:]))
    if os.path.exists(f"{o.out}/vae-train.pt"):
        s = torch.load(f"{o.out}/vae-train.pt")
        vae.load_state_dict(s["model"])
        ema.load_state_dict(s["ema"])
        step = s["step"]
        if "readout" in s:
            readout.load_state_dict(s["readout"])
            opt.load_state_dict(s["opt"])
        if not o.restart:
            start = time.time() - s["spent"]
    ready, last = 0, time.time()
    while time.time() < end and (not o.steps or step < o.steps):
        if step % 50 == 0 or not ready:
            ready = drawn(o.out, pictures)
        done = (time.time() - start) / (end - start)
        for g in opt.param_groups:
            g["lr"] = o.lr * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * min(done, 1))) + 1e-6
        x = crops(pictures, ready, o.batch, o.crop, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(o.bf16)):
            mean, logvar = vae.encode(x)
            mean, logvar = mean.float(), logvar.float().clamp(-20, 10)
            z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
            target = x
            if step % 4 == 3:
                z, target = F.avg_pool2d(z, 2), F.avg_pool2d(
                    x, 2
                )  # a smaller latent is a smaller picture: keeps latents smooth
            y = vae.decode(z).float()
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        colours = (readout(mean) - F.avg_pool2d(x, 8)).abs().mean()
        loss = loss_of(y, target) + o.kl * kl + o.rgb * colours
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        opt.step()
        decay = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            for a, b in zip(ema.parameters(), vae.parameters()):
                a.lerp_(b, 1 - decay)
        if step % 4 != 3:
            for k, v in (("loss", loss), ("l1", (y - target).abs().mean()), ("kl", kl), ("rgb", colours)):
                avg[k] = avg.get(k, v.item()) * 0.98 + 0.02 * v.item()
        step += 1
        if step % 100 == 0:
            print(
                f"{time.strftime('%H:%M:%S')} step {step} {100 / (time.time() - last):.2f}/s ready {ready} "
                + " ".join(f"{k} {v:.4f}" for k, v in avg.items()),
                flush=True,
            )
            last = time.time()
        if step % 500 == 0:
            torch.save(
                dict(
                    model=vae.state_dict(),
                    ema=ema.state_dict(),
                    readout=readout.state_dict(),
                    opt=opt.state_dict(),
                    step=step,
                    spent=time.time() - start,
                ),
                f"{o.out}/vae-train.pt",
            )
    if o.steps:
        return
    torch.save(ema.state_dict(), f"{o.out}/vae.pt")
    cache(o.out, ema.eval(), pictures)


def decoder_only(o):
    open(f"{o.out}/train.pid", "w").close()
    rank = parallel.start(o.workers)
    open(f"{o.out}/train.pid", "a").write(f"{os.getpid()}\n")
    count = len(json.load(open(f"{o.out}/attributes.json")))
    pictures = np.memmap(f"{o.out}/pictures.u8", np.uint8, "r", shape=(count, 256, 256, 3))
    latents = {s: np.memmap(f"{o.out}/latents{s}.f32", np.float32, "r").reshape(-1, 4, s // 8, s // 8) for s in (128, 256)}
    n = min(len(z) for z in latents.values())
    scale = json.load(open(f"{o.out}/latents.json"))["scaling_factor"]
    vae = Autoencoder(CONFIG)
    vae.load_state_dict(torch.load(f"{o.out}/vae.pt"))
    ema, parameters = copy.deepcopy(vae), [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    averaged = [*ema.decoder.parameters(), *ema.post_quant_conv.parameters()]
    flat, opt = torch.zeros(sum(p.numel() for p in parameters)), torch.optim.AdamW(
        parameters, o.lr, betas=(0.9, 0.99), weight_decay=1e-4, fused=True
    )
    rng, step, avg, start = np.random.default_rng(50 + rank), 0, {}, time.time()
    torch.manual_seed(50 + rank)
    end = start + o.minutes * 60
    if o.until:
        now = time.localtime()
        h, m = map(int, o.until.split(":"))
        end = time.mktime((*now[:3], h, m, 0, *now[6:]))
    last = start
    while not o.steps or step < o.steps:
        (now,) = parallel.agree(time.time())
        if now >= end:
            break
        for g in opt.param_groups:
            g["lr"] = (
                o.lr * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * (now - start) / (end - start))) + 1e-6
            )
        zs, xs, wide = (
            [],
            [],
            2 if rng.random() < 0.35 else 1,
        )  # some larger crops: the attention in the middle sees whole pictures later
        cells, side = o.crop // 8 * wide, o.crop * wide
        for _ in range(max(1, o.batch // o.workers // wide**2)):
            i, size = int(rng.integers(n)), 128 if rng.random() < 0.2 else 256
            y, x = rng.integers(0, size // 8 - cells + 1, 2)
            zs.append(latents[size][i, :, y : y + cells, x : x + cells])
            k = 256 // size
            crop = pictures[i, 8 * k * y : 8 * k * (y + cells), 8 * k * x : 8 * k * (x + cells)]
            xs.append(crop if k == 1 else crop.reshape(side, 2, side, 2, 3).mean((1, 3)).astype(np.uint8))
        z = torch.from_numpy(np.stack(zs).astype(np.float32))
        x = torch.from_numpy(np.stack(xs)).permute(0, 3, 1, 2).float() / 127.5 - 1
        y = vae.decode((z + 0.04 * torch.randn_like(z)) / scale)  # a little noise: sampled latents are never exact
        loss = loss_of(y, x)
        loss.backward()
        parallel.average_gradients(parameters, flat, o.workers)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        opt.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(averaged, parameters, 1 - min(0.995, (1 + step) / (10 + step)))
        step += 1
        for k, v in (("loss", loss), ("l1", (y - x).abs().mean())):
            avg[k] = avg.get(k, v.item()) * 0.97 + 0.03 * v.item()
        if rank == 0 and step % 50 == 0:
            print(
                f"{time.strftime('%H:%M:%S')} decoder step {step} {50 / (time.time() - last):.2f}/s "
                + " ".join(f"{k} {v:.4f}" for k, v in avg.items()),
                flush=True,
            )
            last = time.time()
            if step % 200 == 0 and not o.steps:
                torch.save(ema.state_dict(), f"{o.out}/vae-final.pt.part")
                os.replace(f"{o.out}/vae-final.pt.part", f"{o.out}/vae-final.pt")
    if rank == 0 and not o.steps:
        torch.save(ema.state_dict(), f"{o.out}/vae-final.pt")
        print("done", step, flush=True)


def drawn(out, pictures):
    """How many pictures are there: drawing goes on beside."""
    if os.path.exists(f"{out}/drawn"):
        return len(pictures)
    low, high = 0, len(pictures)
    while high - low > 8:
        middle = (low + high) // 2
        low, high = (middle, high) if pictures[middle].any() else (low, middle)
    return max(low - 64, 1)


@torch.no_grad()
def encode(vae, pictures):
    """Latents (the means) of the pictures at 256 and at 128 pixels."""
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return {256: vae.encode(x)[0].numpy(), 128: vae.encode(F.avg_pool2d(x, 2))[0].numpy()}


@torch.no_grad()
def cache(out, vae, pictures):
    """Latents of every picture, after folding a whitening of each channel into the 1x1 convolutions of vae.pt."""
    z = np.concatenate([encode(vae, pictures[i : i + 16])[128] for i in range(0, min(len(pictures), 4000), 16)])
    mean, deviation = (torch.from_numpy(f(z, (0, 2, 3), dtype=np.float64)).float() for f in (np.mean, np.std))
    q, p = vae.quant_conv, vae.post_quant_conv
    p.bias += p.weight[:, :, 0, 0] @ mean
    p.weight *= deviation[None, :, None, None]
    q.weight[:4] /= deviation[:, None, None, None]
    q.bias[:4] = (q.bias[:4] - mean) / deviation
    q.bias[4:] -= 2 * deviation.log()
    append(out, vae, pictures)


def cache_with(o):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    vae = Autoencoder(CONFIG).eval()
    vae.load_state_dict(load_safetensors(f"{o.cache}/vae/diffusion_pytorch_model.safetensors"))
    count = len(json.load(open(f"{o.out}/attributes.json")))
    append(o.out, vae, np.memmap(f"{o.out}/pictures.u8", np.uint8, "r", shape=(count, 256, 256, 3)))


def append(out, vae, pictures):
    """Writes vae.pt and appends to the files of latents, raw and in the order of the pictures, until all are there."""
    torch.save(vae.state_dict(), f"{out}/vae.pt")
    json.dump(dict(scaling_factor=1.0), open(f"{out}/latents.json", "w"))
    files = {s: open(f"{out}/latents{s}.f32", "ab") for s in (128, 256)}
    done = min(f.tell() // (s * s // 4) for s, f in files.items())
    for s, f in files.items():
        f.truncate(done * s * s // 4)
    while done < len(pictures):
        ready = min(drawn(out, pictures), done + 8)
        if ready <= done:
            time.sleep(2)
            continue
        for s, z in encode(vae, pictures[done:ready]).items():
            files[s].write(z.astype(np.float32).tobytes())
            files[s].flush()
        done = ready
        if done % 800 < 8:
            print(f"{time.strftime('%H:%M:%S')} latents of {done}", flush=True)


if __name__ == "__main__":
    main()
