"""CLIP's tokenizer: byte-level byte-pair encoding with an end-of-word mark, and the learning of a small vocabulary for it.

    python tokens.py /path/to/tokenizer           # learns the vocabulary from generated captions and writes the four files
    python tokens.py /path/to/tokenizer --extend  # keeps the merges that are there and adds what new words need
"""
import collections, json, os, sys, unicodedata

START, END, LENGTH = "<|startoftext|>", "<|endoftext|>", 32


def byte_symbols():
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return [table[b] for b in keep] + [table[b] for b in range(256) if b not in keep], table


SYMBOLS, BYTE = byte_symbols()


def split(text):
    """'s|'t|'re|'ve|'m|'ll|'d | letters | one digit | other characters, over lower-cased text with white space collapsed."""
    text = " ".join(unicodedata.normalize("NFC", text).split()).lower()
    words, i = [], 0
    while i < len(text):
        special = next((s for s in (START, END) if text.startswith(s, i)), None) or next(
            (s for s in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d") if text.startswith(s, i)), None
        )
        if special:
            words.append(special)
            i += len(special)
            continue
        kind = (
            lambda c: "L"
            if unicodedata.category(c)[0] == "L"
            else "N"
            if unicodedata.category(c)[0] == "N"
            else " "
            if c.isspace()
            else "O"
        )
        k, j = kind(text[i]), i + 1
        if k in "LO":
            while j < len(text) and kind(text[j]) == k:
                j += 1
        if k != " ":
            words.append(text[i:j])
        i = j
    return words


class Tokenizer:
    def __init__(self, folder):
        self.vocab = json.load(open(f"{folder}/vocab.json", encoding="utf8"))
        lines = open(f"{folder}/merges.txt", encoding="utf8").read().split("\n")[1:]
        self.rank = {tuple(l.split()): n for n, l in enumerate(lines) if l.strip()}
        self.length = json.load(open(f"{folder}/tokenizer_config.json"))["model_max_length"]
        special = json.load(open(f"{folder}/special_tokens_map.json"))
        pad = special.get("pad_token", END)
        pad = pad if isinstance(pad, str) else pad["content"]
        self.start, self.end, self.pad, self.cache = self.vocab[START], self.vocab[END], self.vocab[pad], {}

    def word(self, w):
        if w not in self.cache:
            s = [BYTE[b] for b in w.encode()]
            s[-1] += "</w>"
            while len(s) > 1:
                best = min(range(len(s) - 1), key=lambda i: self.rank.get((s[i], s[i + 1]), 1e9))
                pair = (s[best], s[best + 1])
                if pair not in self.rank:
                    break
                s = joined(s, pair)
            self.cache[w] = [self.vocab.get(x, self.end) for x in s]
        return self.cache[w]

    def __call__(self, text):
        ids = [t for w in split(text) for t in ([self.vocab[w]] if w in (START, END) else self.word(w))]
        ids = [self.start] + ids[: self.length - 2] + [self.end]
        return ids + [self.pad] * (self.length - len(ids))


def joined(symbols, pair):
    """The symbols with every occurrence of the pair made one."""
    i, out = 0, []
    while i < len(symbols):
        both = i < len(symbols) - 1 and (symbols[i], symbols[i + 1]) == pair
        out.append(symbols[i] + symbols[i + 1] if both else symbols[i])
        i += 2 if both else 1
    return out


def learn(texts, merges, known=()):
    """`known` merges come first, as they are, so words made of them keep their entries."""
    counts = collections.Counter(w for t in texts for w in split(t))
    words = {w: [BYTE[b] for b in w.encode()] for w in counts}
    for s in words.values():
        s[-1] += "</w>"
    for pair in known:
        for w, s in words.items():
            if pair[0] in s:
                words[w] = joined(s, pair)
    learned = list(known)
    while len(learned) < merges:
        pairs = collections.Counter()
        for w, s in words.items():
            for pair in zip(s, s[1:]):
                pairs[pair] += counts[w] ** 0.5  # rare words get whole tokens too
        if not pairs:
            break
        pair = max(pairs, key=lambda p: (pairs[p], p))
        learned.append(pair)
        for w, s in words.items():
            words[w] = joined(s, pair)
    return learned


def write(folder, merges):
    os.makedirs(folder, exist_ok=True)
    entries, seen = SYMBOLS + [s + "</w>" for s in SYMBOLS], set()
    entries = [e for e in entries + [a + b for a, b in merges] + [START, END] if not (e in seen or seen.add(e))]
    dump = lambda name, o, **k: open(f"{folder}/{name}", "w", encoding="utf8").write(
        json.dumps(o, ensure_ascii=False, **k) + "\n"
    )
    dump("vocab.json", {e: n for n, e in enumerate(entries)})
    open(f"{folder}/merges.txt", "w", encoding="utf8").write(
        "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    )
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    dump("special_tokens_map.json", special, indent=2)
    dump(
        "tokenizer_config.json",
        {
            "add_prefix_space": False,
            **special,
            "do_lower_case": True,
            "model_max_length": LENGTH,
            "tokenizer_class": "CLIPTokenizer",
            "errors": "replace",
        },
        indent=2,
    )
    return len(entries)


def pieces(entry, tokenizer):
    """Entries of an older vocabulary that make up the same letters as `entry` (a row of a new vocabulary)."""
    if entry in tokenizer.vocab:
        return [tokenizer.vocab[entry]]
    whole = entry.endswith("</w>")
    letters = list(entry.removesuffix("</w>"))
    if whole:
        letters[-1] += "</w>"
    for pair in sorted(tokenizer.rank, key=tokenizer.rank.get):
        if pair[0] in letters:
            letters = joined(letters, pair)
    return [tokenizer.vocab[s] for s in letters]


if __name__ == "__main__":
    import numpy as np
    from captions import caption, EXTRA
    from draw import sample

    rng, folder = np.random.default_rng(5), sys.argv[1]
    texts = [caption(sample(rng), rng, typos=False) for _ in range(20000)] + EXTRA * 20
    known = list(Tokenizer(folder).rank) if "--extend" in sys.argv else []
    print("entries", write(folder, learn(texts, 900, known)), "distinct words", len({w for t in texts for w in split(t)}))
