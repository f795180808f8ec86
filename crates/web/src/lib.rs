//! What all HTTP APIs share: who is calling, idempotency keys, strict bodies, problems, request ids and metrics.
//! Refuses business rules and SQL: a handler decodes with this crate, calls its service, and replies with this crate.

mod ask;
pub mod docs;
mod edge;
mod extract;
mod passed;
mod problem;
mod reply;
mod token;
mod who;

pub use ask::{Ask, Body, KEY_MAX, Nothing, Open};
pub use edge::{Edge, edge, no_such_route, wrong_method};
pub use extract::{PageQuery, Path, Query};
pub use passed::{PASSED, PASSED_LIFE_S, Passed, Passes};
pub use problem::{Problem, ProblemBody};
pub use reply::{Answer, Reply};
pub use token::{Claims, KEY_PREFIX, Tokens};
pub use who::{Admin, Operator, PointsProvider, Role, Roles, StoreManager, Who};

/// The routes of a service with their OpenAPI descriptions.
pub type Routes = utoipa_axum::router::OpenApiRouter;
