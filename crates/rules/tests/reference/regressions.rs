//! Cases that once went wrong or were once unclear, as a failing run prints them, made small.
//! Refuses big ones: a case here fits on a screen.

use super::case::Case;

fn holds(case: &str) {
    let mut case: Case = serde_json::from_str(case).expect("a pasted case");
    case.looks = (1..=case.records.len()).collect();
    let ready = case.ready().unwrap_or_else(|faults| panic!("{faults}"));
    case.judge(&ready).unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn a_slot_that_ends_in_a_gap_of_the_clock_ends_where_the_clock_jumps() {
    holds(
        r#"{"document":{"game":"kartrider","goals":[{"condition":{"measure":"sum","on":["login"],
            "per":{"slots":[{"from":"20:28","until":"00:05"}],"unit":"slots"},"target":9},"id":"g1","title":"Goal"}],"id":"case",
            "period":{"ends":"2026-09-08T23:33:16Z","starts":"2026-09-01T04:00:00Z"},"title":"Case","zone":"America/Santiago"},
        "records":[{"id":1,"kind":"login","at":"2026-09-06T04:00:00Z","amount":17,"attributes":["casual",49,49,true,"s1",9873,-1]}]}"#,
    );
}

#[test]
fn a_day_that_starts_in_a_gap_of_the_clock_starts_where_the_clock_jumps() {
    holds(
        r#"{"document":{"day_starts_at":"02:41","game":"kartrider","goals":[{"condition":{"measure":"count","on":["item"],"target":1,
            "weight":{"weekdays":{"saturday":2}}},"id":"g0","title":"Goal"}],"id":"case",
            "period":{"ends":"2026-03-29T02:44:38Z","starts":"2026-03-29T01:00:00Z"},"title":"Case","zone":"Europe/Berlin"},
        "records":[{"id":1,"kind":"item","at":"2026-03-29T01:13:33.789998Z","amount":11,"attributes":["ranked",52,52,false,"s1",8406,-1]}]}"#,
    );
}

#[test]
fn a_slot_in_the_hour_the_clock_shows_twice_ends_at_the_first() {
    holds(
        r#"{"document":{"game":"kartrider","goals":[{"condition":{"measure":"sum","on":["login"],
            "per":{"slots":[{"from":"18:22","until":"01:15"}],"unit":"slots"},"target":1},"id":"g0","title":"Goal"}],"id":"case",
            "period":{"ends":"2026-11-04T03:34:16Z","starts":"2026-10-30T21:10:34Z"},"title":"Case","zone":"America/New_York"},
        "records":[{"id":1,"kind":"login","at":"2026-11-01T06:03:03Z","amount":2,"attributes":["casual",48,48,true,"s1",6145,0]},
            {"id":2,"kind":"login","at":"2026-11-01T05:14:59.999999Z","amount":2,"attributes":["casual",48,48,true,"s1",6145,0]}]}"#,
    );
}

#[test]
fn each_run_of_a_streak_repeats_for_itself() {
    holds(
        r#"{"document":{"game":"kartrider","goals":[{"condition":{"measure":"streak","on":["play"],"repeat":{"every":2,"up_to":3}},
            "id":"g0","title":"Goal"}],"id":"case","period":{"ends":"2026-04-26T00:00:00Z","starts":"2026-04-18T00:00:00Z"},"title":"Case"},
        "records":[{"id":1,"kind":"play","at":"2026-04-18T06:00:00Z","amount":1,"attributes":[null,null,null,null,null,null,null]},
            {"id":2,"kind":"play","at":"2026-04-20T06:00:00Z","amount":1,"attributes":[null,null,null,null,null,null,null]},
            {"id":3,"kind":"play","at":"2026-04-22T06:00:00Z","amount":1,"attributes":[null,null,null,null,null,null,null]},
            {"id":4,"kind":"play","at":"2026-04-23T06:00:00Z","amount":1,"attributes":[null,null,null,null,null,null,null]},
            {"id":5,"kind":"play","at":"2026-04-19T06:00:00Z","amount":1,"attributes":[null,null,null,null,null,null,null]},
            {"id":6,"kind":"play","at":"2026-04-21T06:00:00Z","amount":1,"attributes":[null,null,null,null,null,null,null]}]}"#,
    );
}

#[test]
fn a_flag_can_be_a_scope() {
    holds(
        r#"{"document":{"game":"kartrider","goals":[{"condition":{"measure":"sum","on":["play"],"repeat":{"every":24,"up_to":2}},"id":"g0","title":"Goal"}],
            "id":"case","period":{"ends":"2026-04-03T17:29:38Z","starts":"2026-03-29T01:00:00Z"},"scope":{"attribute":"ranked"},"title":"Case"},
        "records":[{"id":1,"kind":"play","at":"2026-04-02T19:06:36Z","amount":11,"attributes":["ranked",19,19,false,"s1",null,null]},
            {"id":2,"kind":"play","at":"2026-04-02T19:06:36Z","amount":24,"attributes":["ranked",19,19,true,"s1",null,null]}]}"#,
    );
}

#[test]
fn a_cap_holds_for_the_largest_amount_of_a_day() {
    holds(
        r#"{"document":{"game":"kartrider","goals":[{"condition":{"cap":{"most":26,"per":"day"},"measure":"sum","on":["play"],"tiers":[33]},
            "id":"g1","title":"Goal"}],"id":"case","period":{"ends":"2026-01-20T03:30:22Z","starts":"2026-01-05T11:46:05Z"},"title":"Case",
            "zone":"Asia/Seoul"},
        "records":[{"id":1,"kind":"play","at":"2026-01-13T15:00:00Z","amount":19,"attributes":["team",39,39,false,"s2",10022,1]},
            {"id":2,"kind":"play","at":"2026-01-14T14:59:59Z","amount":9223372036854775807,"attributes":["ranked",39,39,true,"s1",1,1]}]}"#,
    );
}

#[test]
fn a_cap_holds_for_the_largest_amount_of_a_period() {
    holds(
        r#"{"document":{"game":"kartrider","goals":[{"condition":{"cap":{"most":52,"per":"period"},"measure":"sum","on":["item"],
            "repeat":{"every":6,"up_to":4}},"id":"g0","title":"Goal"}],"id":"case",
            "period":{"ends":"2026-11-01T03:52:06Z","starts":"2026-10-24T21:00:00Z"},"title":"Case"},
        "records":[{"id":1,"kind":"item","at":"2026-10-31T23:01:30Z","amount":30,"attributes":["team",30,35,true,"s3",3357,2]},
            {"id":2,"kind":"item","at":"2026-10-25T11:17:45Z","amount":9223372036854775807,"attributes":["ranked",1,21,false,"s3",2489,0]}]}"#,
    );
}

#[test]
fn a_number_beside_weights_of_texts_weighs_what_the_rest_does() {
    holds(
        r#"{"document":{"game":"kartrider","goals":[{"condition":{"measure":"sum","on":["play"],"tiers":[17],
            "weight":{"attribute":"mode","values":{"ranked":2}}},"id":"g0","title":"Goal"}],"id":"case",
            "period":{"ends":"2026-03-31T10:05:51Z","starts":"2026-03-28T07:38:42Z"},"title":"Case"},
        "records":[{"id":1,"kind":"play","at":"2026-03-29T15:56:39Z","amount":23,"attributes":[-1,22,45,true,"s1",11683,2]}]}"#,
    );
}
