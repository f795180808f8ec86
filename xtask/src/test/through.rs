//! Which tests run a second time with the whole application behind a gateway, and which cannot.

/// Set for the tests: worlds on Postgres are then several applications behind a gateway.
pub(super) const VARIABLE: (&str, &str) = ("GUILDHALL_THROUGH", "gateway");
/// Set by whoever wants everything.
const FULL: &str = "GUILDHALL_FULL";

/// Test targets that always run: what a caller meets, from sign-up to reward.
const ALWAYS: &[&str] = &["acceptance", "paying", "settling", "service", "campaigns"];
/// And those that run where everything is asked for.
const ALL: &[&str] = &["http", "webhooks", "team", "stream"];

/// What asks one process for its own pages (metrics, readiness, the root), which a gateway answers itself or keeps to itself, and what
/// sends paths that a gateway refuses with a code of its own before any service sees them.
const ONE_PROCESS: &[&str] = &[
    "acceptance::api::",
    "acceptance::docs_page::",
    "acceptance::authorisation::every_route_has_a_row_and_every_row_a_route",
    "acceptance::bad_input::a_bad_path_is_refused_and_an_unknown_id_is_not_found",
    // They kill a server in the middle of requests and judge by its closed connections, or hold what one process may use of memory.
    "claims::a_crowd_with_repeated_keys_and_a_dying_server",
    "hostile::",
];

/// The arguments of cargo. All packages are named, so that nothing is built with other features than for the tests before.
pub(super) fn run(threads: usize) -> Vec<String> {
    let full = std::env::var_os(FULL).is_some();
    let more: &[&str] = if full { ALL } else { &[] };
    let mut arguments: Vec<String> = ["test", "--workspace", "--no-fail-fast"].map(str::to_owned).into();
    arguments.extend(ALWAYS.iter().chain(more).flat_map(|test| ["--test".to_owned(), (*test).to_owned()]));
    arguments.push("--".to_owned());
    arguments.extend([format!("--test-threads={threads}"), "on_postgres".to_owned()]);
    arguments.extend(ONE_PROCESS.iter().flat_map(|skipped| ["--skip".to_owned(), (*skipped).to_owned()]));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_on_postgres_and_leaves_out_what_one_process_shows() {
        let run = run(4);
        assert!(run.contains(&"on_postgres".to_owned()));
        assert_eq!(run.iter().filter(|part| *part == "--skip").count(), ONE_PROCESS.len());
        assert!(run.iter().filter(|part| *part == "--test").count() >= ALWAYS.len());
    }
}
