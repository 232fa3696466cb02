"""Generated codes: a counter sent through a keyed permutation of all 62^7 seven-letter words (ADR-0014).

The counter makes codes unique, the permutation makes them unguessable and spreads them over the index.
A balanced Feistel network works on 42 bits; a result outside 62^7 is sent through again (cycle walking),
which keeps it a permutation of the smaller set and takes 1.25 passes on average.
"""

import hashlib
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH: Final = 7
SPACE: Final = len(ALPHABET) ** LENGTH

_HALF_BITS: Final = 21
_HALF_MASK: Final = (1 << _HALF_BITS) - 1
_ROUNDS: Final = 8
_KEY_BYTES_MIN: Final = 16
_VALUES: Final = {char: value for value, char in enumerate(ALPHABET)}


class Permutation:
    """A keyed bijection of range(SPACE). Same key, same permutation, in every process."""

    def __init__(self, key: bytes) -> None:
        if len(key) < _KEY_BYTES_MIN:
            message = f"the permutation key has at least {_KEY_BYTES_MIN} bytes"
            raise ValueError(message)
        master = hashlib.sha256(key).digest()
        self._rounds = tuple(
            hashlib.blake2s(key=master, salt=bytes((number,)) * 8, digest_size=4) for number in range(_ROUNDS)
        )

    def forward(self, number: int) -> int:
        """Counter to code number. Raises ValueError outside range(SPACE)."""
        _check(number)
        while True:
            left, right = number >> _HALF_BITS, number & _HALF_MASK
            for prepared in self._rounds:
                mac = prepared.copy()
                mac.update(right.to_bytes(3))
                left, right = right, left ^ (int.from_bytes(mac.digest()) & _HALF_MASK)
            number = left << _HALF_BITS | right
            if number < SPACE:
                return number

    def backward(self, number: int) -> int:
        """Code number to counter: where in the sequence a code was made."""
        _check(number)
        while True:
            left, right = number >> _HALF_BITS, number & _HALF_MASK
            for prepared in reversed(self._rounds):
                mac = prepared.copy()
                mac.update(left.to_bytes(3))
                left, right = right ^ (int.from_bytes(mac.digest()) & _HALF_MASK), left
            number = left << _HALF_BITS | right
            if number < SPACE:
                return number

    def code(self, counter: int) -> str:
        """The seven characters of the counter's code."""
        return encode(self.forward(counter))


def encode(number: int) -> str:
    """Seven base62 characters, most significant first, padded with zeros."""
    _check(number)
    chars = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        chars.append(ALPHABET[digit])
    return "".join(reversed(chars))


def decode(code: str) -> int:
    """The number of a seven-character code; raises ValueError for anything else."""
    if len(code) != LENGTH or any(char not in _VALUES for char in code):
        raise ValueError("a code is seven base62 characters")
    number = 0
    for char in code:
        number = number * len(ALPHABET) + _VALUES[char]
    return number


def _check(number: int) -> None:
    if not 0 <= number < SPACE:
        message = f"outside the code space: {number}"
        raise ValueError(message)
