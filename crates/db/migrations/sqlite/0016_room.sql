-- Room beside a row is Postgres' business: SQLite rewrites a page where it is.
select 1;
