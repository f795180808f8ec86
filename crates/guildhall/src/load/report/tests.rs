//! The report's field names, its median and its table.
//! Leaves the measuring to the driver.

use super::*;
use crate::load::driver::Errors;
use hdrhistogram::Histogram;

fn outcome(latencies_us: &[u64], elapsed_ms: u64) -> Outcome {
    let mut latency_us = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
    latencies_us.iter().for_each(|us| latency_us.record(*us).unwrap());
    Outcome {
        elapsed: Duration::from_millis(elapsed_ms),
        latency_us,
        by_status: BTreeMap::from([(200, latencies_us.len() as u64)]),
        errors: Errors::default(),
        unsent: 0,
        reopened: 0,
    }
}

#[test]
fn a_report_has_the_agreed_field_names() {
    let latencies: Vec<u64> = (1..=100).map(|n| n * 1_000).collect();
    let mut report = Report::new("sale", 10, &outcome(&latencies, 500));
    report.granted = Some(10);
    report.sold_out = Some(90);
    report.extra.insert("stock".to_owned(), 10.into());
    let json = report.json();
    for (name, value) in
        [("requests_per_s", 200.0), ("mean_ms", 50.5), ("p50_ms", 50.0), ("p95_ms", 95.0), ("p99_ms", 99.0), ("max_ms", 100.0)]
    {
        let told = json[name].as_f64().unwrap();
        assert!((told - value).abs() <= value * 0.002, "{name} {told}: the histogram keeps three digits");
    }
    assert_eq!((&json["requests"], &json["errors"], &json["by_status"]), (&json!(100), &json!(0), &json!({"200": 100})));
    assert_eq!((&json["granted"], &json["sold_out"], &json["stock"]), (&json!(10), &json!(90), &json!(10)));
    let plain = Report::new("buy", 1, &outcome(&[1], 1)).json();
    assert!(plain.get("granted").is_none() && plain.get("sold_out").is_none());
}

#[test]
fn the_median_is_the_middle_run_and_hides_no_bad_one() {
    let mut runs: Vec<Report> = [300, 100, 500, 200, 400].map(|ms| Report::new("buy", 1, &outcome(&[ms * 10; 100], ms))).into();
    runs[1].max_ms = 77.0;
    runs[1].errors = 2;
    runs[1].errors_by_kind = BTreeMap::from([("closed".to_owned(), 2)]);
    runs[4].granted = Some(11);
    let median = Report::median(runs).unwrap();
    assert_eq!((median.requests_per_s, median.p50_ms), (333.333, 3.001));
    assert_eq!((median.max_ms, median.errors, &median.errors_by_kind["closed"]), (77.0, 2, &2));
    let each = median.extra["runs"].as_array().unwrap();
    assert_eq!(each.len(), 5);
    assert_eq!((&each[0]["requests_per_s"], &each[1]["errors"], &each[4]["granted"]), (&json!(333.333), &json!(2), &json!(11)));
    assert_eq!(Report::median(Vec::new()), None);
}

#[test]
fn a_run_without_answers_has_a_report() {
    let mut nothing = outcome(&[], 0);
    nothing.by_status.clear();
    nothing.errors.closed = 3;
    nothing.unsent = 4;
    let report = Report::new("buy", 1, &nothing);
    assert_eq!((report.requests_per_s, report.mean_ms, report.max_ms, report.errors), (0.0, 0.0, 0.0, 7));
    assert_eq!(report.errors_by_kind, BTreeMap::from([("closed".to_owned(), 3), ("unsent".to_owned(), 4)]));
}

#[test]
fn the_table_lines_up_and_shouts_errors() {
    let mut sale = Report::new("sale", 10_000, &outcome(&[1_500; 10], 1));
    sale.granted = Some(10);
    sale.errors = 1;
    sale.errors_by_kind = BTreeMap::from([("timeout".to_owned(), 1)]);
    let text = table(&[Report::new("buy", 64, &outcome(&[250; 10], 100)), sale]);
    let expected = "\
scenario  connections  requests  per s  mean ms  p50 ms  p95 ms  p99 ms  max ms  answers
buy                64        10    100     0.25    0.25    0.25    0.25    0.25  200: 10
sale            10000        10  10000     1.50    1.50    1.50    1.50    1.50  ERRORS 1; 200: 10, granted: 10, timeout: 1
";
    assert_eq!(text, expected);
}
