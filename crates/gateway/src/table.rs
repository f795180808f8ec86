//! The routing table: which service a host and a path go to.
//! Refuses two routes for the same path, and paths that a service behind might read as another one.

use crate::Mistake;
use std::collections::HashMap;
use std::time::Duration;

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The host it is for, without a port, in lower case; none: every host.
    pub host: Option<String>,
    /// What the path starts with, by whole segments; `{x}` stands for any one segment.
    pub path: String,
    /// The service, as the registry names it.
    pub service: String,
    /// True for a service that is not ours: identity of ours is not passed on to it, tokens of ours are withheld.
    pub foreign: bool,
    /// True when the route's path is taken away before the request is sent on.
    pub strips: bool,
    /// Bytes a body may have; none: the policy's limit.
    pub body_limit_bytes: Option<u64>,
    /// Until the answer's headers have to be there; none: the policy's.
    pub response_timeout: Option<Duration>,
}

impl Route {
    /// A route for every host.
    pub fn to(path: impl Into<String>, service: impl Into<String>) -> Route {
        Route {
            host: None,
            path: path.into(),
            service: service.into(),
            foreign: false,
            strips: false,
            body_limit_bytes: None,
            response_timeout: None,
        }
    }

    /// For one host alone.
    pub fn host(self, host: impl AsRef<str>) -> Route {
        Route { host: Some(host.as_ref().to_ascii_lowercase()), ..self }
    }

    /// To a service that is not ours.
    pub fn foreign(self) -> Route {
        Route { foreign: true, ..self }
    }

    /// Without the route's own path.
    pub fn strip_prefix(self) -> Route {
        Route { strips: true, ..self }
    }

    /// With a limit of its own for bodies, in bytes.
    pub fn body_limit(self, bytes: u64) -> Route {
        Route { body_limit_bytes: Some(bytes), ..self }
    }

    /// With a time limit of its own.
    pub fn response_timeout(self, limit: Duration) -> Route {
        Route { response_timeout: Some(limit), ..self }
    }
}

/// All routes, ready to be looked up.
#[derive(Debug, Clone, Default)]
pub struct Table {
    routes: Vec<Route>,
    hosts: HashMap<String, Node>,
    any: Node,
}

#[derive(Debug, Clone, Default)]
struct Node {
    named: HashMap<String, Node>,
    other: Option<Box<Node>>,
    route: Option<usize>,
}

impl Table {
    /// A table of these routes.
    ///
    /// # Errors
    /// A path does not start with `/`, or stands there twice.
    pub fn new(routes: Vec<Route>) -> Result<Table, Mistake> {
        let mut table = Table { routes, ..Table::default() };
        for (index, route) in table.routes.iter().enumerate() {
            if !route.path.starts_with('/') {
                return Err(Mistake(format!("route {:?}: a path from / would be right", route.path)));
            }
            let mut node = match &route.host {
                Some(host) => table.hosts.entry(host.clone()).or_default(),
                None => &mut table.any,
            };
            for segment in segments(&route.path) {
                node = if is_any(segment) { node.other.get_or_insert_default() } else { node.named.entry(segment.to_owned()).or_default() };
            }
            if node.route.replace(index).is_some() {
                return Err(Mistake(format!("route {:?} stands there twice: one service would be right", route.path)));
            }
        }
        Ok(table)
    }

    /// The routes, in the order they were given.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route for a host (without its port) and a path: the longest one, by its place among [`Table::routes`].
    pub fn find(&self, host: &str, path: &str) -> Option<usize> {
        let of_host = || if self.hosts.is_empty() { None } else { self.hosts.get(host.to_ascii_lowercase().as_str()) };
        of_host().and_then(|node| node.find(segments(path))).or_else(|| self.any.find(segments(path))).map(|(_, route)| route)
    }
}

impl Node {
    /// The deepest route below, with its depth; a name goes before a place for any.
    fn find<'a>(&self, mut rest: impl Iterator<Item = &'a str> + Clone) -> Option<(usize, usize)> {
        let here = self.route.map(|route| (0, route));
        let Some(segment) = rest.next() else { return here };
        let deeper = |node: &Node| node.find(rest.clone()).map(|(depth, route)| (depth + 1, route));
        let named = self.named.get(segment).and_then(deeper);
        let other = self.other.as_deref().filter(|_| !segment.is_empty()).and_then(deeper);
        // Of two routes as deep as each other the one that named more, earlier, wins: max_by_key keeps the last.
        [here, other, named].into_iter().flatten().max_by_key(|(depth, _)| *depth)
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    path.strip_prefix('/')
        .filter(|rest| !rest.is_empty())
        .map(|rest| rest.strip_suffix('/').unwrap_or(rest))
        .into_iter()
        .flat_map(|rest| rest.split('/'))
}

fn is_any(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

/// True when a path matches a pattern of the same length, where `{x}` stands for any one segment.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    segments(pattern).count() == segments(path).count()
        && segments(pattern).zip(segments(path)).all(|(wanted, found)| is_any(wanted) || wanted == found)
}

/// True for a path that means the same to everyone: no `.` or `..` segment, however written, no backslash, no encoded slash or NUL.
pub(crate) fn is_plain(path: &str) -> bool {
    if !path.starts_with('/') || path.bytes().any(|b| b == b'\\' || b == b'#' || !b.is_ascii_graphic()) {
        return false;
    }
    if path.bytes().any(|b| b == b'%') {
        let lower = path.to_ascii_lowercase();
        if ["%2f", "%5c", "%00"].iter().any(|hidden| lower.contains(hidden)) {
            return false;
        }
        return !has_dots(&lower.replace("%2e", "."));
    }
    !has_dots(path)
}

fn has_dots(path: &str) -> bool {
    // What stands behind a semicolon is a parameter to some servers, and no part of the name.
    path.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let routes = ["/v1/payments", "/v1/games", "/v1/games/{game}/logs", "/v1/games/{game}/campaigns", "/v1/games/top/campaigns", "/"];
        let mut routes: Vec<Route> = routes.iter().map(|path| Route::to(*path, *path)).collect();
        routes.push(Route::to("/v1", "other").host("Legacy.example"));
        Table::new(routes).unwrap()
    }

    fn found(host: &str, path: &str) -> String {
        let table = table();
        table.find(host, path).map(|index| table.routes()[index].service.clone()).unwrap_or_default()
    }

    #[test]
    fn the_longest_route_wins_by_whole_segments() {
        assert_eq!(found("", "/v1/payments/buy"), "/v1/payments");
        assert_eq!(found("", "/v1/paymentsx"), "/");
        assert_eq!(found("", "/v1/games/kart"), "/v1/games");
        assert_eq!(found("", "/v1/games/kart/logs"), "/v1/games/{game}/logs");
        assert_eq!(found("", "/v1/games/top/campaigns"), "/v1/games/top/campaigns");
        assert_eq!(found("", "/v1/games/top/logs"), "/v1/games/{game}/logs");
        assert_eq!(found("", "/v1/games//logs"), "/v1/games");
        assert_eq!(found("", "/"), "/");
    }

    #[test]
    fn a_route_for_the_host_goes_first_and_others_are_left_to_every_host() {
        assert_eq!(found("LEGACY.example", "/v1/payments/buy"), "other");
        assert_eq!(found("legacy.example", "/docs"), "/");
    }

    #[test]
    fn a_path_given_twice_is_a_mistake() {
        let twice = vec![Route::to("/v1/{a}", "x"), Route::to("/v1/{b}/", "y")];
        assert!(Table::new(twice).unwrap_err().0.contains("twice"));
    }

    #[test]
    fn paths_that_read_differently_elsewhere_are_not_plain() {
        for path in ["/a/../b", "/a/%2e%2E/b", "/a/.%2e", "/./a", "/a%2fb", "/a\\b", "/a%5Cb", "/a%00", "a", "/a/..;x=1/b", "*"] {
            assert!(!is_plain(path), "{path}");
        }
        for path in ["/", "/a/b", "/v1/products/%EA%B8%B8", "/a..b/...", "/a//b"] {
            assert!(is_plain(path), "{path}");
        }
    }

    #[test]
    fn a_pattern_matches_paths_of_its_length() {
        assert!(matches("/v1/payments/{payment}/pay", "/v1/payments/7/pay"));
        assert!(!matches("/v1/payments/{payment}", "/v1/payments/7/pay"));
        assert!(!matches("/v1/payments/buy", "/v1/payments/enter"));
    }
}
