"""Secrets are masked wherever a text of the user's is kept or shown."""

from __future__ import annotations

import json
import stat
import urllib.parse
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import thano_duckdb
from tests.checkpoints import make_checkpoint
from thano_duckdb.masking import mask_secrets
from thano_duckdb.models.registry import Registry

SECRETS = st.text("abcdefghijkXYZ0189/+=_.-~%", min_size=12, max_size=40)
PARAMETERS = (
    "X-Amz-Signature", "x-amz-security-token", "X-Goog-Signature", "X-Amz-Credential", "sig", "Signature", "token",
    "access_token", "AccessKeyId", "AWSAccessKeyId", "api_key", "password", "X-Goog-Credential",
)  # fmt: skip
SQL_NAMES = ("SECRET", "KEY_ID", "SESSION_TOKEN", "TOKEN", "PASSWORD", "CONNECTION_STRING", "BEARER_TOKEN")


@given(SECRETS, st.sampled_from(PARAMETERS), st.text("abc/", max_size=8), st.booleans())
def test_signatures_in_urls(secret: str, name: str, path: str, first: bool) -> None:
    value = urllib.parse.quote(secret, safe="/+=%~")
    query = f"{name}={value}&part=1" if first else f"part=1&{name}={value}"
    text = f"SELECT 'https://host/{path}a.wav?{query}' AS audio_path"
    assert secret not in mask_secrets(text)
    assert value not in mask_secrets(text)
    assert "part=1" in mask_secrets(text)
    assert mask_secrets(mask_secrets(text)) == mask_secrets(text)


@given(st.text("abcdefghXYZ019.-_", min_size=12, max_size=30), st.sampled_from(["https", "s3", "ftp", "postgres"]))
def test_passwords_in_urls(secret: str, protocol: str) -> None:
    for user in (f"ann:{secret}", f"ann:{secret}@{secret}", secret, f":{secret}"):
        assert secret not in mask_secrets(f"PREDICT .. {protocol}://{user}@host/a.wav")
        assert "host/a.wav" in mask_secrets(f"PREDICT .. {protocol}://{user}@host/a.wav")


@given(
    st.text("abcXYZ019'\\ \n;", min_size=12, max_size=30),
    st.sampled_from(SQL_NAMES),
    st.sampled_from([" ", " = ", "=", "\n"]),
)
def test_secrets_of_sql(secret: str, name: str, between: str) -> None:
    quoted = "'" + secret.replace("'", "''") + "'"
    for spelled in (name, name.lower()):
        text = f"CREATE SECRET (TYPE s3, {spelled}{between}{quoted}, REGION 'eu')"
        assert mask_secrets(text) == f"CREATE SECRET (TYPE s3, {spelled}{between}'***', REGION 'eu')"


@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    assert isinstance(mask_secrets(text), str)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT text, token FROM calls WHERE name = 'a@b.de'",
        "the model 'm' has no version 3; it has 1, 2",
        "/data/my_token/a.wav",
        "https://host/a.wav?part=1&channel=2",
        "SELECT count(*) FROM secrets WHERE signature = 4",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert mask_secrets(text) == text


def test_a_long_text_is_masked_at_once() -> None:
    for text in ("https://" + "a" * 200_000, "token" * 50_000, "sig='" + "''" * 100_000, "?" + "a.sig" * 40_000):
        mask_secrets(text)


URL = "https://ann:hunter2@host/a.wav?X-Amz-Signature=0a1b2c"


def test_the_lineage_of_a_model_is_masked_and_private(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home")
    make_checkpoint(tmp_path / "a")
    with registry.stage() as staging:
        make_checkpoint(staging)
        entry = registry.publish(
            staging, "m", kind="built", lineage={"sql": f"SELECT '{URL}'", "options": {"x": [URL]}}
        )
    file = entry.path / "thano.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for text in (file.read_text(), json.dumps(dict(entry.lineage))):
        assert "host/a.wav" in text
        assert "hunter2" not in text
        assert "0a1b2c" not in text


def test_warnings_and_errors_are_masked(con: thano_duckdb.Connection) -> None:
    with pytest.raises(thano_duckdb.DialectError) as refused:
        con.sql(f"PREDICT USING Wav2Vec2TinyEn OPTIONS (audio_col='{URL}', epoks=1) AS SELECT 1")
    with pytest.raises(thano_duckdb.ThanoError) as missing:
        con.sql(f"PREDICT USING 'hf://{URL}' AS SELECT '{URL}' AS audio_path").fetchall()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        con.sql(f"PREDICT USING Wav2Vec2TinyEn AS SELECT '{URL}x' AS audio_path").fetchall()
    for text in (str(refused.value), str(missing.value), str(caught[0].message)):
        assert "hunter2" not in text
        assert "0a1b2c" not in text
    caret = str(refused.value).splitlines()
    assert caret[1][caret[2].index("^") :].startswith("epoks")
