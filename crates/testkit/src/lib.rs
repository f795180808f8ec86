//! A whole application in a test: its own database on each engine, a real HTTP server, people with tokens, a clock to move.
//! Refuses to let a test end without looking for broken invariants.

mod behind;
mod fresh;
pub mod kafka;
mod person;
pub mod postgres;
pub mod proxy;
mod world;

use std::path::PathBuf;

pub use fresh::fresh_postgres;
pub use guildhall::config::{Config, RefundMode};
pub use guildhall::demo::crowd;
pub use person::{Answer, Person};
pub use world::World;

// The macro's expansion needs a runtime where it stands.
#[doc(hidden)]
pub use tokio;

/// A program that a test starts, where the environment names it; where it does not, that is said.
pub fn program(variable: &str, test: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    if found.is_none() {
        eprintln!("left out: {variable} is not set, so {test} did not run");
    }
    found
}

/// Tests that run on SQLite and on Postgres: `both_engines! { async fn a_fact(world: &World) { … } }`.
/// After each, every invariant is checked. Without a Postgres the second half says that it was left out.
#[macro_export]
macro_rules! both_engines {
    ($($(#[$attribute:meta])* async fn $name:ident($world:ident: &World) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "small tests need little of what stands around them")]
            use super::*;

            async fn test($world: &$crate::World) $body

            $(#[$attribute])*
            #[test]
            fn on_sqlite() {
                $crate::World::run(stringify!($name), $crate::World::sqlite, |world| Box::pin(test(world)));
            }

            $(#[$attribute])*
            #[test]
            fn on_postgres() {
                $crate::World::run(stringify!($name), $crate::World::postgres, |world| Box::pin(test(world)));
            }
        }
    )+};
}
