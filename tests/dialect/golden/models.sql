-- case: models
LIST MODEL
-- becomes
SELECT * FROM thano_models() WHERE kind <> 'built-in'

-- case: models, and the built-in ones
LIST THANOSQL MODEL;
-- becomes
SELECT * FROM thano_models();

-- case: data sets
list thanosql dataset
-- becomes
SELECT * FROM thano_datasets()

-- case: tables
LIST TABLE
-- becomes
SELECT * FROM (SELECT table_name, schema_name, database_name, 'table' AS kind FROM system.main.duckdb_tables() WHERE NOT internal UNION ALL SELECT view_name, schema_name, database_name, 'view' FROM system.main.duckdb_views() WHERE NOT internal)

-- case: ordered
LIST MODEL ORDER BY name LIMIT 10
-- becomes
SELECT * FROM thano_models() WHERE kind <> 'built-in' ORDER BY name LIMIT 10

-- case: within a query
SELECT name FROM (LIST MODEL) WHERE version > 1
-- becomes
SELECT name FROM (SELECT * FROM thano_models() WHERE kind <> 'built-in') WHERE version > 1

-- case: kept in a table
CREATE TABLE models AS LIST MODEL
-- becomes
CREATE TABLE models AS SELECT * FROM thano_models() WHERE kind <> 'built-in'

-- case: set operations
SELECT name FROM (LIST MODEL) AS m UNION ALL (SELECT table_name FROM (LIST TABLE))
-- becomes
SELECT name FROM (SELECT * FROM thano_models() WHERE kind <> 'built-in') AS m UNION ALL (SELECT table_name FROM (SELECT * FROM (SELECT table_name, schema_name, database_name, 'table' AS kind FROM system.main.duckdb_tables() WHERE NOT internal UNION ALL SELECT view_name, schema_name, database_name, 'view' FROM system.main.duckdb_views() WHERE NOT internal)))

-- case: without options
GET THANOSQL MODEL wav2vec2
-- becomes
SELECT * FROM thano_get_model('wav2vec2', '{}')

-- case: from the hub
GET THANOSQL MODEL 'hf://facebook/hubert-large-ls960-ft' OPTIONS (model_name=hubert)
-- becomes
SELECT * FROM thano_get_model('hf://facebook/hubert-large-ls960-ft', '{"model_name": "hubert"}')

-- case: a data set
GET THANOSQL DATASET librispeech_data
-- becomes
SELECT * FROM thano_get_dataset('librispeech_data', '{}')

-- case: a folder
UPLOAD MODEL my-model.v2 FROM "models/it's mine"
-- becomes
SELECT * FROM thano_upload_model('my-model.v2', 'models/it''s mine', '{}')

-- case: a quoted name
DELETE MODEL 'my-model.v2';
-- becomes
SELECT * FROM thano_delete_model('my-model.v2');

-- case: as people type it
LIST MODELS
-- becomes
SELECT * FROM thano_models() WHERE kind <> 'built-in'

-- case: tables, as people type it
LIST TABLES;
-- becomes
SELECT * FROM (SELECT table_name, schema_name, database_name, 'table' AS kind FROM system.main.duckdb_tables() WHERE NOT internal UNION ALL SELECT view_name, schema_name, database_name, 'view' FROM system.main.duckdb_views() WHERE NOT internal);

-- case: within a query, as people type it
FROM (LIST MODELS), (list tables)
-- becomes
FROM (SELECT * FROM thano_models() WHERE kind <> 'built-in'), (SELECT * FROM (SELECT table_name, schema_name, database_name, 'table' AS kind FROM system.main.duckdb_tables() WHERE NOT internal UNION ALL SELECT view_name, schema_name, database_name, 'view' FROM system.main.duckdb_views() WHERE NOT internal))

-- case: in a WITH list, as people type it
WITH q AS (LIST MODELS) FROM q
-- becomes
WITH q AS (SELECT * FROM thano_models() WHERE kind <> 'built-in') FROM q

-- case: copied, as people type it
COPY (LIST TABLES) TO 'tables.csv'
-- becomes
COPY (SELECT * FROM (SELECT table_name, schema_name, database_name, 'table' AS kind FROM system.main.duckdb_tables() WHERE NOT internal UNION ALL SELECT view_name, schema_name, database_name, 'view' FROM system.main.duckdb_views() WHERE NOT internal)) TO 'tables.csv'

-- case: every model, as people type it
CREATE TABLE all_models AS LIST THANOSQL MODELS
-- becomes
CREATE TABLE all_models AS SELECT * FROM thano_models()

-- case: one model
DESCRIBE MODEL my-model@2
-- becomes
SELECT * FROM thano_describe_model('my-model@2')

-- case: one model, by its folder
desc model './it''s mine';
-- becomes
SELECT * FROM thano_describe_model('./it''s mine');

-- case: one language model
DESCRIBE LANGUAGE MODEL en
-- becomes
SELECT * FROM thano_describe_model('en', is_language_model := true)

-- case: one model, within a query
SELECT value FROM (DESCRIBE MODEL m) WHERE property = 'wer'
-- becomes
SELECT value FROM (SELECT * FROM thano_describe_model('m')) WHERE property = 'wer'

-- case: one model, kept in a table
CREATE TABLE facts AS DESCRIBE MODEL m ORDER BY property
-- becomes
CREATE TABLE facts AS SELECT * FROM thano_describe_model('m') ORDER BY property

-- case: two models
WITH a AS (DESCRIBE MODEL a), b AS (DESC MODEL b) FROM a JOIN b USING (property)
-- becomes
WITH a AS (SELECT * FROM thano_describe_model('a')), b AS (SELECT * FROM thano_describe_model('b')) FROM a JOIN b USING (property)

-- case: drop
DROP MODEL my-model
-- becomes
SELECT * FROM thano_delete_model('my-model')

-- case: drop, if it exists
drop model if exists 'my-model';
-- becomes
SELECT * FROM thano_delete_model('my-model', if_exists := true);

-- case: delete, if it exists
DELETE MODEL IF EXISTS m@2
-- becomes
SELECT * FROM thano_delete_model('m@2', if_exists := true)

-- case: delete all that is cached
DELETE CACHE;
-- becomes
SELECT * FROM thano_delete_cache();

-- case: delete what is cached for a model
delete cache for model 'hf://facebook/wav2vec2-base-960h'
-- becomes
SELECT * FROM thano_delete_cache('hf://facebook/wav2vec2-base-960h')
