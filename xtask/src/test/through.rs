//! Which tests run a second time with the whole application behind a gateway, and which cannot.

/// Set for the tests: worlds on Postgres are then several applications behind a gateway.
pub(super) const VARIABLE: (&str, &str) = ("GUILDHALL_THROUGH", "gateway");
/// Set by whoever wants everything.
const FULL: &str = "GUILDHALL_FULL";

/// Packages with the tests that always run: what a caller meets, from sign-up to reward.
const ALWAYS: &[(&str, &str)] = &[("guildhall", "acceptance"), ("payments", "paying"), ("campaigns", "service"), ("accounts", "http")];
/// And those that run where everything is asked for.
const ALL: &[(&str, &str)] = &[("catalogue", "service"), ("outbox", "webhooks"), ("teams", "team"), ("stream", "stream")];

/// What asks one process for its own pages (metrics, readiness, the root), which a gateway answers itself or keeps to itself, and what
/// sends paths that a gateway refuses with a code of its own before any service sees them.
const ONE_PROCESS: &[&str] = &[
    "acceptance::api::",
    "acceptance::authorisation::every_route_has_a_row_and_every_row_a_route",
    "acceptance::bad_input::a_bad_path_is_refused_and_an_unknown_id_is_not_found",
];

/// The arguments of cargo, one run for each package: a test of a name may be in several.
pub(super) fn runs(threads: usize) -> Vec<Vec<String>> {
    let full = std::env::var_os(FULL).is_some();
    let more: &[(&str, &str)] = if full { ALL } else { &[] };
    ALWAYS.iter().chain(more).map(|(package, test)| run(package, test, threads)).collect()
}

fn run(package: &str, test: &str, threads: usize) -> Vec<String> {
    let mut arguments: Vec<String> = ["test", "--no-fail-fast", "-p", package, "--test", test, "--"].map(str::to_owned).into();
    arguments.extend([format!("--test-threads={threads}"), "on_postgres".to_owned()]);
    arguments.extend(ONE_PROCESS.iter().flat_map(|skipped| ["--skip".to_owned(), (*skipped).to_owned()]));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_on_postgres_and_leaves_out_what_one_process_shows() {
        let runs = runs(4);
        assert!(runs.len() >= ALWAYS.len());
        assert!(
            runs.iter()
                .all(|run| run.contains(&"on_postgres".to_owned())
                    && run.iter().filter(|part| *part == "--skip").count() == ONE_PROCESS.len())
        );
    }
}
