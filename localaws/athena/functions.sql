-- Functions of Trino that DuckDB does not have, or that have a different meaning in DuckDB.
-- https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html

-- Convert a type name of DuckDB to Trino's, starting with the outermost type.
CREATE MACRO athena_type_name(t) AS lower(
    regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(t,
        'STRUCT\(', 'row(', 'g'), '"NULL"', 'unknown', 'g'), 'TIMESTAMP(_S|_MS|_NS)?\b', 'timestamp(3)', 'g'),
        '\b(HUGEINT|UBIGINT)\b', 'bigint', 'g'), '\bFLOAT\b', 'real', 'g'), '\bBLOB\b', 'varbinary', 'g'),
        '^(.*)\[\]$', 'array(\1)'));

CREATE MACRO athena_array_element(l, i) AS CASE
    WHEN i = 0 THEN error('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')
    WHEN i < 0 THEN error('INVALID_FUNCTION_ARGUMENT: Array subscript is negative: ' || i)
    WHEN i > len(l) THEN error('INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length: '
        || i || ' > ' || len(l))
    ELSE l[i] END;
CREATE MACRO athena_array_distinct(l) AS list_filter(l, lambda x, i: i = 1 OR NOT list_contains(l[1:i-1], x));
CREATE MACRO athena_array_intersect(a, b) AS list_filter(athena_array_distinct(a), lambda x: list_contains(b, x));
CREATE MACRO athena_array_position(l, x) AS COALESCE(list_position(l, x), 0)::BIGINT;
CREATE MACRO athena_array_union(a, b) AS athena_array_distinct(list_concat(a, b));
CREATE MACRO athena_from_base(s, b) AS list_reduce(
    list_transform(string_split(lower(s), ''),
    lambda c: (strpos('0123456789abcdefghijklmnopqrstuvwxyz', c) - 1)::BIGINT),
    lambda x, y: x * b + y);
CREATE MACRO athena_json_array_contains(j, x) AS CASE WHEN json_valid(j) THEN json_contains(j, to_json(x)) END;
CREATE MACRO athena_json_array_get(j, i) AS CASE WHEN json_valid(j)
    THEN j -> ('$[' || CASE WHEN i < 0 THEN '#' ELSE '' END || i || ']') END;
CREATE MACRO athena_json_array_length(j) AS CASE
    WHEN json_valid(j) AND json_type(j) = 'ARRAY' THEN json_array_length(j)::BIGINT END;
CREATE MACRO athena_json_extract(j, p) AS CASE WHEN json_valid(j) THEN j -> p END;
CREATE MACRO athena_json_extract_scalar(j, p) AS CASE
    WHEN json_valid(j) AND json_type(j, p) NOT IN ('OBJECT', 'ARRAY') THEN j ->> p END;
CREATE MACRO athena_json_size(j, p) AS CASE WHEN json_valid(j) THEN CASE json_type(j, p)
    WHEN 'ARRAY' THEN json_array_length(j, p)::BIGINT WHEN 'OBJECT' THEN len(json_keys(j, p)) ELSE 0 END END;
CREATE MACRO athena_map_agg(ks, vs) AS CASE WHEN len(list_distinct(ks)) = len(ks) THEN map(ks, vs)
    ELSE map(athena_array_distinct(ks),
    list_transform(athena_array_distinct(ks), lambda k: vs[list_position(ks, k)])) END;
CREATE MACRO athena_map_value(m, k) AS CASE
    WHEN m IS NOT NULL AND NOT map_contains(m, k) THEN error('INVALID_FUNCTION_ARGUMENT: Key not present in map: ' || k)
    ELSE m[k] END;
CREATE MACRO athena_regexp_extract(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END;
CREATE MACRO athena_repeat(x, n) AS list_transform(range(n), lambda i: x);
CREATE MACRO athena_sequence(a, b) AS generate_series(a, b, CASE WHEN b < a THEN -1 ELSE 1 END);
CREATE MACRO athena_slice(l, s, n) AS array_slice(l, CASE WHEN s < 0 THEN len(l) + s + 1 ELSE s END,
    CASE WHEN s < 0 THEN len(l) + s + 1 ELSE s END + n - 1);
CREATE MACRO athena_split_part(s, d, i) AS CASE WHEN i <= len(string_split(s, d)) THEN split_part(s, d, i) END;
CREATE MACRO athena_split_to_map(s, e, kv) AS map_from_entries(list_transform(string_split(s, e),
    lambda x: {'k': split_part(x, kv, 1), 'v': split_part(x, kv, 2)}));
CREATE MACRO
    athena_substr(s, i) AS CASE WHEN i = 0 OR abs(i) > length(s) THEN '' ELSE substr(s, i) END,
    (s, i, n) AS CASE WHEN i = 0 OR abs(i) > length(s) THEN '' ELSE substr(s, i, n) END;
CREATE MACRO athena_offset(instant, there) AS date_diff('minute', instant AT TIME ZONE 'UTC', there);
CREATE MACRO
    athena_time_as_text(t) AS strftime(t, '%Y-%m-%d %H:%M:%S.%g')
        || CASE typeof(t) WHEN 'TIMESTAMP WITH TIME ZONE' THEN ' UTC' ELSE '' END,
    (t, zone) AS strftime(t, '%Y-%m-%d %H:%M:%S.%g') || ' ' || zone;
CREATE MACRO athena_zone(z) AS regexp_replace(z, '^([+-]\d\d:\d\d)$', 'GMT\1');
CREATE MACRO athena_zone_name(z) AS regexp_replace(z, '^GMT([+-]\d\d:\d\d)$', '\1');
CREATE MACRO athena_to_iso8601_in_zone(t, minutes) AS strftime(t, '%Y-%m-%dT%H:%M:%S.%g')
    || CASE WHEN minutes = 0 THEN 'Z' ELSE printf('%s%02d:%02d', CASE WHEN minutes < 0 THEN '-' ELSE '+' END,
        abs(minutes) // 60, abs(minutes) % 60) END;
CREATE MACRO athena_to_iso8601(x) AS CASE typeof(x) WHEN 'DATE' THEN strftime(x::TIMESTAMP, '%Y-%m-%d')
    WHEN 'TIMESTAMP WITH TIME ZONE' THEN strftime(x::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%gZ')
    ELSE strftime(x::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%g') END;
CREATE MACRO athena_typeof(x) AS athena_type_name(typeof(x));
CREATE MACRO athena_url_decode(s) AS url_decode(replace(s, '+', ' '));
CREATE MACRO athena_url_encode(s) AS replace(url_encode(s), '%20', '+');
CREATE MACRO athena_url_extract_fragment(u) AS nullif(regexp_extract(u, '#(.*)$', 1), '');
CREATE MACRO athena_url_extract_host(u) AS nullif(regexp_extract(u, '^[^:/?#]+://(?:[^/?#@]*@)?([^/?#:]*)', 1), '');
CREATE MACRO athena_url_extract_parameter(u, n) AS athena_url_decode(
    nullif(regexp_extract(u, '[?&]' || n || '=([^&#]*)', 1), ''));
CREATE MACRO athena_url_extract_path(u) AS regexp_extract(u, '^[^:/?#]+://[^/?#]*([^?#]*)', 1);
CREATE MACRO athena_url_extract_port(u) AS try_cast(
    nullif(regexp_extract(u, '^[^:/?#]+://[^/?#:]*:([0-9]+)', 1), '') AS BIGINT);
CREATE MACRO athena_url_extract_protocol(u) AS nullif(regexp_extract(u, '^([^:/?#]+)://', 1), '');
CREATE MACRO athena_url_extract_query(u) AS nullif(regexp_extract(u, '\?([^#]*)', 1), '');
CREATE MACRO athena_width_bucket(x, low, high, n) AS CASE WHEN x < low THEN 0 WHEN x >= high THEN n + 1
    ELSE floor((x - low) * n::DOUBLE / (high - low)) + 1 END::BIGINT;

-- Division of a double by zero is not an error.
CREATE MACRO athena_divide(a, b) AS CASE WHEN b = 0 THEN a * 'inf'::DOUBLE ELSE a / b END;
