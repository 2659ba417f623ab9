"""The letters and signs that labels may have: those that figures draw and LaTeX can spell."""

import unicodedata

PLAIN = frozenset(map(chr, range(32, 127)))
"""ASCII, without what moves the cursor."""

SIGNS = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", '"': "''", "`": r"\textasciigrave{}"},
    **{"±": r"$\pm$", "×": r"$\times$", "÷": r"$\div$", "·": r"$\cdot$", "°": r"$^\circ$"},
    **{
        "−": "$-$",
        "–": "--",
        "—": "---",
        "‘": "`",
        "’": "'",
        "“": "``",
        "”": "''",
        "…": r"\ldots{}",
    },
    **{"→": r"$\to$", "←": r"$\leftarrow$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"},
    **{"≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "≈": r"$\approx$", "∞": r"$\infty$"},
    **{"∂": r"$\partial$", "∇": r"$\nabla$", "√": r"$\surd$", "∈": r"$\in$", "ℓ": r"$\ell$"},
    **{"¹": "$^1$", "²": "$^2$", "³": "$^3$", "µ": r"$\mu$", "§": r"\S{}", "\xa0": "~"},
    **{"₀": "$_0$", "₁": "$_1$", "₂": "$_2$", "₃": "$_3$", "ₜ": "$_t$"},
    **{"æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}"},
    **{"ß": r"\ss{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}"},
}
ACCENTS = {
    **{"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u"},
    **{"\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c"},
}
"""Combining accents, over a Latin letter."""

NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "varsigma sigma tau upsilon phi chi psi omega"
).split()
SMALL = {chr(ord("α") + place): name for place, name in enumerate(NAMES) if name != "omicron"}
CAPITALS = {letter: SMALL[letter.lower()].capitalize() for letter in "ΓΔΘΛΞΠΣΥΦΨΩ"}
GREEK = {**SMALL, **CAPITALS}
"""Greek letters -> their names in LaTeX."""
LATIN_ALIKE = dict(zip("οΑΒΕΖΗΙΚΜΝΟΡΤΧ", "oABEZHIKMNOPTX", strict=True))
"""Greek letters that LaTeX writes as Latin ones."""


def spelled(text: str) -> str:
    """Text for LaTeX; a letter that it does not know as its code, ``[U+4E2D]``."""
    parts = unicodedata.normalize("NFC", text).split("--")  # which would be one dash
    return "{-}{-}".join("".join(map(_spelled, part)) for part in parts)


def strange(text: str) -> list[str]:
    """The letters of ``text`` that labels may not have."""
    return [letter for letter in unicodedata.normalize("NFC", text) if _known(letter) is None]


def one_line(label: str) -> str:
    """The label; raises ``ValueError`` where tables or figures could not show it."""
    if not label.strip():
        raise ValueError("text that is not empty")
    if found := strange(label):
        shown = ", ".join(dict.fromkeys(map(repr, found)))
        raise ValueError(
            f"one line of Latin or Greek letters, digits and usual signs, as neither figures nor "
            f"LaTeX show others; found {shown}"
        )
    return label


def _spelled(letter: str) -> str:
    return _known(letter) or f"[U+{ord(letter):04X}]"


def _known(letter: str) -> str | None:
    """A letter in LaTeX; ``None`` where it has none."""
    if letter in SIGNS:
        return SIGNS[letter]
    if letter in PLAIN:
        return letter
    base, *accents = list(unicodedata.normalize("NFD", letter))
    if base in GREEK or base in LATIN_ALIKE:
        return _greek(base, accents)
    if base in PLAIN and len(accents) == 1 and accents[0] in ACCENTS:
        return f"\\{ACCENTS[accents[0]]}{{{base}}}"
    return None


def _greek(base: str, accents: list[str]) -> str | None:
    letter = f"\\{GREEK[base]}" if base in GREEK else rf"\mathrm{{{LATIN_ALIKE[base]}}}"
    if accents == ["\u0301"]:
        return rf"$\acute{{{letter}}}$"
    return None if accents else f"${letter}$"
