-- case: a setting
SET thano_cache = True
-- becomes
SELECT * FROM thano_set('cache', 'true')

-- case: a setting that is a text, with TO and a scope
set session thano_cache to 'my schema';
-- becomes
SELECT * FROM thano_set('cache', '"my schema"');

-- case: a number
SET LOCAL thano_timeout = 30
-- becomes
SELECT * FROM thano_set('timeout', '30.0')

-- case: no limit
SET thano_cache_max_bytes = NULL
-- becomes
SELECT * FROM thano_set('cache_max_bytes', 'null')

-- case: back to what connect was given
RESET thano_cache
-- becomes
SELECT * FROM thano_set('cache')

-- case: a setting of DuckDB, and a column of that name
SET threads = 2; CREATE TABLE jobs (thano_cache INTEGER); UPDATE jobs SET thano_cache = 1
-- becomes
SET threads = 2; CREATE TABLE jobs (thano_cache INTEGER); UPDATE jobs SET thano_cache = 1
