//! The single entry: routes, balances, limits and guards what goes to the services.
//! Refuses to know what the services do, and to keep anything that two gateways would have to agree on.
//!
//! How a program uses it:
//!
//! ```ignore
//! let table = Table::new(vec![
//!     Route::to("/v1/payments", "payments"),                     // a prefix, by whole segments
//!     Route::to("/v1/games/{game}/logs", "stream").body_limit(256 << 20),
//!     Route::to("/legacy", "inventory").foreign().strip_prefix(), // a service that is not ours, found in the registry
//! ])?;
//! let gateway = Gateway::new(Policy::default(), table, move || watch.snapshot(), tokens, token_key)?;  // watch: registry::client::Watch
//! let tls = Tls::from_files(certificate, key)?;                              // or none
//! gateway.serve(listener, Some(tls), stop).await;                            // until `stop`, then drains
//! ```
//!
//! A new snapshot is noticed within 50 ms. `tokens` is
//! `web::Tokens` (`Tokens::without_database` where the process has none): it verifies tokens and signs what is passed on.
//! Routes are matched by whole segments, `{x}` stands for one segment, the longest route wins, and one with a host before one without.
//! `GET /ready` and `GET /health` are answered by the gateway itself unless a route names them.
//! [`Gateway::overview`] tells who is balanced over and how each instance fares.

mod address;
mod attempt;
mod balance;
mod body;
mod budget;
mod cluster;
mod crowd;
mod finish;
mod forward;
mod gateway;
mod headers;
mod health;
mod limits;
mod measure;
mod peers;
mod policy;
mod pool;
mod probe;
mod reply;
mod request;
mod room;
mod rooms;
mod serve;
mod table;
mod ticket;
mod tls;
mod trace;
mod tunnel;
mod wire;
mod workers;

pub use cluster::Seen;
pub use gateway::Gateway;
pub use policy::{Ejection, Guard, Limits, Mistake, Policy, Probes, Rate, Retries, RoomTerms, Timeouts};
pub use rooms::TICKET;
pub use table::{Route, Table};
pub use tls::Tls;
