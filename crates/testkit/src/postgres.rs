//! Names the Postgres that tests run on, and a database of its own for each test.
//! Starts no server, `cargo xtask services` does; runs no SQL, the caller does that through `db`.

use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that holds `postgres://USER:PASSWORD@HOST:PORT/postgres`; unset where there is no Postgres.
pub const VARIABLE: &str = "GUILDHALL_TEST_POSTGRES";

/// Longer names Postgres cuts off in silence, and then two tests share a database.
const NAME_BYTES_MAX: usize = 63;
const LABEL_BYTES_MAX: usize = 30;

/// The server tests run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `postgres://USER:PASSWORD@HOST:PORT`.
    authority: String,
}

impl Server {
    /// The server the environment names, or nothing where it names none: then tests run on SQLite alone.
    ///
    /// # Panics
    ///
    /// When the variable is set to something else than such a URL, because tests must not pass for that reason.
    pub fn from_environment() -> Option<Server> {
        let url = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty())?;
        Some(Server::parse(&url).unwrap_or_else(|problem| panic!("{VARIABLE}: {problem}")))
    }

    /// The server of a URL with or without a database; parameters after `?` are not carried over. Never repeats the URL, which holds a password.
    pub fn parse(url: &str) -> Result<Server, String> {
        let wanted = "`postgres://USER:PASSWORD@HOST:PORT/postgres` would be right";
        let rest = url.strip_prefix("postgres://").ok_or_else(|| format!("the URL does not start with `postgres://`: {wanted}"))?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.rsplit('@').next().is_none_or(str::is_empty) {
            return Err(format!("the URL names no host: {wanted}"));
        }
        Ok(Server { authority: format!("postgres://{authority}") })
    }

    /// Whether it runs on this machine, so that the processes that use it can be seen.
    pub fn is_local(&self) -> bool {
        let host = self.authority.rsplit(['@', '/']).next().unwrap_or_default();
        host.starts_with("127.") || host.starts_with("localhost")
    }

    /// The address of the database that is always there, from which others are created and dropped.
    pub fn maintenance_url(&self) -> String {
        self.database_url("postgres")
    }

    /// The address of a database on this server.
    pub fn database_url(&self, name: &str) -> String {
        format!("{}/{name}", self.authority)
    }
}

/// A name no other test uses, in this process or another: `test_LABEL_PROCESS_NUMBER_TIME`. The label is shortened to plain lower case letters.
#[expect(clippy::disallowed_methods, reason = "a name must differ between runs, and no rule depends on it")]
pub fn fresh_name(label: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let plain = label.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '_' });
    let label: String = plain.take(LABEL_BYTES_MAX).collect();
    let mut name = format!("test_{label}_{:x}_{:x}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    // A process id comes round again, and a database may outlive the test that was killed.
    let _ = write!(name, "_{:x}", std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() & 0xffff_ffff);
    debug_assert!(name.len() <= NAME_BYTES_MAX, "{name} is longer than Postgres keeps");
    name
}

/// The process that made a name of [`fresh_name`]; none for a name of another kind.
pub fn maker(name: &str) -> Option<u32> {
    let mut from_the_end = name.strip_prefix("test_")?.rsplit('_').skip(2);
    u32::from_str_radix(from_the_end.next()?, 16).ok()
}

/// Creates a database as the server's own should be: UTF-8 and collation C, so that text sorts by its bytes as on SQLite.
pub fn create_statement(name: &str) -> String {
    format!("create database {} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'", quoted(name))
}

/// Drops a database, also while a killed test's connections still hang on it.
pub fn drop_statement(name: &str) -> String {
    format!("drop database if exists {} with (force)", quoted(name))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_database_is_put_in_place_of_the_maintenance_one() {
        let server = Server::parse("postgres://guildhall:a1@127.0.0.1:5433/postgres?sslmode=disable").expect("a full URL");
        assert_eq!(server.database_url("test_x"), "postgres://guildhall:a1@127.0.0.1:5433/test_x");
        assert_eq!(server.maintenance_url(), "postgres://guildhall:a1@127.0.0.1:5433/postgres");
        assert!(server.is_local());
        assert!(!Server::parse("postgres://guildhall:localhost@db.example.org/postgres").expect("another machine's").is_local());
    }

    #[test]
    fn what_is_not_a_postgres_url_is_refused_without_repeating_it() {
        for url in ["sqlite:secret.db", "postgres://", "postgres://guildhall:secret@/postgres"] {
            let problem = Server::parse(url).expect_err(url);
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn a_name_tells_which_process_made_it() {
        assert_eq!(maker(&fresh_name("A sale, never oversold")), Some(std::process::id()));
        assert_eq!(maker("postgres"), None);
        assert_eq!(maker("test_by_hand"), None);
    }

    #[test]
    fn names_are_distinct_and_survive_postgres_whole() {
        let names: HashSet<String> =
            (0..1_000).map(|_| fresh_name("A limited sale never oversells, not even to Zoë and 10,000 others")).collect();
        assert_eq!(names.len(), 1_000);
        assert!(
            names
                .iter()
                .all(|name| name.len() <= NAME_BYTES_MAX && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        );
    }

    #[test]
    fn a_quote_in_a_name_stays_inside_it() {
        assert_eq!(drop_statement("a\"b"), "drop database if exists \"a\"\"b\" with (force)");
    }
}
