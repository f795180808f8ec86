//! Adds up what cargo test says about each test program.
//! Prints nothing: cargo's own lines go through as they are.

use super::steps::Outcome;

/// All test programs together.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// Whether cargo test itself ended well.
    pub(super) succeeded: bool,
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
}

impl Results {
    /// Takes one line of cargo test's standard output.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
    }

    /// How the tests went. Filters that no test matched are a mistake, not a success.
    pub(super) fn outcome(&self, filters: &[String]) -> Outcome {
        let counts = format!("{} passed, {} failed, {} ignored", self.passed, self.failed, self.ignored);
        if !self.succeeded {
            let names: Vec<String> = self.failures.iter().map(|name| format!("\n                 {name}")).collect();
            return Outcome::Failed(format!("{counts}{}", names.concat()));
        }
        if self.passed == 0 && !filters.is_empty() {
            return Outcome::Failed(format!("no test has {} in its name", filters.join(" or ")));
        }
        Outcome::Passed(counts)
    }
}

/// The number before `word` in "ok. 5 passed; 0 failed; …".
fn count(counts: &str, word: &str) -> u64 {
    let mut words = counts.split([' ', ';', '.']).filter(|part| !part.is_empty());
    let mut number = 0;
    words
        .find_map(|part| {
            if part == word {
                Some(number)
            } else {
                number = part.parse().unwrap_or(0);
                None
            }
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_results_are_added_up() {
        let mut results = Results { succeeded: true, ..Results::default() };
        results.read("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s");
        results.read("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s");
        assert_eq!(results.outcome(&[]), Outcome::Passed("17 passed, 0 failed, 1 ignored".to_owned()));
    }

    #[test]
    fn failing_tests_are_named() {
        let mut results = Results::default();
        results.read("test wallet::a_lost_update_breaks_a_key ... FAILED");
        results.read("test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        let Outcome::Failed(told) = results.outcome(&[]) else { panic!("failed tests are a failed step") };
        assert!(told.starts_with("1 passed, 1 failed, 0 ignored\n") && told.ends_with(" wallet::a_lost_update_breaks_a_key"), "{told}");
    }

    #[test]
    fn a_filter_that_matches_no_test_is_a_failure() {
        let results = Results { succeeded: true, ..Results::default() };
        assert!(matches!(results.outcome(&["refnud".to_owned()]), Outcome::Failed(told) if told.contains("refnud")));
    }
}
