//! A player in a test: steps events, keeps the state through its stored form, and tells what was reached.

use kernel::Instant;
use rules::{Achieved, Campaign, CampaignProgress, Control, Effects, Event, Mapping, Plan, PlayerState, Registered, Value, Verdict};

pub(super) struct Play {
    pub(super) plan: Plan,
    pub(super) state: PlayerState,
    pub(super) reached: Vec<Achieved>,
    names: Vec<String>,
    next: u64,
}

pub(super) fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

pub(super) fn registered(campaign: Campaign) -> Registered {
    Registered { number: 7, lineage: 1, version: 3, stopped_at: None, campaign }
}

/// A campaign of May 2026 in UTC with these goals, given as JSON.
pub(super) fn campaign(head: &str, goals: &str) -> Campaign {
    let comma = if head.is_empty() { "" } else { "," };
    let period =
        if head.contains("\"period\"") { "" } else { r#""period": {"starts": "2026-05-01T00:00:00Z", "ends": "2026-06-01T00:00:00Z"},"# };
    let json = format!(r#"{{"id": "may", "game": "kartrider", "title": "May", {period} {head}{comma} "goals": [{goals}]}}"#);
    Campaign::parse(&json).unwrap_or_else(|faults| panic!("{json}: {faults:?}"))
}

pub(super) fn goal(id: &str, condition: &str) -> String {
    format!(r#"{{"id": "{id}", "title": "{id}", "condition": {{{condition}}}}}"#)
}

impl Play {
    pub(super) fn of(campaigns: &[Registered]) -> Play {
        let names: Vec<String> = ["mode", "won", "kills", "level", "rival", "server"].map(str::to_owned).into();
        Play::with(campaigns, names)
    }

    /// A sample campaign over its game's shipped mapping.
    pub(super) fn sample(name: &str) -> Play {
        let json = rules::samples().iter().find(|(known, _)| known.starts_with(name)).unwrap().1;
        let campaign = Campaign::parse(json).unwrap();
        let mapping = Mapping::parse(rules::preset(campaign.game.as_str()).unwrap()).unwrap();
        Play::with(&[registered(campaign)], mapping.attributes().to_vec())
    }

    fn with(campaigns: &[Registered], names: Vec<String>) -> Play {
        let plan = Plan::compile(campaigns, &names).unwrap();
        Play { plan, state: PlayerState::default(), reached: Vec::new(), names, next: 1 }
    }

    pub(super) fn values<'a>(&self, attributes: &[(&str, Value<'a>)]) -> Vec<Value<'a>> {
        let mut values = vec![Value::Missing; self.names.len()];
        for (name, value) in attributes {
            values[self.names.iter().position(|known| known == name).unwrap()] = *value;
        }
        values
    }

    pub(super) fn step(&mut self, event: &Event<'_>, appended_at: Option<Instant>) -> Verdict {
        let mut effects = Effects::default();
        let verdict = rules::step(&self.plan, &mut self.state, event, appended_at, &mut effects);
        self.reached.extend(effects.achieved);
        let mut bytes = Vec::new();
        self.state.encode(&mut bytes);
        let stored = PlayerState::decode(&bytes).unwrap();
        assert_eq!(stored, self.state);
        self.state = stored;
        verdict
    }

    /// Something that happened, appended at once.
    pub(super) fn event(&mut self, kind: &str, when: &str, amount: i64, item: Option<&str>, attributes: &[(&str, Value<'_>)]) -> Verdict {
        let values = self.values(attributes);
        self.next += 1;
        let event =
            Event { id: self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15), player: "p", kind, at: at(when), amount, item, attributes: &values };
        self.step(&event, Some(event.at))
    }

    pub(super) fn login(&mut self, when: &str) -> Verdict {
        self.event("login", when, 1, None, &[])
    }

    pub(super) fn play(&mut self, when: &str, attributes: &[(&str, Value<'_>)]) -> Verdict {
        self.event("play", when, 1, None, attributes)
    }

    pub(super) fn minutes(&mut self, when: &str, minutes: i64) -> Verdict {
        self.event("play", when, minutes, None, &[])
    }

    pub(super) fn item(&mut self, when: &str, item: &str, amount: i64) -> Verdict {
        self.event("item", when, amount, Some(item), &[])
    }

    pub(super) fn control(&mut self, control: Control, now: &str) -> bool {
        let mut effects = Effects::default();
        let changed = rules::control(&self.plan, &mut self.state, &control, at(now), &mut effects);
        self.reached.extend(effects.achieved);
        changed
    }

    /// Goal and n of everything reached so far, in its order.
    pub(super) fn steps(&self) -> Vec<(u16, i64)> {
        self.reached.iter().map(|achieved| (achieved.goal, achieved.n)).collect()
    }

    pub(super) fn progress(&self, now: &str) -> CampaignProgress {
        rules::progress(&self.plan, 7, &self.state, at(now)).unwrap()
    }

    pub(super) fn current(&self, goal: usize, now: &str) -> i64 {
        self.progress(now).goals[goal].current
    }
}
