-- case: fails where the table exists
COPY t OPTIONS (if_exists='fail') FROM 'thanosql-dataset/librispeech_data/train.parquet'
-- becomes
CREATE TABLE t AS SELECT * FROM system.main.read_parquet(thano_copied_file('thanosql-dataset/librispeech_data/train.parquet'))

-- case: no option
COPY t OPTIONS () FROM 'thanosql-dataset/librispeech_data/train.pqt';
-- becomes
CREATE TABLE t AS SELECT * FROM system.main.read_parquet(thano_copied_file('thanosql-dataset/librispeech_data/train.pqt'));

-- case: overwrite is False
COPY t OPTIONS (overwrite=False) FROM 'thanosql-dataset/librispeech_data/train.tsv'
-- becomes
CREATE TABLE t AS SELECT * FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/train.tsv'))

-- case: replace, in a schema, with quotes
COPY archive."my t" OPTIONS (if_exists=Replace) FROM "thanosql-dataset/librispeech_data/train.json"
-- becomes
SELECT "Count" FROM (SELECT system.main.count_star() AS "Count" FROM system.main.read_json(thano_copied_file('thanosql-dataset/librispeech_data/train.json'))) WHERE thano_check_rows("Count", 'thanosql-dataset/librispeech_data/train.json', 'CREATE OR REPLACE TABLE archive."my t" AS FROM read_json(''thanosql-dataset/librispeech_data/train.json'')'); CREATE OR REPLACE TABLE archive."my t" AS SELECT * FROM system.main.read_json(thano_copied_file('thanosql-dataset/librispeech_data/train.json'))

-- case: append
COPY archive . t OPTIONS (if_exists='append') FROM 'thanosql-dataset/librispeech_data/train.jsonl'
-- becomes
CREATE TABLE IF NOT EXISTS archive.t AS SELECT * FROM system.main.read_json(thano_copied_file('thanosql-dataset/librispeech_data/train.jsonl')) LIMIT 0; INSERT INTO archive.t BY NAME SELECT * FROM system.main.read_json(thano_copied_file('thanosql-dataset/librispeech_data/train.jsonl'))

-- case: compressed
COPY options OPTIONS (overwrite=TRUE) FROM 'thanosql-dataset/librispeech_data/train.csv.gz'
-- becomes
SELECT "Count" FROM (SELECT system.main.count_star() AS "Count" FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/train.csv.gz'))) WHERE thano_check_rows("Count", 'thanosql-dataset/librispeech_data/train.csv.gz', 'CREATE OR REPLACE TABLE options AS FROM read_csv(''thanosql-dataset/librispeech_data/train.csv.gz'')'); CREATE OR REPLACE TABLE options AS SELECT * FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/train.csv.gz'))

-- case: compressed json
COPY t OPTIONS (overwrite=TRUE) FROM 'thanosql-dataset/librispeech_data/train.ndjson.gz'
-- becomes
SELECT "Count" FROM (SELECT system.main.count_star() AS "Count" FROM system.main.read_json(thano_copied_file('thanosql-dataset/librispeech_data/train.ndjson.gz'))) WHERE thano_check_rows("Count", 'thanosql-dataset/librispeech_data/train.ndjson.gz', 'CREATE OR REPLACE TABLE t AS FROM read_json(''thanosql-dataset/librispeech_data/train.ndjson.gz'')'); CREATE OR REPLACE TABLE t AS SELECT * FROM system.main.read_json(thano_copied_file('thanosql-dataset/librispeech_data/train.ndjson.gz'))

-- case: a pattern
COPY t OPTIONS (overwrite=TRUE) FROM 'thanosql-dataset/librispeech_data/librispeech_*.csv'
-- becomes
SELECT "Count" FROM (SELECT system.main.count_star() AS "Count" FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/librispeech_*.csv'))) WHERE thano_check_rows("Count", 'thanosql-dataset/librispeech_data/librispeech_*.csv', 'CREATE OR REPLACE TABLE t AS FROM read_csv(thano_file(''thanosql-dataset/librispeech_data/librispeech_*.csv''))'); CREATE OR REPLACE TABLE t AS SELECT * FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/librispeech_*.csv'))

-- case: a folder of audio
COPY clips OPTIONS (overwrite=True) FROM 'thanosql-dataset/librispeech_data'
-- becomes
CREATE OR REPLACE TABLE clips AS SELECT * FROM thano_copied_audio('thanosql-dataset/librispeech_data')

-- case: a folder with a dot in its name
COPY clips OPTIONS (overwrite=True) FROM 'librispeech.v1/'
-- becomes
CREATE OR REPLACE TABLE clips AS SELECT * FROM thano_copied_audio('librispeech.v1/')

-- case: audio files
COPY clips OPTIONS (if_exists='append') FROM 'it''s/*.FLAC'
-- becomes
SELECT system.main.count_star() AS "Count" FROM thano_copied_audio('it''s/*.FLAC'); CREATE TABLE IF NOT EXISTS clips AS SELECT * FROM thano_copied_audio('it''s/*.FLAC') LIMIT 0; INSERT INTO clips BY NAME SELECT * FROM thano_copied_audio('it''s/*.FLAC')

-- case: a name that DuckDB would take for a pattern
COPY t OPTIONS (overwrite=True) FROM 'thanosql-dataset/librispeech_data/train*.csv.gz'
-- becomes
SELECT "Count" FROM (SELECT system.main.count_star() AS "Count" FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/train*.csv.gz'))) WHERE thano_check_rows("Count", 'thanosql-dataset/librispeech_data/train*.csv.gz', 'CREATE OR REPLACE TABLE t AS FROM read_csv(thano_file(''thanosql-dataset/librispeech_data/train*.csv.gz''))'); CREATE OR REPLACE TABLE t AS SELECT * FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/train*.csv.gz'))

-- case: a folder of a year
COPY clips OPTIONS (overwrite=True) FROM 'calls.2024'
-- becomes
CREATE OR REPLACE TABLE clips AS SELECT * FROM thano_copied_audio('calls.2024')

-- case: JSON records
COPY t OPTIONS (if_exists='replace') FROM '[{"a": 1, "b": "it''s"}, {"a": 2.5, "c": [null]}]'
-- becomes
CREATE OR REPLACE TABLE t AS SELECT unnest(system.main.from_json('[{"a": 1, "b": "it''s"}, {"a": 2.5, "c": [null]}]', '[{"a": "DOUBLE", "b": "VARCHAR", "c": ["VARCHAR"]}]'), max_depth := 2)
