"""How many scores a mask that is given in words, not as a tensor, leaves: causal, windows.

Sq queries · Sk keys. Query i stands at position i + shift among the keys: shift is 0 when the two are aligned at their
beginning (scaled_dot_product_attention), Sk - Sq when at their end (flash attention, decoding).
"""

from __future__ import annotations


def _up_to(position: int, keys: int) -> int:
    """Sum of min(t, keys) for t = 1 .. position; 0 for a negative position."""
    within = max(min(position, keys), 0)
    return within * (within + 1) // 2 + keys * max(position - keys, 0)


def _seen(queries: int, keys: int, ahead: int) -> int:
    """Pairs (i, j) with j <= i + ahead: row i sees i + ahead + 1 keys, but no fewer than 0 and no more than `keys`."""
    return _up_to(queries + ahead, keys) - _up_to(ahead, keys)


def hidden(queries: int, keys: int, *, left: int | None = None, right: int | None = None, shift: int = 0) -> int:
    """Scores that need not be computed, when query i sees the keys i + shift - left .. i + shift + right.

    None, or a negative number, means no bound on that side. Causal is right=0.
    """
    size = queries * keys
    seen = size if right is None or right < 0 else _seen(queries, keys, shift + right)
    before = 0 if left is None or left < 0 else _seen(queries, keys, shift - left - 1)
    return size - seen + before
