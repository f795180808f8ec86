//! What a foreign statement may call: functions that only compute, by name and engine.
//! Refuses whatever reads files or settings, waits, locks, notifies, makes rows of nothing or runs text as SQL: it is not listed.

/// Functions of both engines.
const BOTH: &[&str] = &[
    "abs",
    "avg",
    "ceil",
    "ceiling",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "lag",
    "last_value",
    "lead",
    "length",
    "ln",
    "log",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "octet_length",
    "percent_rank",
    "pow",
    "power",
    "rank",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sqrt",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "trunc",
    "upper",
];

/// Functions of SQLite: what is an operator or a word of the language elsewhere is a function there.
const SQLITE: &[&str] = &[
    "->",
    "->>",
    "coalesce",
    "date",
    "datetime",
    "glob",
    "group_concat",
    "hex",
    "ifnull",
    "iif",
    "if",
    "instr",
    "json_extract",
    "json_type",
    "julianday",
    "like",
    "nullif",
    "strftime",
    "time",
    "total",
    "trim",
    "typeof",
    "unixepoch",
];

/// Functions of Postgres.
const POSTGRES: &[&str] = &[
    "array_agg",
    "bool_and",
    "bool_or",
    "btrim",
    "char_length",
    "character_length",
    "corr",
    "date_part",
    "date_trunc",
    "div",
    "every",
    "extract",
    "initcap",
    "json_array_length",
    "json_extract_path_text",
    "jsonb_extract_path_text",
    "left",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "position",
    "reverse",
    "right",
    "split_part",
    "starts_with",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "strpos",
    "timezone",
    "to_char",
    "to_timestamp",
    "var_pop",
    "var_samp",
    "variance",
    "width_bucket",
];

/// Types that a value may be turned into on Postgres: none of them looks anything up when it is read from text.
const TYPES: &[&str] = &[
    "bool",
    "bpchar",
    "bytea",
    "date",
    "float4",
    "float8",
    "int2",
    "int4",
    "int8",
    "interval",
    "json",
    "jsonb",
    "numeric",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "unknown",
    "uuid",
    "varchar",
    "_text",
    "_int8",
    "_int4",
    "_numeric",
    "_float8",
];

/// Types of Postgres that a column of the answer may have.
pub(super) const ANSWERS: &[&str] = &[
    "BOOL",
    "BYTEA",
    "CHAR",
    "DATE",
    "FLOAT4",
    "FLOAT8",
    "INT2",
    "INT4",
    "INT8",
    "JSON",
    "JSONB",
    "NUMERIC",
    "TEXT",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "UUID",
    "VARCHAR",
];

/// Modules of SQLite whose rows come from an argument alone.
pub(super) const TABLE_FUNCTIONS: &[&str] = &["json_each", "json_tree"];

/// Whether SQLite may call it for a foreign statement.
pub(super) fn on_sqlite(function: &str) -> bool {
    BOTH.contains(&function) || SQLITE.contains(&function)
}

/// Whether Postgres may call it for a foreign statement.
pub(super) fn on_postgres(function: &str) -> bool {
    BOTH.contains(&function) || POSTGRES.contains(&function)
}

/// Whether Postgres may turn values into this type.
pub(super) fn type_on_postgres(name: &str) -> bool {
    TYPES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_reaches_outside_or_makes_something_of_nothing_is_listed() {
        let never = [
            "set_config",
            "current_setting",
            "pg_sleep",
            "pg_read_file",
            "lo_import",
            "dblink",
            "pg_advisory_lock",
            "pg_notify",
            "query_to_xml",
            "generate_series",
            "repeat",
            "lpad",
            "rpad",
            "replace",
            "load_extension",
            "randomblob",
            "zeroblob",
            "printf",
            "format",
            "nextval",
            "txid_current",
            "ts_stat",
            "readfile",
            "fts3_tokenizer",
            "sqlite_offset",
            "random",
        ];
        for name in never {
            assert!(!on_sqlite(name) && !on_postgres(name), "{name}");
        }
        assert!(!type_on_postgres("regclass") && !type_on_postgres("xml") && !type_on_postgres("oid"));
    }
}
