"""Somebody declares, and a stranger verifies the code that comes back: with a COSE library and the published keys alone."""

import json
import subprocess
import sys
import time
from pathlib import Path

import cwt
import pytest

from people import DECLARATION

VERIFIERS = Path(__file__).resolve().parent.parent / "verifiers" / "python"
sys.path.append(str(VERIFIERS))
import verify  # noqa: E402


@pytest.fixture(scope="module")
def declared(city):
    status, answer = city.post("/v1/declarations", DECLARATION, city.token("resident"), Prefer="wait=10")
    assert status == 201, answer
    return answer


@pytest.fixture(scope="module")
def jwks(city):
    return json.load(city.get("/.well-known/jwks.json"))


@pytest.fixture(scope="module")
def code(declared):
    return declared["outcome"]["pass_code"]


def test_the_library_alone_reads_the_code_with_the_published_key(declared, code, jwks):
    data = verify.from_text(code)
    key_id, _ = verify.open_sign1(data)
    [key] = [key for key in jwks["keys"] if key["kid"] == key_id.hex()]
    # The library takes a key id to be text; ours is bytes, written in hex.
    key = cwt.COSEKey.from_jwk({**key, "kid": key_id})
    claims = cwt.decode(data, key)
    assert abs(claims[6] - time.time()) < 120
    assert claims[4] > claims[6]
    assert claims[-65537] == claims[-65537] | {1: 0, 2: 440106}, "green, in Tianhe"
    assert declared["outcome"]["status"] == "green"


def test_no_character_of_it_can_be_changed(code, jwks):
    keys, now_ms = verify.keys_from_jwks(jwks), time.time_ns() // 1_000_000
    assert verify.time(verify.verify(code, keys, now_ms), now_ms) == "valid"
    for place, character in enumerate(code):
        other = "0" if character != "0" else "1"
        with pytest.raises(verify.Refused):
            verify.verify(code[:place] + other + code[place + 1 :], keys, now_ms)


def test_the_verifier_needs_nothing_but_an_address(city, code):
    done = subprocess.run(
        [sys.executable, str(VERIFIERS / "verify.py"), "-", "--keys", f"{city.url}/.well-known/jwks.json"],
        input=code + "\n", capture_output=True, text=True, encoding="utf-8", check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["genuine"]["district"] == "440106"
