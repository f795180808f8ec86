//! What people change while events flow: opting in, correcting, restarting, erasing, stopping, starting over, keeping.

use super::play::{Play, at, campaign, goal, registered};
use rules::{Control, Plan, PlayerState, Registered, Value, Verdict, same_shape};

fn noon(day: u32) -> String {
    format!("2026-05-{day:02}T12:00:00Z")
}

fn three_logins() -> rules::Campaign {
    campaign("", &goal("login", r#""measure": "count", "on": ["login"], "target": 3"#))
}

#[test]
fn nothing_counts_before_the_opt_in() {
    let mut play =
        Play::of(&[registered(campaign(r#""opt_in": true"#, &goal("login", r#""measure": "count", "on": ["login"], "target": 1"#)))]);
    assert_eq!(play.login(&noon(1)), Verdict::Unwanted);
    assert!(play.control(Control::OptIn { number: 7 }, &noon(2)));
    assert!(!play.control(Control::OptIn { number: 7 }, &noon(9)), "the first time counts");
    assert_eq!(play.login("2026-05-02T11:59:59Z"), Verdict::Unwanted);
    assert_eq!(play.progress(&noon(2)).opted_in_at, Some(at(&noon(2))));
    assert_eq!(play.login(&noon(2)), Verdict::Counted);
    assert_eq!(play.steps(), [(0, 1)]);
}

#[test]
fn a_correction_lowers_progress_and_takes_nothing_back() {
    let mut play = Play::of(&[registered(three_logins())]);
    (1..=3).for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    let correct = |by| Control::Correct { number: 7, goal: 0, period: 0, by };
    assert!(play.control(correct(-2), &noon(3)));
    assert_eq!((play.current(0, &noon(3)), play.steps()), (1, vec![(0, 1)]));
    assert!(play.control(correct(-100), &noon(3)), "it never falls below nothing");
    assert_eq!(play.current(0, &noon(3)), 0);
    assert!(!play.control(correct(-1), &noon(3)));
    (4..=7).for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    assert_eq!((play.current(0, &noon(7)), play.steps()), (4, vec![(0, 1)]), "what was reached is not reached again");
}

#[test]
fn a_correction_may_raise_progress_to_a_goal() {
    let mut play = Play::of(&[registered(three_logins())]);
    play.login(&noon(1));
    assert!(play.control(Control::Correct { number: 7, goal: 0, period: 0, by: 2 }, &noon(2)));
    assert_eq!((play.steps(), play.reached[0].achieved_at), (vec![(0, 1)], at(&noon(2))));
}

#[test]
fn a_restart_begins_anew_and_reaches_nothing_twice() {
    let mut play = Play::of(&[registered(three_logins())]);
    (1..=3).for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    assert!(play.control(Control::Restart { number: 7 }, &noon(3)));
    assert_eq!(play.current(0, &noon(3)), 0);
    (4..=6).for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    assert_eq!((play.current(0, &noon(6)), play.steps()), (3, vec![(0, 1)]));
    assert!(play.control(Control::Erase, &noon(6)));
    assert!(play.state.is_empty() && play.state == PlayerState::default());
}

#[test]
fn a_restart_leaves_what_other_goals_reached_to_those_that_join_them() {
    let goals = [
        goal("login", r#""measure": "count", "on": ["login"], "target": 1"#),
        goal("play", r#""measure": "count", "on": ["play"], "target": 2"#),
        goal("both", r#""all_of": [{"goal": "login"}, {"goal": "play"}]"#),
    ];
    let mut play = Play::of(&[registered(campaign("", &goals.join(", ")))]);
    play.login(&noon(1));
    play.play(&noon(1), &[]);
    assert!(play.control(Control::Restart { number: 7 }, &noon(1)));
    play.play(&noon(2), &[]);
    assert_eq!(play.steps(), [(0, 1)]);
    play.play(&noon(3), &[]);
    assert_eq!(play.steps(), [(0, 1), (1, 1), (2, 1)]);
}

#[test]
fn a_stopped_campaign_counts_nothing_that_happened_since() {
    let stopped = Registered { stopped_at: Some(at(&noon(2))), ..registered(three_logins()) };
    let mut play = Play::of(&[stopped]);
    assert_eq!(play.login(&noon(1)), Verdict::Counted);
    assert_eq!(play.login(&noon(2)), Verdict::Unwanted);
    assert_eq!(play.login(&noon(3)), Verdict::Unwanted);
    assert_eq!(play.current(0, &noon(3)), 1);
}

#[test]
fn a_new_version_keeps_progress_and_a_new_lineage_starts_over() {
    let mut play = Play::of(&[registered(three_logins())]);
    (1..=2).for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    let easier = campaign("", &goal("login", r#""measure": "count", "on": ["login"], "target": 2"#));
    assert_eq!(same_shape(&three_logins(), &easier), Ok(()));
    let names: Vec<String> = Vec::new();
    play.plan = Plan::compile(&[Registered { version: 4, ..registered(easier.clone()) }], &names).unwrap();
    play.login(&noon(3));
    assert_eq!((play.steps(), play.reached[0].version, play.current(0, &noon(3))), (vec![(0, 1)], 4, 3));

    play.plan = Plan::compile(&[Registered { version: 5, lineage: 2, ..registered(easier) }], &names).unwrap();
    assert_eq!(play.current(0, &noon(3)), 0);
    (4..=5).for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    assert_eq!((play.steps(), play.reached[1].lineage), (vec![(0, 1), (0, 1)], 2));
}

#[test]
fn a_plan_of_an_older_lineage_leaves_newer_progress_alone() {
    let mut play = Play::of(&[Registered { lineage: 2, ..registered(three_logins()) }]);
    play.login(&noon(1));
    let newer = play.state.clone();
    play.plan = Plan::compile(&[registered(three_logins())], &[]).unwrap();
    assert_eq!(play.login(&noon(2)), Verdict::Unwanted);
    assert_eq!(play.state.is_empty(), newer.is_empty());
    play.plan = Plan::compile(&[Registered { lineage: 2, ..registered(three_logins()) }], &[]).unwrap();
    assert_eq!(play.current(0, &noon(2)), 1);
}

#[test]
fn what_divides_progress_cannot_change_and_keep_it() {
    let of = |condition: &str| campaign("", &goal("login", condition));
    let old = of(r#""measure": "count", "on": ["login"], "per": {"unit": "day"}, "target": 2"#);
    let week = of(r#""measure": "count", "on": ["login"], "per": {"unit": "week"}, "target": 2"#);
    assert_eq!(same_shape(&old, &week).unwrap_err().path, "goals[0].condition.per");
    let zone = rules::Campaign { zone: "Asia/Seoul".to_owned(), ..old.clone() };
    assert_eq!(same_shape(&old, &zone).unwrap_err().path, "zone");
    let longer =
        rules::Campaign { late_s: 60, period: rules::campaign::Period { ends: at("2026-07-01T00:00:00Z"), ..old.period }, ..old.clone() };
    assert_eq!(same_shape(&old, &longer), Ok(()));
    let mut more = old.clone();
    more.goals.push(rules::campaign::Goal { id: "again".to_owned(), ..old.goals[0].clone() });
    assert_eq!(same_shape(&old, &more), Ok(()));
    assert_eq!(same_shape(&more, &old).unwrap_err().path, "goals");
}

#[test]
fn each_character_has_progress_of_its_own_within_the_bound() {
    let scope = r#""scope": {"attribute": "server", "max": 2}"#;
    let mut play = Play::of(&[registered(campaign(
        scope,
        &goal("play", r#""measure": "count", "on": ["play"], "per": {"unit": "day"}, "target": 2"#),
    ))]);
    let on = |server| [("server", Value::Text(server))];
    play.play(&noon(1), &on("a"));
    play.play(&noon(1), &on("b"));
    assert_eq!(play.play(&noon(1), &on("c")), Verdict::Unwanted, "a third is one too many");
    assert_eq!(play.play(&noon(1), &[]), Verdict::Unwanted);
    play.play("2026-05-01T13:00:00Z", &on("a"));
    let day = at("2026-05-01T00:00:00Z").unix_seconds();
    assert_eq!(play.reached.iter().map(|reached| reached.period).collect::<Vec<_>>(), [rules::period_key(day, Some("a"))]);
    let progress = play.progress(&noon(1));
    let seen: Vec<_> = progress.goals.iter().map(|goal| (goal.scope.as_deref(), goal.current, goal.reached_n)).collect();
    assert_eq!(seen, [(Some("a"), 2, 1), (Some("b"), 1, 0)]);
    assert_eq!(play.plan.bounds(7, 0, play.reached[0].period), Some((at("2026-05-01T00:00:00Z"), at("2026-05-02T00:00:00Z"))));
}
