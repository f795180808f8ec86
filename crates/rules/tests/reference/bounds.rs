//! What is bounded per player: scopes that are followed and ids that are remembered. Refuses to say which scope is left out when:
//! that depends on the order in which records come, and is outside the guarantee.

use super::case::{Case, NUMBER, Ready, Run};
use super::record::{Attribute, Record};
use kernel::Instant;
use rules::Verdict;
use serde_json::json;

const STARTS: i64 = 1_772_323_200_000_000;

fn ready(document_extra: &serde_json::Value) -> Ready {
    let mut document = json!({
        "id": "case", "game": "kartrider", "title": "Case", "late_s": 3_600,
        "period": {"starts": Instant(STARTS).to_string(), "ends": Instant(STARTS + 864_000_000_000).to_string()},
        "goals": [{"id": "g0", "title": "Goal", "condition": {"measure": "count", "on": ["play"], "target": 1_000}}],
    });
    let extra = document_extra.as_object().expect("fields");
    document.as_object_mut().expect("fields").extend(extra.iter().map(|(name, value)| (name.clone(), value.clone())));
    let case = Case { document, beside: None, opted_in_at: None, stopped_at: None, looks: Vec::new(), records: Vec::new() };
    case.ready().unwrap_or_else(|faults| panic!("{faults}"))
}

fn play(id: u64, at_us: i64, server: &str) -> Record {
    let at = Instant(STARTS + at_us);
    let mut attributes = vec![Attribute::Missing; super::record::ATTRIBUTES.len()];
    attributes[4] = Attribute::Text(server.to_owned());
    Record { id, kind: "play".to_owned(), at, appended_at: Some(at), amount: 1, item: None, attributes }
}

fn currents(ready: &Ready, run: &Run) -> Vec<(Option<String>, i64)> {
    let progress = rules::progress(&ready.plan, NUMBER, &run.state, Instant(STARTS + 60_000_000)).expect("the plan has it");
    progress.goals.into_iter().map(|goal| (goal.scope, goal.current)).collect()
}

#[test]
fn a_player_has_progress_in_so_many_scopes_and_no_more() {
    let ready = ready(&json!({"scope": {"attribute": "server", "max": 2}}));
    let mut run = Run::begin(&ready);
    let verdicts: Vec<Verdict> = (0..)
        .zip(["a", "b", "c", "a", "c", "b", "b"])
        .map(|(number, server)| run.step(&ready, &play(10 + number, 1_000, server)))
        .collect();
    let mut shown = currents(&ready, &run);
    shown.sort();
    assert_eq!(shown, [(Some("a".to_owned()), 2), (Some("b".to_owned()), 3)]);
    assert_eq!(verdicts[2], Verdict::Unwanted);
}

#[test]
fn a_full_memory_of_ids_forgets_the_oldest_and_refuses_what_is_older() {
    let Ready { campaign, beside, plan, register } = ready(&json!({}));
    let ready = Ready { campaign, beside, plan: plan.with_dedupe_max(4), register };
    let mut run = Run::begin(&ready);
    for number in 0..6i64 {
        assert_eq!(run.step(&ready, &play(u64::try_from(number).expect("small") + 1, number * 1_000_000, "a")), Verdict::Counted);
    }
    let before = run.state.clone();
    let mut late = play(99, 500_000, "a");
    late.appended_at = Some(Instant(STARTS + 6_000_000));
    assert_eq!(run.step(&ready, &late), Verdict::TooLate, "older than the oldest id that is remembered");
    let mut repeat = play(1, 0, "a");
    repeat.appended_at = Some(Instant(STARTS + 6_000_000));
    assert_eq!(run.step(&ready, &repeat), Verdict::TooLate, "a repeat of a forgotten record is not counted again");
    let mut known = play(4, 3_000_000, "a");
    known.appended_at = Some(Instant(STARTS + 6_000_000));
    assert_eq!(run.step(&ready, &known), Verdict::Duplicate);
    assert_eq!(currents(&ready, &run), [(None, 6)]);
    let (mut one, mut two) = (Vec::new(), Vec::new());
    before.encode(&mut one);
    run.state.encode(&mut two);
    assert_eq!(one, two, "what does not count leaves no trace");
}
