"""Strategies: what can happen to a file, and JSON of any shape."""

from hypothesis import strategies as st

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["..", "/etc/passwd", "\x1b[2J\n", "nan", "-1", "hf://a/b", "\ud800"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """A file cut short, with other bits, with other bytes within, with more behind, or random."""
    kind = draw(st.sampled_from(["cut", "bits", "bytes", "more", "random", "zeros"]))
    place = st.integers(0, max(len(whole) - 1, 0))
    if kind == "cut" or not whole:
        return whole[: draw(place)]
    if kind == "random":
        return draw(st.binary(max_size=64)) + whole[: draw(st.sampled_from([0, 4, 64]))]
    if kind == "more":
        return whole + draw(st.binary(min_size=1, max_size=64))
    found = bytearray(whole)
    if kind == "bits":
        for _ in range(draw(st.integers(1, 8))):
            found[draw(place)] ^= 1 << draw(st.integers(0, 7))
    else:
        start = draw(place)
        new = bytes(16) if kind == "zeros" else draw(st.binary(min_size=1, max_size=16))
        found[start : start + len(new)] = new
    return bytes(found)


@st.composite
def changed(draw, value):
    """JSON with one part of it replaced, added or taken away."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 4)) == 0:
        return draw(JSON)
    copy = dict(value) if isinstance(value, dict) else list(value)
    key = draw(st.sampled_from(sorted(copy) if isinstance(copy, dict) else range(len(copy))))
    act = draw(st.sampled_from(["within", "within", "drop", "add"]))
    if act == "within":
        copy[key] = draw(changed(copy[key]))
    elif act == "drop":
        del copy[key]
    elif isinstance(copy, dict):
        copy[draw(st.text(max_size=6))] = draw(JSON)
    else:
        copy.append(draw(JSON))
    return copy
