"""What is no secret stays as it came: records as connectors send them, megabytes of them."""

from __future__ import annotations

import json
import random

import pytest

from hydrotest_core.redaction import Redactor

WORDS = ["amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven", "islet", "zonal"]
SECRETS = {
    "api_key": "sk_live_5f2b9c0d7e114a6f8c3d2b1a09e8f7d6",
    "password": "p@ss w/rd+é",
    "pin": "482915",
    "code": "952307",  # It stands inside the time of each record.
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    "six": "Xq7#pA",
    "dsn": "https://user:hunter2hunter2@db.example.org/x",
    "region": "eu-west",
}


def record(n: int, chance: random.Random) -> bytes:
    """Return a record with what secrets look like: hashes, numbers, dates, tokens, mail."""
    words = chance.choices(WORDS, k=14)
    data = {
        "id": n,
        "created_at": f"20{n % 30:02}-0{n % 9 + 1}-1{n % 9}T0{n % 9}:1{n % 9}:2{n % 9}Z",
        "name": " ".join(words[:2]).title(),
        "email": f"{words[0]}.{words[1]}{n}@example.org",
        "phone": f"+1-{chance.randrange(200, 999)}-{chance.randrange(1000, 9999)}",
        "session": f"{chance.getrandbits(128):032x}",
        "price": round(chance.random() * 1e5, 2),
        "card": chance.randrange(10**15, 10**16),
        "url": f"https://db.example.org/{words[2]}?page_token={chance.getrandbits(64):x}",
        "text": " ".join(words),
    }
    body = {"stream": words[3], "data": data, "emitted_at": 1_795_230_720_000 + n}
    return json.dumps({"type": "RECORD", "record": body}).encode() + b"\n"


@pytest.mark.parametrize(
    "megabytes", [10, pytest.param(100, marks=pytest.mark.soak)], ids=lambda size: f"{size} MB"
)
def test_no_record_is_taken_for_a_secret(megabytes):
    chance = random.Random(7)
    stream, _ = Redactor(SECRETS).output_streams()
    n = size = 0
    while size < megabytes * 1_000_000:
        block = b"".join(record(n + i, chance) for i in range(1000))
        n, size = n + 1000, size + len(block)

        assert stream.feed(block) == block

    assert (stream.flush(), dict(stream.hits)) == (b"", {})


def test_among_the_same_records_a_secret_is_found():
    chance = random.Random(7)
    block = b"".join(record(n, chance) for n in range(100))
    stream, _ = Redactor(SECRETS).output_streams()

    for name, value in SECRETS.items():
        line = json.dumps({"type": "RECORD", "record": {"data": {"a": value}}}).encode() + b"\n"
        stream.feed(block + line + block)
        assert stream.hits[name] == 1
