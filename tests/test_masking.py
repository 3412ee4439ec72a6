"""Secrets are masked wherever a text of the user's is kept or shown."""

from __future__ import annotations

import json
import stat
import urllib.parse
import warnings
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import thano_duckdb
from tests.checkpoints import make_checkpoint
from thano_duckdb.masking import mask_secrets, mask_url
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


QUOTED = st.text("abcXYZ019'\\ \n;()$-*/", min_size=12, max_size=30)


@given(QUOTED, st.sampled_from(SQL_NAMES), st.sampled_from([" ", " = ", "=", "\n", " /* ) */ ", " -- it's )\n", " ("]))
def test_all_that_create_secret_has_in_parentheses(secret: str, name: str, between: str) -> None:
    assume("$a" not in secret)  # it would end the quotation by $a$
    plain = "'" + secret.replace("'", "''") + "'"
    escaped = "E'" + secret.replace("\\", "\\\\").replace("'", "\\'") + "'"
    dollars = f"$a${secret}$a$"
    for spelled in (plain, escaped, dollars, f"'a' || {plain}", f"MAP {{'x': {plain}}}"):
        value = f"{between}{spelled}{')' if '(' in between else ''}"
        for head in (
            "CREATE SECRET",
            "create or replace temporary secret s IN memory",
            "CREATE/* as */SECRET",
            "é CREATE SECRET é",
        ):
            text = f"SELECT (1); {head} (TYPE s3, {name}{value}, REGION 'eu'); SELECT (2)"
            assert mask_secrets(text) == f"SELECT (1); {head} (***); SELECT (2)"
            cut = text[: text.index(", REGION")]
            assert mask_secrets(cut) == f"SELECT (1); {head} (***)"


@given(
    st.text("abcXYZ019'\\ \n;", min_size=12, max_size=30),
    st.sampled_from(SQL_NAMES),
    st.sampled_from([" ", " = ", "="]),
)
def test_named_secrets_of_sql(secret: str, name: str, between: str) -> None:
    quoted = "'" + secret.replace("'", "''") + "'"
    for spelled in (name, name.lower()):
        assert (
            mask_secrets(f"SET {spelled}{between}{quoted}; SELECT 'eu'") == f"SET {spelled}{between}'***'; SELECT 'eu'"
        )


@pytest.mark.parametrize(
    "value",
    ["$$hunter2$$", r"E'a\'hunter2'", "/* c */ 'hunter2'", "-- c\n'hunter2'", "('hunter2')", "'a' || 'hunter2'"],
)
def test_the_spellings_of_a_string(value: str) -> None:
    assert "hunter2" not in mask_secrets(f"SET s3_secret_access_key = {value}")


WORDS = st.text("abc", max_size=3)
VALUE = st.text("ab'\" /@=:;\\\n", max_size=8)
PASSWORD = st.text("ab'\" /?#@&=:;\\\n", max_size=8)


@given(WORDS, PASSWORD, PASSWORD, WORDS)
def test_whatever_stands_in_the_password_of_a_url(user: str, before: str, after: str, path: str) -> None:
    assume("@" not in before + after or not {"?", "#"} & set(before + after))  # then hunter2 may be the host
    shown = mask_url(f"http://{user}:x{before}hunter2{after}@host:9/{path}.wav")
    assert "hunter2" not in shown
    assert shown.endswith(f"host:9/{path}.wav") or {"?", "#"} & set(before + after)


@given(st.sampled_from(["?", "#", "&", "?a=1&", "?a=1#"]), st.text("ab%[].", max_size=4), VALUE, PASSWORD)
def test_whatever_stands_in_the_query_of_a_url(start: str, name: str, before: str, after: str) -> None:
    for parameter in (f"{name}={before}hunter2{after}", f"{before}hunter2"):  # without a name it may be anything
        assert "hunter2" not in mask_url(f"https://host/a.wav?b{start}{parameter}")


@pytest.mark.parametrize(
    "text",
    [
        "talk#1.wav",
        "/data/a?b=c.wav",
        "C:\\a.wav",
        "<blob of 4 bytes>",
        "https://host:9/a.wav",
        "hf://datasets/a/b@v1/a.wav",
    ],
)
def test_a_location_without_secrets_stays(text: str) -> None:
    assert mask_url(text) == text


@pytest.mark.parametrize(
    "parameter",
    [
        "sig=ab'hunter2",
        "%73ig=hunter2",
        "a[token]=hunter2",
        "auth=hunter2",
        "code=hunter2",
        "key=hunter2",
        "a=1#access_token=hunter2",
    ],
)
def test_secret_parameters_within_a_text(parameter: str) -> None:
    assert "hunter2" not in mask_secrets(f"SELECT 'https://host/a.wav?{parameter}' AS audio_path")


@pytest.mark.parametrize("password", ["pa'hunter2", 'pa"hunter2', "pa hunter2", "pa/hunter2"])
def test_passwords_within_a_text(password: str) -> None:
    assert mask_secrets(f"see http://user:{password}@host:9/a.wav") == "see http://***@host:9/a.wav"


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
    for text in (
        "https://" + "a" * 200_000,
        "token" * 50_000,
        "sig='" + "''" * 100_000,
        "?" + "a.sig" * 40_000,
        "a://b:c" * 30_000,
        "CREATE SECRET (" * 500,
        "create " * 30_000,
        "token " * 30_000,
        "token(" * 30_000,
        "sig=" + "'a" * 100_000,
    ):
        mask_secrets(text)
        mask_url(text)


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
    hostile = "http://ann:it's/hunter2@127.0.0.1:9/a.wav?x=0a1b2c"
    with warnings.catch_warnings(record=True) as caught_too:
        warnings.simplefilter("always")
        con.sql("PREDICT USING Wav2Vec2TinyEn AS SELECT $1 AS audio_path", params=[hostile]).fetchall()
    predict = "PREDICT USING Wav2Vec2TinyEn OPTIONS (on_error='fail') AS SELECT $1 AS audio_path"
    with pytest.raises(thano_duckdb.AudioError) as failed:
        con.sql(predict, params=[hostile]).fetchall()
    for text in (str(caught_too[0].message), str(failed.value)):
        assert "127.0.0.1:9/a.wav" in text
        assert "hunter2" not in text
        assert "0a1b2c" not in text
        assert "a.wav?x=***: " in text
    caret = str(refused.value).splitlines()
    assert caret[1][caret[2].index("^") :].startswith("epoks")


def test_only_the_statement_of_a_build_is_kept(tmp_path: Path) -> None:
    with thano_duckdb.connect(model_home=tmp_path) as con:
        con.execute("CREATE TABLE t AS SELECT 'the cat sat' AS text FROM range(20)")
        con.execute("SET VARIABLE note = 'hunter2'; BUILD LANGUAGE MODEL lm AS FROM t; SELECT 'hunter2'")
    about = json.loads((tmp_path / "lm" / "1" / "thano.json").read_text())
    assert about["lineage"]["sql"] == "BUILD LANGUAGE MODEL lm AS FROM t"


def test_an_error_after_create_secret_shows_no_secret(con: thano_duckdb.Connection) -> None:
    with pytest.raises(thano_duckdb.DialectError) as refused:
        con.sql("CREATE SECRET (TYPE http,\n BEARER_TOKEN $$hunter2$$); PREDICT USING m OPTIONS (epoks=1) AS SELECT 1")
    assert "hunter2" not in str(refused.value)
    _, line, caret = str(refused.value).splitlines()
    assert line[caret.index("^") :].startswith("epoks")
