"""Compares these networks with reference numbers of a small published-layout checkpoint: python check.py FOLDER

FOLDER holds the checkpoint (unet/, vae/, text_encoder/, tokenizer/) and beside it FOLDER.json with inputs and expected outputs.
"""
import json, sys
import torch
from networks import Autoencoder, TextEncoder, UNet, load_safetensors


def main(folder):
    folder = folder.rstrip("/")
    ref = json.load(open(folder + ".json"))
    arr = lambda o: torch.tensor(o["data"]).reshape(o["shape"])
    config = lambda part: json.load(open(f"{folder}/{part}/config.json"))
    vae = Autoencoder(config("vae"))
    vae.load_state_dict(load_safetensors(f"{folder}/vae/diffusion_pytorch_model.safetensors"))
    clip = TextEncoder(config("text_encoder"))
    clip.load_state_dict(load_safetensors(f"{folder}/text_encoder/model.safetensors"))
    unet = UNet(config("unet"))
    unet.load_state_dict(load_safetensors(f"{folder}/unet/diffusion_pytorch_model.safetensors"))
    worst = 0

    def compare(name, a, b):
        nonlocal worst
        diff = (a - b).abs().max().item()
        worst = max(worst, diff)
        print(f"{name}: largest difference {diff:.2e}")

    with torch.no_grad():
        mean, logvar = vae.encode(arr(ref["vae"]["image"]))
        compare("vae mean", mean, arr(ref["vae"]["latentMean"]))
        compare("vae log variance", logvar, arr(ref["vae"]["latentLogvar"]))
        z = arr(ref["vae"]["latents"])
        compare("vae decode", vae.decode(z), arr(ref["vae"]["decoded"]))
        text = ref["textEncoder"]
        hidden = clip(torch.tensor(text["ids"][:1]))
        compare("text encoder", hidden[0], arr(text["lastHiddenStateOfFirstPrompt"]))
        compare(
            "unet",
            unet(arr(ref["unet"]["sample"]), torch.tensor([ref["unet"]["timestep"]]), hidden),
            arr(ref["unet"]["output"]),
        )
    try:
        from tokens import Tokenizer

        t = Tokenizer(f"{folder}/tokenizer")
        wrong = [p for p, ids in zip(text["prompts"], text["ids"]) if t(p) != ids]
        print("tokenizer:", "wrong for " + str(wrong) if wrong else "as expected")
        worst += len(wrong)
    except ImportError:
        pass
    if worst > 1e-3:
        sys.exit("differs")


if __name__ == "__main__":
    main(sys.argv[1])
