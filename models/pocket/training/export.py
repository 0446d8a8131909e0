"""Writes the model folder (diffusers layout, 16-bit weights) from the checkpoints: python export.py --to ..

Takes seconds, so a checkpoint of a running training can be looked at too.
"""
import argparse, json, os, shutil
import numpy as np
import torch
from autoencoder import CONFIG as VAE
from networks import save_safetensors
from preview import CONFIG as TINY
from tokens import Tokenizer
from train import SCHEDULER, UNET, text_config

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", default="/tmp/pocket", help="where the checkpoints are")
    ap.add_argument("--to", default=os.path.join(HERE, ".."))
    ap.add_argument("--raw", action="store_true", help="without averaging")
    ap.add_argument("--tokenizer", default=os.path.join(HERE, "..", "tokenizer"))
    o = ap.parse_args()

    def dump(path, value):
        os.makedirs(os.path.dirname(f"{o.to}/{path}") or ".", exist_ok=True)
        with open(f"{o.to}/{path}", "w") as f:
            f.write(json.dumps(value, indent=2) + "\n")

    state = torch.load(f"{o.out}/unet-train.pt")
    weights = state["model" if o.raw else "ema"]
    part = lambda name: {k[len(name) + 1 :]: v for k, v in weights.items() if k.startswith(name + ".")}
    tokenizer = Tokenizer(o.tokenizer)
    vae = torch.load(f"{o.out}/vae-final.pt" if os.path.exists(f"{o.out}/vae-final.pt") else f"{o.out}/vae.pt")
    scaling = json.load(open(f"{o.out}/latents.json"))["scaling_factor"]
    if not os.path.exists(f"{o.to}/tokenizer") or not os.path.samefile(o.tokenizer, f"{o.to}/tokenizer"):
        shutil.copytree(o.tokenizer, f"{o.to}/tokenizer", dirs_exist_ok=True)
    dump("unet/config.json", UNET)
    dump("text_encoder/config.json", text_config(tokenizer))
    dump("vae/config.json", dict(VAE, scaling_factor=scaling))
    dump("tiny_decoder/config.json", TINY)
    dump("scheduler/scheduler_config.json", SCHEDULER)
    for file, tensors in (
        ("unet/diffusion_pytorch_model", part("unet")),
        ("text_encoder/model", part("text")),
        ("vae/diffusion_pytorch_model", vae),
        ("tiny_decoder/diffusion_pytorch_model", torch.load(f"{o.out}/tiny.pt")),
    ):
        save_safetensors(f"{o.to}/{file}.part", tensors)
        os.replace(f"{o.to}/{file}.part", f"{o.to}/{file}.safetensors")
    dump(
        "model_index.json",
        dict(
            _class_name="StableDiffusionPipeline",
            _diffusers_version="0.30.0",
            feature_extractor=[None, None],
            image_encoder=[None, None],
            requires_safety_checker=False,
            safety_checker=[None, None],
            scheduler=["diffusers", SCHEDULER["_class_name"]],
            text_encoder=["transformers", "CLIPTextModel"],
            tokenizer=["transformers", "CLIPTokenizer"],
            unet=["diffusers", "UNet2DConditionModel"],
            vae=["diffusers", "AutoencoderKL"],
        ),
    )
    # Linear map from scaled latents to 8x smaller colours in [-1, 1], for previews while sampling.
    n = len(json.load(open(f"{o.out}/attributes.json")))
    pictures = np.memmap(f"{o.out}/pictures.u8", np.uint8, "r", shape=(n, 256, 256, 3))[:1500]
    size = 32
    z = np.fromfile(f"{o.out}/latents256.f32", np.float32, len(pictures) * 4 * size * size)
    z = z.reshape(-1, 4, size * size).transpose(0, 2, 1).reshape(-1, 4)
    pictures = pictures[: len(z) // (size * size)]
    c = 256 // size
    rgb = pictures.reshape(-1, size, c, size, c, 3).mean((2, 4), dtype=np.float32).reshape(-1, 3) / 127.5 - 1
    fit, *_ = np.linalg.lstsq(np.concatenate([z, np.ones((len(z), 1), np.float32)], 1), rgb, rcond=None)
    error = np.abs(z @ fit[:4] + fit[4] - rgb).mean()
    dump(
        "latentwire.json",
        dict(
            name="Pocket",
            description="A tiny model drawn and trained from scratch: game icons and small scenes from plain English, in about a second on a CPU.",
            defaultWidth=256,
            defaultHeight=256,
            defaultSteps=20,
            defaultGuidanceScale=4,
            tags=["embedded", "tiny", "icons", "game assets"],
            license="Apache-2.0",
            latentRgbFactors=[[round(float(v), 5) for v in row] for row in fit[:4]],
            latentRgbBias=[round(float(v), 5) for v in fit[4]],
        ),
    )
    files = [
        os.path.join(d, f) for d in ("unet", "vae", "text_encoder", "tiny_decoder", "tokenizer") for f in os.listdir(f"{o.to}/{d}")
    ]
    print(
        f"step {state['step']} samples {state['seen']} preview error {error:.4f} MB {sum(os.path.getsize(f'{o.to}/{f}') for f in files) / 1e6:.2f}"
    )


if __name__ == "__main__":
    main()
