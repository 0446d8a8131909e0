"""English for the attributes of a picture, different at every call: synonyms, word order, left-out parts, now and then a typing error."""
from draw import NATURAL

COLOUR_WORDS = {
    "red": ["red", "crimson", "scarlet", "ruby"],
    "orange": ["orange", "tangerine"],
    "yellow": ["yellow", "golden", "gold"],
    "green": ["green", "emerald"],
    "blue": ["blue", "navy", "cobalt", "sapphire"],
    "purple": ["purple", "violet"],
    "pink": ["pink", "rose"],
    "brown": ["brown", "chocolate"],
    "white": ["white", "snow white"],
    "black": ["black", "dark"],
    "gray": ["gray", "grey", "silver"],
    "teal": ["teal", "turquoise", "cyan"],
}
OBJECT_WORDS = {
    "potion": ["potion", "flask", "elixir", "potion bottle", "magic potion", "bottle", "vial"],
    "sword": ["sword", "blade", "longsword"],
    "shield": ["shield", "knight shield"],
    "gem": ["gem", "gemstone", "jewel", "crystal", "diamond"],
    "coin": ["coin", "medal"],
    "key": ["key"],
    "heart": ["heart", "love heart"],
    "star": ["star"],
    "mushroom": ["mushroom", "toadstool"],
    "tree": ["tree"],
    "house": ["house", "cottage", "home", "hut"],
    "chest": ["chest", "treasure chest"],
    "flower": ["flower", "blossom", "daisy"],
    "fish": ["fish"],
    "moon": ["moon", "crescent moon", "crescent"],
    "apple": ["apple"],
    "cat": ["cat", "cat face", "kitten", "kitty"],
    "boat": ["boat", "sailboat", "ship"],
    "crown": ["crown", "king's crown"],
    "slime": ["slime", "slime monster", "blob", "jelly"],
    "bomb": ["bomb", "bomb with a lit fuse", "explosive", "grenade"],
    "candle": ["candle", "burning candle", "torch", "candlestick"],
    "book": ["book", "spellbook", "tome", "spell book"],
    "rocket": ["rocket", "spaceship", "rocket ship", "spacecraft"],
    "mug": ["mug", "cup", "coffee cup", "coffee mug", "tea cup"],
    "ring": ["ring", "magic ring", "diamond ring"],
    "skull": ["skull", "human skull", "cranium"],
    "bird": ["bird", "duck", "chick", "little bird"],
}
SURFACE_WORDS = {
    "wooden table": ["on a wooden table", "on a wood table", "on wood", "on a wooden desk", "on planks"],
    "grass": ["on grass", "on the grass", "in a meadow", "on a lawn", "in the grass"],
    "stone floor": ["on a stone floor", "in a dungeon", "on stone", "in a castle", "on the dungeon floor"],
    "sand": ["on sand", "on the beach", "on the sand", "in the desert sand"],
    "snow": ["in the snow", "on snow", "on snowy ground"],
    "sky": ["in the sky", "in a blue sky", "with clouds", "among clouds"],
    "night sky": ["at night", "in the night sky", "in a starry sky", "with stars behind", "in space"],
    "sea": ["on the sea", "on water", "on the ocean", "at sea", "in the water"],
}
STYLE_WORDS = {
    "flat": ["flat", "flat design", "flat style", "minimalist", "vector"],
    "outlined": ["outlined", "cartoon", "bold outline", "comic style", "sticker", "thick outline"],
    "pixel": ["pixel art", "8-bit", "pixelated", "pixel", "retro pixel art"],
    "neon": ["neon", "neon light", "glowing neon", "neon sign", "cyberpunk"],
    "watercolor": ["watercolor", "watercolour", "watercolor painting", "painted", "aquarelle"],
    "shaded": ["shaded", "glossy", "3d", "rendered", "realistic"],
}
SIZE_WORDS = {"tiny": ["tiny", "small", "little", "mini"], "large": ["large", "big", "huge", "giant"]}
POS_WORDS = {
    "left": ["on the left", "to the left", "on the left side"],
    "right": ["on the right", "to the right", "on the right side"],
}
LAND_WORDS = {
    "mountains": ["mountains", "snowy mountains", "a mountain landscape", "mountain peaks", "a mountain range"],
    "desert": ["a desert", "desert dunes", "sand dunes", "a desert landscape with a cactus", "the desert"],
    "ocean": ["the ocean", "the sea", "a seascape", "ocean waves", "open sea"],
    "forest": ["a forest", "pine trees", "the woods", "a pine forest", "a forest landscape"],
    "hills": ["green hills", "rolling hills", "a meadow landscape", "hills", "a countryside landscape"],
    "city": ["a city", "a city skyline", "skyscrapers", "a town", "the city"],
    "volcano": ["a volcano", "an erupting volcano", "a volcano with lava", "the volcano", "a fire mountain"],
    "snowfield": ["a snowy field", "a winter landscape", "a snowfield", "a snowy landscape", "a frozen landscape"],
}
WEATHER_WORDS = {
    "rain": ["in the rain", "in rain", "on a rainy day", "with rain", "rainy", "in a storm"],
    "snow": ["in snowfall", "in falling snow", "with falling snow", "while it snows", "in a snowstorm"],
    "fog": ["in fog", "in the fog", "in the mist", "foggy", "misty"],
    "clear": ["under a clear sky", "in clear weather"],
}
COUNT_WORDS = {2: ["two", "2", "a pair of"], 3: ["three", "3", "a group of three"]}
PLURALS = {"fish": "fish", "torch": "torches", "moon": "moons", "jelly": "jellies", "daisy": "daisies", "kitty": "kitties", "cat face": "cat faces"}
RELATIONS = {
    "on": ["on", "on top of", "sitting on", "standing on", "above"],
    "beside": ["beside", "next to", "and", "near", "by"],
}
TIME_WORDS = {
    "day": ["by day", "during the day", "on a sunny day", "at noon", "in daylight"],
    "night": ["at night", "by night", "at midnight", "under the stars", "by moonlight"],
    "sunset": ["at sunset", "at dusk", "at sunrise", "in the evening", "sunset"],
}
EXTRA = [
    "icon of an object, game asset, picture of a thing with no text, low quality, blurry, ugly, beautiful, high quality, detailed, best quality, fantasy, rpg item, inventory"
] + [
    ", ".join(w for words in table.values() for w in words)
    for table in (COLOUR_WORDS, OBJECT_WORDS, SURFACE_WORDS, STYLE_WORDS, SIZE_WORDS, POS_WORDS, LAND_WORDS, TIME_WORDS, WEATHER_WORDS, RELATIONS)
]


def plural(noun):
    if noun in PLURALS:
        return PLURALS[noun]
    if noun.endswith(" face") or " with " in noun:
        noun, rest = noun.split(" with ")[0], noun.split(" with ")[1:]
        return plural(noun) + "".join(" with " + r for r in rest)
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def typo(text, rng):
    """One letter dropped, replaced, doubled, or swapped with the next."""
    i = int(rng.integers(len(text)))
    if not text[i].isalpha():
        return text
    kind, letter = int(rng.integers(4)), "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))]
    if kind == 3 and i + 1 < len(text):
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return text[:i] + ("", letter, text[i] * 2, text[i])[kind] + text[i + 1 :]


def caption(a, rng, typos=True, full=False):
    """English for the attributes `a`; with `full` it leaves nothing out that they say (a style, weather or size that is usual is not named)."""
    chance = lambda p: rng.random() < p

    def pick(words, first=0.75):
        return words[0] if chance(first) or len(words) == 1 else words[1 + int(rng.integers(len(words) - 1))]

    style = pick(STYLE_WORDS[a["style"]], 0.5) if (full or chance(0.85) if a["style"] != "shaded" else chance(0.06)) else ""
    if a["kind"] == "scene":
        text = pick(LAND_WORDS[a["land"]], 0.4)
        if full or chance(0.85):
            text += " " + pick(TIME_WORDS[a["time"]], 0.5)
        weather = a.get("weather", "clear")
        if full and weather != "clear" or chance(0.9 if weather != "clear" else 0.05):
            words = pick(WEATHER_WORDS[weather], 0.5)
            if words.endswith("y") and " " not in words:  # rainy, foggy, misty
                article, rest = (text.split(" ", 1) if text.split()[0] in ("a", "an", "the") else ("", text))
                text = f"{'a' if article == 'an' else article} {words} {rest}".strip()
            else:
                text += (" " if chance(0.8) else ", ") + words
        if chance(0.15):
            text = "a landscape with " + text
        elif chance(0.15):
            text = "a picture of " + text
        elif chance(0.4) and text.split()[0] in ("a", "the"):
            text = text.split(" ", 1)[1]
    else:
        count, rel = a.get("count", 1), a.get("rel", "")

        def phrase(obj, col, size, leave_out, icon=False):
            noun, colour = pick(OBJECT_WORDS[obj], 0.75), pick(COLOUR_WORDS[col], 0.82)
            if not full and chance(leave_out if col == NATURAL[obj] else 0.04):
                colour = ""
            if count > 1:
                noun = plural(noun)
            words = " ".join(w for w in (size, colour, noun) if w)
            if colour and chance(0.05):
                words = (size + " " if size else "") + f"{noun} in {colour}"
            if icon:
                words += " icon"
            if count > 1:
                return (pick(COUNT_WORDS[count], 0.75) + " " if full or chance(0.96) else "") + words
            article = pick(["a", "the", "one", "A"], 0.8) if chance(0.6) else ""
            if article in ("a", "A") and words[0] in "aeiou":
                article += "n"
            return f"{article} {words}".strip()

        size = pick(SIZE_WORDS[a["size"]], 0.4) if a["size"] and (full or chance(0.9)) else ""
        text = phrase(a["obj"], a["col"], size, 0.45, chance(0.08) and a["bg"] == "plain" and count == 1 and not rel)
        if rel:
            other = phrase(a["obj2"], a["col2"], "", 0.5)
            if rel == "beside" and chance(0.2):
                text, other = other, text
            text = f"{text} {pick(RELATIONS[rel], 0.6)} {other}"
        where = ""
        if full or chance(0.88):
            if a["bg"] == "plain":
                bg = pick(COLOUR_WORDS[a["bgcol"]], 0.8)
                where = pick(
                    [
                        f"on a {bg} background",
                        f"on {bg}",
                        f"with a {bg} background",
                        f"{bg} background",
                        f"against a {bg} background",
                        f"isolated on {bg}",
                    ],
                    0.35,
                )
            elif a["bg"] == "table":
                bg = pick(COLOUR_WORDS[a["bgcol"]], 0.85)
                where = pick(
                    [
                        f"on a {bg} table",
                        f"on the {bg} table",
                        f"standing on a {bg} table",
                        f"on a {bg} desk",
                        f"on top of a {bg} table",
                        f"on {bg} table",
                    ],
                    0.5,
                )
            else:
                where = pick(SURFACE_WORDS[a["bg"]], 0.5)
        pos = pick(POS_WORDS[a["pos"]], 0.6) if a["pos"] and (full or chance(0.9)) else ""
        if pos:
            text += (" " if chance(0.6) else ", ") + pos
        if where:
            comma = where.endswith("background") and where.split()[-2] + " background" == where
            if chance(0.07):
                text = where + ", " + text
            else:
                text += (", " if comma or chance(0.1) else " ") + where
        if chance(0.06):
            text = pick(["game asset of", "picture of", "drawing of", "an image of", "icon of"], 0.4) + " " + text
        elif chance(0.06):
            text += pick([", game asset", ", game item", ", rpg item", ", high quality", ", detailed"], 0.4)
    if style:
        text = (
            f"{style} {text}"
            if chance(0.15)
            else f"{style} of {text}"
            if chance(0.1) and style.endswith(("art", "painting"))
            else f"{style}, {text}"
            if chance(0.15)
            else f"{text}, {style}"
            if chance(0.75)
            else f"{text} in {style} style"
            if not style.endswith("style")
            else f"{text}, {style}"
        )
    if typos and chance(0.07):
        text = typo(text, rng)
    if typos and chance(0.02):
        text = text.upper()
    return text
