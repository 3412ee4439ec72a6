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

-- case: a name in quotes, in any case
SET "thano_cache" = TRUE; SET SESSION "Thano_Cache" = TRUE; SET THANO_CACHE = TRUE; RESET "thano_cache"
-- becomes
SELECT * FROM thano_set('cache', 'true'); SELECT * FROM thano_set('cache', 'true'); SELECT * FROM thano_set('cache', 'true'); SELECT * FROM thano_set('cache')

-- case: DEFAULT is what RESET brings back
SET thano_cache = DEFAULT
-- becomes
SELECT * FROM thano_set('cache')

-- case: a setting of DuckDB in quotes, and a variable
SET "threads" = 2; SET VARIABLE "thano_cache" = 2
-- becomes
SET "threads" = 2; SET VARIABLE "thano_cache" = 2

-- case: a setting of DuckDB, and a column of that name
SET threads = 2; CREATE TABLE jobs (thano_cache INTEGER); UPDATE jobs SET thano_cache = 1
-- becomes
SET threads = 2; CREATE TABLE jobs (thano_cache INTEGER); UPDATE jobs SET thano_cache = 1
