#!/usr/bin/env python3
"""Verifies a pass code. Written from schemas/vectors/README.md alone; shares no code with what issues them.

The signature is checked by a COSE library (PyPI `cwt`); the form, which such libraries are generous with, is checked here.

    verify.py 'GZ1:…' --keys http://127.0.0.1:8080/.well-known/jwks.json
    verify.py 'GZ1:…' --keys suikang-keys --root <the root's public key in hex>

Prints what the code says as JSON and exits 0, or prints why it doesn't count and exits 1.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import time as clock
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cwt import COSE, COSEKey, DecodeError, VerifyError

BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
AREA = re.compile(r"[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12}(-[0-9]{3}(-[0-9]{2})?)?", re.ASCII)
KEY_LIST_AAD = b"suikang key list"
CLOCK_TOLERANCE_MS = 120_000


class Refused(Exception):
    """Why nothing that the code or the list says can be trusted; the words are those of the vectors."""


def require(holds, word="malformed"):
    if not holds:
        raise Refused(word)


@dataclass(frozen=True)
class Key:
    key_id: bytes
    public_key: bytes
    purpose: str
    not_before_s: int
    not_after_s: int
    scope: str | None = None
    sign_until_s: int | None = None
    revoked_at_s: int | None = None


@dataclass(frozen=True)
class KeyList:
    sequence: int
    issued_at_s: int
    next_update_s: int
    keys: tuple[Key, ...]


# ── Base45 and CBOR, each in its one form ──


def from_text(text):
    require(text.isascii() and len(text) <= 800 and text.startswith("GZ1:"))
    decoded = bytearray()
    for at in range(4, len(text), 3):
        digits = [BASE45.find(character) for character in text[at : at + 3]]
        number = sum(digit * 45**place for place, digit in enumerate(digits))
        length = len(digits) - 1
        require(length > 0 and min(digits) >= 0 and number < 256**length)
        decoded += number.to_bytes(length, "big")
    return bytes(decoded)


def from_cbor(data):
    value, end = read_item(data, 0, levels=8)
    require(end == len(data))
    return value


def read_item(data, at, levels):
    """The item at this place and the place after it. A map becomes a dict whose keys are still encoded."""
    require(at < len(data))
    major, argument = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        require(argument in (20, 21, 22))
        return {20: False, 21: True, 22: None}[argument], at
    if argument >= 24:
        require(argument <= 27)
        size = 1 << (argument - 24)
        wide = data[at : at + size]
        least = [24, 1 << 8, 1 << 16, 1 << 32][argument - 24]
        argument, at = int.from_bytes(wide, "big"), at + size
        require(len(wide) == size and argument >= least)
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major in (2, 3):
        content = data[at : at + argument]
        require(len(content) == argument)
        return content if major == 2 else utf8(content), at + argument
    require(major in (4, 5) and levels > 0)
    if major == 4:
        items = []
        for _ in range(argument):
            item, at = read_item(data, at, levels - 1)
            items.append(item)
        return items, at
    entries, last = {}, b""
    for _ in range(argument):
        _, end = read_item(data, at, levels - 1)
        key = data[at:end]
        require(key > last)
        entries[key], at = read_item(data, end, levels - 1)
        last = key
    return entries, at


def utf8(content):
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Refused("malformed") from None


class Claims:
    """A map that is read by its numbers, each of which has a type."""

    def __init__(self, value):
        require(type(value) is dict)
        self.entries = value

    def has(self, number):
        return encoded(number) in self.entries

    def get(self, number, kind):
        value = self.entries.get(encoded(number))
        require(type(value) is kind)
        return value

    def integer(self, number):
        value = self.get(number, int)
        require(-(1 << 63) <= value < 1 << 63)
        return value

    def octets(self, number, length):
        value = self.get(number, bytes)
        require(len(value) == length)
        return value

    def seconds(self, number):
        value = self.get(number, int)
        require(0 <= value <= 253_402_300_799)
        return value


def encoded(number):
    """A claim's number as CBOR: those in use are 1 to 9, and -65537."""
    return bytes([number]) if number >= 0 else b"\x3a" + (-1 - number).to_bytes(4, "big")


# ── COSE_Sign1 ──


def open_sign1(data):
    """Key id and payload of bytes in the one form."""
    require(data[:8] == bytes.fromhex("d2844da201270448") and data[16:17] == b"\xa0")
    payload, end = read_item(data, 17, levels=0)
    require(type(payload) is bytes)
    require(data[end : end + 2] == b"\x58\x40" and len(data) == end + 66)
    return data[8:16], from_cbor(payload)


def check_signature(data, key_id, public_key, aad=b""):
    point = data[-64:-32]
    require(not is_of_small_order(public_key) and not is_of_small_order(point), "forged")
    key = COSEKey.new({1: 1, 2: key_id, 3: -8, 4: [2], -1: 6, -2: public_key})
    try:
        COSE.new().decode(data, key, external_aad=aad)
    except (DecodeError, VerifyError, ValueError):
        raise Refused("forged") from None


def is_of_small_order(point):
    """Eight points, known by their y: with one of them as a key, or in a signature, a forger needs no secret."""
    p = 2**255 - 19
    y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    y = int.from_bytes(point, "little") % 2**255 % p
    return y in (0, 1, p - 1, y8, p - y8)


# ── Keys ──


def keys_from_jwks(document):
    """The server says which keys count; who doesn't trust the way to it reads the signed key list instead."""
    return {
        bytes.fromhex(jwk["kid"]): Key(
            key_id=bytes.fromhex(jwk["kid"]),
            public_key=base64.urlsafe_b64decode(jwk["x"] + "=" * (-len(jwk["x"]) % 4)),
            purpose="pass-code",
            not_before_s=jwk["nbf"],
            not_after_s=jwk["exp"],
        )
        for jwk in document["keys"]
        if (jwk["kty"], jwk["crv"], jwk["alg"]) == ("OKP", "Ed25519", "EdDSA")
    }


def read_key_list(data, root_public_key):
    key_id, payload = open_sign1(data)
    require(key_id == hashlib.sha256(root_public_key).digest()[:8], "forged")
    check_signature(data, key_id, root_public_key, KEY_LIST_AAD)
    claims = Claims(payload)
    keys = tuple(read_entry(Claims(entry)) for entry in claims.get(4, list))
    require(len({key.key_id for key in keys}) == len(keys))
    return KeyList(claims.integer(1), claims.integer(2), claims.integer(3), keys)


def read_entry(entry):
    key = Key(
        key_id=entry.octets(1, 8),
        public_key=entry.octets(4, 32),
        purpose=entry.get(3, str),
        scope=entry.get(5, str),
        not_before_s=entry.integer(6),
        sign_until_s=entry.integer(7),
        not_after_s=entry.integer(8),
        revoked_at_s=entry.integer(9) if entry.has(9) else None,
    )
    require(entry.integer(2) == -8 and key.purpose in ("pass-code", "session-token", "bundle"))
    require(AREA.fullmatch(key.scope) and key.key_id == hashlib.sha256(key.public_key).digest()[:8])
    return key


def check_following(current, new, now_s):
    """Whether `new` may replace `current`: it is newer, and takes no key away that still counts without saying so."""
    require(new.sequence > current.sequence, "older")
    kept = {key.key_id: key for key in new.keys}
    for former in current.keys:
        if former.not_after_s > now_s:
            key = kept.get(former.key_id)
            require(key and keeps(key, former), "drops_key_in_use")


def keeps(key, former):
    if (key.public_key, key.purpose) != (former.public_key, former.purpose):
        return False
    if former.revoked_at_s is not None:
        return key.revoked_at_s is not None and key.revoked_at_s <= former.revoked_at_s
    return key.revoked_at_s is not None or (
        former.scope.startswith(key.scope)
        and key.not_before_s <= former.not_before_s
        and key.not_after_s >= former.not_after_s
    )


# ── The pass code ──


def verify(text, keys, now_ms):
    """What a genuine code says. `keys` is a dict from key id to Key; raises Refused."""
    data = from_text(text)
    key_id, payload = open_sign1(data)
    facts = read_claims(payload)
    key = keys.get(key_id)
    now_s = now_ms // 1000
    require(key and key.purpose == "pass-code", "unknown_key")
    require(key.revoked_at_s is None or now_s < key.revoked_at_s, "key_revoked")
    require(now_s >= key.not_before_s, "key_not_yet_valid")
    require(now_s < key.not_after_s, "key_expired")
    check_signature(data, key_id, key.public_key)
    return facts if key.scope is None else facts | {"scope": key.scope}


def read_claims(payload):
    claims = Claims(payload)
    private = Claims(claims.get(-65537, dict))
    status, kind, district = private.get(1, int), private.get(3, int), private.get(2, int)
    require(0 <= status <= 2 and 0 <= kind <= 1 and 100_000 <= district <= 999_999)
    tags = private.get(5, list) if private.has(5) else []
    require(all(type(tag) is bytes and len(tag) == 4 for tag in tags))
    facts = {
        "code_id": claims.octets(7, 16).hex(),
        "status": ["green", "amber", "red"][status],
        "district": str(district),
        "kind": ["screen", "paper"][kind],
        "community_tags": [tag.hex() for tag in tags],
        "issued_at_s": claims.seconds(6),
        "expires_at_s": claims.seconds(4),
    }
    return facts | {"masked_name": private.get(4, str)} if private.has(4) else facts


def time(facts, now_ms):
    """Whether a genuine code is valid at this time."""
    if now_ms >= facts["expires_at_s"] * 1000:
        return "expired"
    return "not_yet_valid" if facts["issued_at_s"] * 1000 > now_ms + CLOCK_TOLERANCE_MS else "valid"


# ── The command ──


def fetched(place):
    if place.startswith(("http://", "https://")):
        with urllib.request.urlopen(place, timeout=10) as response:
            return response.read()
    return Path(place).read_bytes()


def loaded_keys(place, root):
    data = fetched(place)
    if data[:1] != b"\xd2":
        return keys_from_jwks(json.loads(data))
    if root is None:
        sys.exit("verify.py: a signed key list needs --root")
    return {key.key_id: key for key in read_key_list(data, bytes.fromhex(root)).keys}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code", help="the text of the QR code; - reads it from standard input")
    parser.add_argument("--keys", required=True, metavar="FILE|URL", help="a JSON Web Key Set, or a signed key list")
    parser.add_argument("--root", metavar="HEX", help="the root's public key, which has to have signed the key list")
    parser.add_argument("--at", type=int, metavar="SECONDS", help="as of this time, in seconds since 1970, instead of now")
    options = parser.parse_args()
    code = sys.stdin.read().rstrip("\n") if options.code == "-" else options.code
    now_ms = clock.time_ns() // 1_000_000 if options.at is None else options.at * 1000
    try:
        facts = verify(code, loaded_keys(options.keys, options.root), now_ms)
    except Refused as refused:
        print(json.dumps({"failure": str(refused)}))
        return 1
    valid = time(facts, now_ms)
    print(json.dumps({"genuine": facts, "time": valid}, ensure_ascii=False))
    return 0 if valid == "valid" else 1


if __name__ == "__main__":
    sys.exit(main())
