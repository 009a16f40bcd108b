"""A stranger's verifier runs every vector: what is genuine is accepted, also by the COSE library alone; nothing else is."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import cwt
import pytest

import verify

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent.parent / "schemas" / "vectors"
PASS_CODE = json.loads((VECTORS / "pass-code.json").read_text(encoding="utf-8"))
KEY_LIST = json.loads((VECTORS / "key-list.json").read_text(encoding="utf-8"))

# What OpenSSL lets pass, since RFC 8032 doesn't forbid it: points of small order, which verify.py looks for itself.
WEAK_POINTS = "of small order"


def by_name(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def root_public_key(vectors):
    return bytes.fromhex(vectors["root_public_key"])


def key_list(name):
    signed = bytes.fromhex(PASS_CODE["key_lists"][name]["signed"])
    return verify.read_key_list(signed, root_public_key(PASS_CODE))


def keys(name):
    return {key.key_id: key for key in key_list(name).keys}


def in_words(listed):
    """A key list as the vectors write it."""
    entries = [
        {name: value.hex() if isinstance(value, bytes) else value for name, value in vars(key).items() if value is not None}
        for key in listed.keys
    ]
    return {name: value for name, value in vars(listed).items() if name != "keys"} | {"entries": entries}


def outcome(case, with_keys):
    try:
        facts = verify.verify(case["text"], with_keys, case["now_ms"])
    except verify.Refused as refused:
        return {"failure": str(refused)}
    return {"genuine": facts, "time": verify.time(facts, case["now_ms"])}


@by_name(PASS_CODE["cases"])
def test_a_code_is_taken_for_what_it_is(case):
    expected = {name: case[name] for name in ("genuine", "time", "failure") if name in case}
    assert outcome(case, keys(case["key_list"])) == expected


@by_name([case for case in PASS_CODE["cases"] if "genuine" in case or case["failure"] == "forged"])
def test_the_library_alone_says_the_same_of_a_signature(case):
    data = verify.from_text(case["text"])
    key_id, _ = verify.open_sign1(data)
    key = cwt.COSEKey.new({1: 1, 2: key_id, 3: -8, 4: [2], -1: 6, -2: keys(case["key_list"])[key_id].public_key})
    if "genuine" in case:
        claims = cwt.CWT.new().decode(data, key, no_verify=True)
        assert claims[7].hex() == case["genuine"]["code_id"]
        assert claims[-65537][2] == int(case["genuine"]["district"])
    elif WEAK_POINTS not in case["name"]:
        with pytest.raises(cwt.VerifyError):
            cwt.COSE.new().decode(data, key)


def test_the_library_reads_a_code_as_a_cwt_and_judges_its_time():
    lasting, ended = (
        next(case for case in PASS_CODE["cases"] if case["name"] == name)
        for name in ("from 1970 to the end of the year 9999", "green, on a screen")
    )
    key_id, _ = verify.open_sign1(verify.from_text(lasting["text"]))
    key = cwt.COSEKey.new({1: 1, 2: key_id, 3: -8, 4: [2], -1: 6, -2: keys("city")[key_id].public_key})
    assert cwt.decode(verify.from_text(lasting["text"]), key)[4] == 253_402_300_799
    with pytest.raises(cwt.VerifyError, match="expired"):
        cwt.decode(verify.from_text(ended["text"]), key)


@by_name(KEY_LIST["reading"])
def test_a_key_list_is_taken_for_what_it_is(case):
    try:
        found = {"list": in_words(verify.read_key_list(bytes.fromhex(case["bytes"]), root_public_key(KEY_LIST)))}
    except verify.Refused as refused:
        found = {"error": str(refused)}
    assert found == {name: case[name] for name in ("list", "error") if name in case}


@by_name(KEY_LIST["following"])
def test_a_key_list_follows_another_or_not(case):
    current, new = (
        verify.read_key_list(bytes.fromhex(KEY_LIST["lists"][case[name]]), root_public_key(KEY_LIST))
        for name in ("current", "next")
    )
    try:
        error = verify.check_following(current, new, case["now_s"])
    except verify.Refused as refused:
        error = str(refused)
    assert error == case.get("error")


def test_the_words_beside_a_signed_list_say_the_same():
    for name, given in PASS_CODE["key_lists"].items():
        assert in_words(key_list(name)) == given["list"]


@pytest.fixture
def key_files(tmp_path):
    """The same keys in both forms that a server publishes; gives the arguments that name them."""
    jwks = {
        "keys": [
            {
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.key_id.hex(),
                "x": base64.urlsafe_b64encode(key.public_key).rstrip(b"=").decode(),
                "nbf": key.not_before_s, "exp": key.not_after_s,
            }
            for key in key_list("city").keys
            if key.purpose == "pass-code" and key.revoked_at_s is None
        ]
    }
    (tmp_path / "jwks.json").write_text(json.dumps(jwks))
    (tmp_path / "suikang-keys").write_bytes(bytes.fromhex(PASS_CODE["key_lists"]["city"]["signed"]))
    return [
        ["--keys", str(tmp_path / "jwks.json")],
        ["--keys", str(tmp_path / "suikang-keys"), "--root", PASS_CODE["root_public_key"]],
    ]


@pytest.mark.parametrize(
    ("name", "exit_status"),
    [("a masked name", 0), ("in the millisecond it ends", 1), ("red made green", 1), ("by a key for session tokens", 1)],
)
def test_the_command_takes_both_forms_of_keys(name, exit_status, key_files):
    case = next(case for case in PASS_CODE["cases"] if case["name"] == name)
    expected = {part: case[part] for part in ("genuine", "time", "failure") if part in case}
    for arguments in key_files:
        done = subprocess.run(
            [sys.executable, str(HERE / "verify.py"), "-", *arguments, "--at", str(case["now_ms"] // 1000)],
            input=case["text"] + "\n", capture_output=True, text=True, encoding="utf-8", check=False,
        )
        printed = json.loads(done.stdout)
        if "genuine" in printed:
            printed["genuine"].setdefault("scope", "4401")  # a key set doesn't say where its keys hold
        assert (printed, done.returncode) == (expected, exit_status), done.stderr
