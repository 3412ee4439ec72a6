-- case: from a table
BUILD LANGUAGE MODEL calls AS FROM korean_voice
-- becomes
SELECT unnest(thano_build_language_model('calls', '{}', _thano_rows."text"), recursive := true) FROM (FROM korean_voice) AS _thano_rows

-- case: with options
build language model "calls" OPTIONS (order=4, prune=1e-6, text_col='sentence', overwrite=True) AS
SELECT text AS sentence FROM korean_voice;
-- becomes
SELECT unnest(thano_build_language_model('calls', '{"order": 4, "overwrite": true, "prune": 1e-06}', _thano_rows."sentence"), recursive := true) FROM (
SELECT text AS sentence FROM korean_voice) AS _thano_rows;

-- case: after a WITH list
WITH t AS (FROM korean_voice) BUILD LANGUAGE MODEL calls AS SELECT text FROM t
-- becomes
WITH t AS (FROM korean_voice) SELECT unnest(thano_build_language_model('calls', '{}', _thano_rows."text"), recursive := true) FROM (SELECT text FROM t) AS _thano_rows

-- case: from what a model hears
BUILD LANGUAGE MODEL calls OPTIONS (text_col='predicted') AS PREDICT USING m AS FROM librispeech_test
-- becomes
SELECT unnest(thano_build_language_model('calls', '{}', _thano_rows."predicted"), recursive := true) FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows) AS _thano_rows

-- case: it has no base
BUILD LANGUAGE MODEL calls USING other AS FROM korean_voice
-- refused: BUILD LANGUAGE MODEL has no base, so it has no USING: its name is followed by OPTIONS (..) or AS

-- case: an order that no reader takes
BUILD LANGUAGE MODEL calls OPTIONS (order=9) AS FROM korean_voice
-- refused: The option 'order' must be a whole number from 2 to 6, not 9.

-- case: order 0
BUILD LANGUAGE MODEL calls OPTIONS (order=0) AS FROM korean_voice
-- refused: The option 'order' must be a whole number from 2 to 6, not 0.

-- case: without a query
BUILD LANGUAGE MODEL calls AS
-- refused: The query of BUILD LANGUAGE MODEL is missing after AS

-- case: without a name
BUILD LANGUAGE MODEL AS FROM korean_voice
-- refused: The model's name is missing after BUILD LANGUAGE MODEL

-- case: it is no query
SELECT * FROM (BUILD LANGUAGE MODEL calls AS FROM korean_voice)
-- refused: BUILD LANGUAGE MODEL stands alone: it is not a query, and cannot be part of another statement

-- case: words that DuckDB has elsewhere
SELECT language model FROM (SELECT 1 AS language) AS build
-- becomes
SELECT language model FROM (SELECT 1 AS language) AS build

-- case: an upload
UPLOAD LANGUAGE MODEL calls OPTIONS (overwrite=True) FROM 'it''s.arpa.gz'
-- becomes
SELECT * FROM thano_upload_language_model('calls', 'it''s.arpa.gz', '{"overwrite": true}')

-- case: an upload of nothing
UPLOAD LANGUAGE MODEL calls
-- refused: UPLOAD LANGUAGE MODEL name [OPTIONS (..)] is followed by FROM and an ARPA file or KenLM binary, not the end of the statement.

-- case: a delete
DELETE LANGUAGE MODEL calls@2; DROP LANGUAGE MODEL IF EXISTS calls
-- becomes
SELECT * FROM thano_delete_model('calls@2', is_language_model := true); SELECT * FROM thano_delete_model('calls', if_exists := true, is_language_model := true)

-- case: a list
SELECT name FROM (LIST LANGUAGE MODELS) UNION ALL SELECT name FROM (LIST LANGUAGE MODEL)
-- becomes
SELECT name FROM (SELECT * FROM thano_models() WHERE kind = 'language model') UNION ALL SELECT name FROM (SELECT * FROM thano_models() WHERE kind = 'language model')

