//! HTTP of accounts: decode, call, reply. Here is what the routes share; each resource has its own file.
//! Refuses to believe a header about where a request comes from: the connection says it, or what the gateway signed.

mod games;
mod mine;
mod operators;
mod sessions;

use crate::Accounts;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use utoipa_axum::router::OpenApiRouter;

pub(crate) fn routes(accounts: Accounts) -> web::Routes {
    OpenApiRouter::new()
        .merge(mine::routes())
        .merge(sessions::routes())
        .merge(operators::routes())
        .merge(games::routes())
        .with_state(accounts)
}

/// The routes of one file, before they get their service.
type Part = OpenApiRouter<Accounts>;

/// Where a request came from, as a layer of ours found out; it stands before what the connection says.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// The address that attempts are counted for; none for requests from within the process.
struct From(Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let found = parts.extensions.get::<ClientAddress>().map(|address| address.0);
        let passed = || parts.extensions.get::<web::Passed>().and_then(|passed| passed.address);
        let connected = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Ok(From(found.or_else(passed).or_else(connected)))
    }
}
