-- case: in FROM
SELECT speaker, count(predicted) FROM (PREDICT USING Wav2Vec2En AS FROM librispeech_test) GROUP BY speaker
-- becomes
SELECT speaker, count(predicted) FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows) GROUP BY speaker

-- case: joined
SELECT * FROM calls JOIN (PREDICT USING m AS FROM librispeech_test) AS p ON p.audio_path = calls.recording
-- becomes
SELECT * FROM calls JOIN (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows) AS p ON p.audio_path = calls.recording

-- case: in IN
SELECT * FROM calls WHERE recording IN (SELECT audio_path FROM (PREDICT USING m AS FROM librispeech_test) WHERE predicted LIKE '%help%')
-- becomes
SELECT * FROM calls WHERE recording IN (SELECT audio_path FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows) WHERE predicted LIKE '%help%')

-- case: a CTE
WITH heard AS (PREDICT USING m AS SELECT * FROM librispeech_test) SELECT * FROM heard WHERE speaker = 'ann'
-- becomes
WITH heard AS (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows) SELECT * FROM heard WHERE speaker = 'ann'

-- case: several CTEs
WITH a AS MATERIALIZED (PREDICT USING m AS FROM librispeech_test), b(x) AS (SELECT predicted FROM a) FROM b
-- becomes
WITH a AS MATERIALIZED (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows), b(x) AS (SELECT predicted FROM a) FROM b

-- case: after a WITH list of several
WITH a AS (FROM librispeech_test), b(path) AS MATERIALIZED (SELECT audio_path FROM a) PREDICT USING m OPTIONS (audio_col=path) AS FROM b
-- becomes
WITH a AS (FROM librispeech_test), b(path) AS MATERIALIZED (SELECT audio_path FROM a) SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."path"), 'text') AS "predicted" FROM (FROM b) AS _thano_rows

-- case: after a WITH list
WITH ann AS (SELECT * FROM librispeech_test WHERE speaker = 'ann')
PREDICT USING m AS SELECT * FROM ann
-- becomes
WITH ann AS (SELECT * FROM librispeech_test WHERE speaker = 'ann')
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM ann) AS _thano_rows

-- case: a WITH list within the query
PREDICT USING m AS WITH ann AS (SELECT * FROM librispeech_test WHERE speaker = 'ann') SELECT * FROM ann
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (WITH ann AS (SELECT * FROM librispeech_test WHERE speaker = 'ann') SELECT * FROM ann) AS _thano_rows

-- case: CREATE TABLE AS
CREATE TABLE result AS PREDICT USING m AS SELECT * FROM librispeech_test
-- becomes
CREATE TABLE result AS SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: CREATE TABLE AS with a WITH list
CREATE OR REPLACE TEMP TABLE result AS WITH a AS (FROM librispeech_test) PREDICT USING m AS FROM a
-- becomes
CREATE OR REPLACE TEMP TABLE result AS WITH a AS (FROM librispeech_test) SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM a) AS _thano_rows

-- case: CREATE VIEW AS
CREATE VIEW archive.result AS (PREDICT USING m AS SELECT * FROM librispeech_test)
-- becomes
CREATE VIEW archive.result AS (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows)

-- case: CREATE MACRO AS TABLE
CREATE MACRO said_by(who) AS TABLE PREDICT USING m AS SELECT * FROM librispeech_test WHERE speaker = who
-- becomes
CREATE MACRO said_by(who) AS TABLE SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test WHERE speaker = who) AS _thano_rows

-- case: INSERT INTO
INSERT INTO heard PREDICT USING m AS SELECT * FROM librispeech_test
-- becomes
INSERT INTO heard SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: INSERT INTO with columns
INSERT INTO heard (audio_path, predicted) PREDICT USING m AS SELECT audio_path FROM librispeech_test
-- becomes
INSERT INTO heard (audio_path, predicted) SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT audio_path FROM librispeech_test) AS _thano_rows

-- case: INSERT INTO BY NAME
INSERT INTO heard BY NAME PREDICT USING m AS SELECT * FROM librispeech_test
-- becomes
INSERT INTO heard BY NAME SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: INSERT INTO in parentheses
INSERT INTO heard (PREDICT USING m AS SELECT * FROM librispeech_test) RETURNING predicted
-- becomes
INSERT INTO heard (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows) RETURNING predicted

-- case: COPY TO
COPY (PREDICT USING m AS SELECT * FROM librispeech_test) TO 'result.parquet' (FORMAT parquet)
-- becomes
COPY (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows) TO 'result.parquet' (FORMAT parquet)

-- case: EXPLAIN
EXPLAIN PREDICT USING m AS SELECT * FROM librispeech_test
-- becomes
EXPLAIN SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: EXPLAIN ANALYZE
EXPLAIN ANALYZE PREDICT USING m AS SELECT * FROM librispeech_test
-- becomes
EXPLAIN ANALYZE SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: EXPLAIN with options
EXPLAIN (FORMAT json) PREDICT USING m AS SELECT * FROM librispeech_test
-- becomes
EXPLAIN (FORMAT json) SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: DESCRIBE
DESCRIBE PREDICT USING m AS SELECT * FROM librispeech_test
-- becomes
DESCRIBE SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: SUMMARIZE in FROM
SELECT column_name FROM (SUMMARIZE PREDICT USING m AS SELECT * FROM librispeech_test)
-- becomes
SELECT column_name FROM (SUMMARIZE SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows)

-- case: PREPARE
PREPARE said_by AS PREDICT USING m AS SELECT * FROM librispeech_test WHERE speaker = $1
-- becomes
PREPARE said_by AS SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test WHERE speaker = $1) AS _thano_rows

-- case: a UNION belongs to the query
PREDICT USING m AS SELECT audio_path FROM librispeech_test UNION ALL SELECT recording FROM calls
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT audio_path FROM librispeech_test UNION ALL SELECT recording FROM calls) AS _thano_rows

-- case: a UNION of predictions
(PREDICT USING m AS FROM librispeech_test) UNION ALL BY NAME (PREDICT USING n AS FROM librispeech_train)
-- becomes
(SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows) UNION ALL BY NAME (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('n', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_train) AS _thano_rows)

-- case: at the end of EXCEPT
SELECT audio_path, text, speaker, NULL FROM librispeech_train EXCEPT PREDICT USING n AS FROM librispeech_test
-- becomes
SELECT audio_path, text, speaker, NULL FROM librispeech_train EXCEPT SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('n', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows

-- case: after UNION BY NAME
SELECT 'x' AS audio_path UNION BY NAME PREDICT USING n AS FROM librispeech_test
-- becomes
SELECT 'x' AS audio_path UNION BY NAME SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('n', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows

-- case: PREDICT over PREDICT
PREDICT USING m AS PREDICT USING n AS SELECT * FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('n', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows) AS _thano_rows

-- case: PREDICT over PREDICT with a name for each
CREATE TABLE both_models AS
PREDICT USING m OPTIONS (result_col='said_by_m') AS
SELECT * FROM (
    PREDICT USING n OPTIONS (result_col='said_by_n') AS
    SELECT * FROM librispeech_test
)
-- becomes
CREATE TABLE both_models AS
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('said_by_m')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "said_by_m" FROM (
SELECT * FROM (
    SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('said_by_n')))), system.main.struct_extract(thano_transcribe('n', _thano_rows."audio_path"), 'text') AS "said_by_n" FROM (
SELECT * FROM librispeech_test) AS _thano_rows
)) AS _thano_rows

-- case: a scalar subquery
SELECT (SELECT max(predicted) FROM (PREDICT USING m AS FROM librispeech_test)) AS last, 1 + (2 * 3)
-- becomes
SELECT (SELECT max(predicted) FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows)) AS last, 1 + (2 * 3)

-- case: a script
CREATE TABLE result AS PREDICT USING m AS FROM librispeech_test; -- first
SELECT 'PREDICT USING m AS'; ;
PREDICT USING m AS FROM result;
-- becomes
CREATE TABLE result AS SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows; -- first
SELECT 'PREDICT USING m AS'; ;
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM result) AS _thano_rows;
