//! Why a player has or has not reached a campaign's goals: every event of theirs that the log took since the day before it started, and how each goal judged it.
//! Refuses to write, and to guess: what the log has dropped is missing here, and the answer says where the log begins.

use crate::looking::{Extent, From, look};
use crate::options::ReadingLimits;
use crate::record::Record;
use crate::source::{Source, Trouble};
use campaigns::LiveGame;
use kernel::{Code, Instant, Refusal};
use rules::{CampaignProgress, Control, Effects, Event, Judged, Plan, PlayerState, Scratch, Trace, Verdict, Why};
use serde::Serialize;
use std::collections::VecDeque;

/// How far a player came, event by event.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Explanation {
    /// The player.
    pub player: String,
    /// The campaign.
    pub campaign: String,
    /// How much of the log was read.
    pub log: Extent,
    /// Events of the player in what was read, those of kinds that the campaign does not count among them.
    pub events_total: u64,
    /// The latest of them, in the order they were judged, each with every goal's judgement.
    pub events: Vec<ExplainedEvent>,
    /// What these events alone come to.
    pub progress: Option<CampaignProgress>,
    /// The goals they reach, in order.
    pub reached: Vec<ReachedByLog>,
    /// Records that name the player in their text and did not fit, at most a hundred of them.
    pub unfit: Vec<UnfitRecord>,
}

/// One event and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ExplainedEvent {
    /// The partition and the place in it.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// When the log took the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appended_at: Option<Instant>,
    /// When it happened.
    pub at: Instant,
    /// What was done.
    pub kind: String,
    /// How much.
    pub amount: i64,
    /// With what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// counted, duplicate, too_late or unwanted.
    pub verdict: &'static str,
    /// Each goal's judgement.
    pub goals: Vec<Judgement>,
}

/// How one goal judged an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Judgement {
    /// The goal.
    pub goal: String,
    /// What it added, where it counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<i64>,
    /// The period's progress after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<i64>,
    /// Why it did not count, as a stable name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<&'static str>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<&'static str>,
}

/// A goal that the log's events reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ReachedByLog {
    /// The goal.
    pub goal: String,
    /// The period's key.
    pub period: i64,
    /// The tier or repeat, from 1.
    pub n: i64,
    /// When the event happened that reached it.
    pub achieved_at: Instant,
}

/// A record that did not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UnfitRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Why.
    pub reason: String,
    /// What was wrong.
    pub detail: String,
}

/// Records that did not fit are told up to this number.
const UNFIT_MAX: usize = 100;

/// What is asked.
pub struct Question<'q> {
    /// What is in force in the game.
    pub live: &'q LiveGame,
    /// The campaign's number.
    pub number: u32,
    /// The player.
    pub player: &'q str,
    /// When the player opted in, as the state in the database says; none where they have not.
    pub opted_in_at: Option<Instant>,
    /// Until when progress is told.
    pub now: Instant,
}

/// Reads the log and explains. Blocks; to be called within a runtime's reach.
///
/// # Errors
/// The game has no such campaign or no mapping, or the log cannot be read.
pub fn explain(source: Option<&Source>, from: &From, limits: &ReadingLimits, question: &Question<'_>) -> Result<Explanation, Refusal> {
    let live = question.live;
    let registered = live.registered(question.number).ok_or_else(|| Refusal::not_found("campaign", question.number))?;
    let mapping = live.mapping.as_ref().ok_or_else(|| Refusal::new(Code::WrongState, format!("{} has no mapping yet", live.game)))?;
    let plan = Plan::compile(std::slice::from_ref(registered), mapping.attributes())
        .map_err(|faults| Refusal::new(Code::WrongState, faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?
        .with_dedupe_max(mapping.dedupe_max());
    let mapper = mapping.compile();
    let mut judge = Judge::new(question, &plan, limits.events_max);
    let mut scratch = Scratch::default();
    // A player's events lie in one partition where the topic is keyed by player; else they are taken in the order the log took them.
    let merged = !mapping.keyed_by_player();
    let log = look(source, from, limits, registered.campaign.period.starts, merged, &mut |place, record| {
        if record.is_cut {
            return None;
        }
        let mapped = mapper.map(&mut scratch, record.value, record.appended_at, &mut |event| {
            if event.player == question.player {
                judge.event(place.partition, record, event);
            }
        });
        if let Err(unfit) = mapped {
            judge.unfit(place.partition, record, &unfit);
        }
        None
    });
    Ok(judge.told(log.map_err(told)?))
}

pub(crate) fn told(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::NoSuch(_) => Refusal::new(Code::NotFound, trouble.to_string()),
        _ => Refusal::new(Code::Unavailable, trouble.to_string()),
    }
}

struct Judge<'q> {
    question: &'q Question<'q>,
    plan: &'q Plan,
    events_max: usize,
    state: PlayerState,
    effects: Effects,
    total: u64,
    events: VecDeque<ExplainedEvent>,
    reached: Vec<ReachedByLog>,
    unfit: Vec<UnfitRecord>,
}

impl<'q> Judge<'q> {
    fn new(question: &'q Question<'q>, plan: &'q Plan, events_max: usize) -> Judge<'q> {
        let mut state = PlayerState::default();
        let mut effects = Effects::default();
        if let Some(at) = question.opted_in_at {
            rules::control(plan, &mut state, &Control::OptIn { number: question.number }, at, &mut effects);
        }
        effects.clear();
        let (events, reached, unfit) = (VecDeque::new(), Vec::new(), Vec::new());
        Judge { question, plan, events_max, state, effects, total: 0, events, reached, unfit }
    }

    fn goal(&self, goal: u16) -> String {
        let registered = self.question.live.registered(self.question.number);
        let found = registered.and_then(|registered| registered.campaign.goals.get(usize::from(goal)));
        found.map_or_else(|| goal.to_string(), |goal| goal.id.clone())
    }

    fn event(&mut self, partition: i32, record: &Record<'_>, event: &Event<'_>) {
        self.total += 1;
        let mut heard = Heard(Vec::new());
        let verdict = rules::step_traced(self.plan, &mut self.state, event, record.appended(), &mut self.effects, &mut heard);
        let goals = heard.0.into_iter().map(|(goal, judged)| judgement(self.goal(goal), judged)).collect();
        for achieved in std::mem::take(&mut self.effects.achieved) {
            let (goal, period, n) = (self.goal(achieved.goal), achieved.period, achieved.n);
            self.reached.push(ReachedByLog { goal, period, n, achieved_at: achieved.achieved_at });
        }
        self.effects.clear();
        if self.events.len() >= self.events_max {
            self.events.pop_front();
        }
        self.events.push_back(ExplainedEvent {
            partition,
            offset: record.offset,
            appended_at: record.appended(),
            at: event.at,
            kind: event.kind.to_owned(),
            amount: event.amount,
            item: event.item.map(str::to_owned),
            verdict: verdict_name(verdict),
            goals,
        });
    }

    fn unfit(&mut self, partition: i32, record: &Record<'_>, unfit: &rules::Unfit) {
        let names = || memchr::memmem::find(record.value, self.question.player.as_bytes()).is_some();
        if self.unfit.len() < UNFIT_MAX && names() {
            let (reason, detail) = (unfit.reason.as_str().to_owned(), unfit.detail.clone());
            self.unfit.push(UnfitRecord { partition, offset: record.offset, reason, detail });
        }
    }

    fn told(self, log: Extent) -> Explanation {
        Explanation {
            player: self.question.player.to_owned(),
            campaign: self.question.live.registered(self.question.number).map_or_else(String::new, |one| one.campaign.id.clone()),
            log,
            events_total: self.total,
            events: self.events.into(),
            progress: rules::progress(self.plan, self.question.number, &self.state, self.question.now),
            reached: self.reached,
            unfit: self.unfit,
        }
    }
}

struct Heard(Vec<(u16, Judged)>);

impl Trace for Heard {
    fn goal(&mut self, _number: u32, goal: u16, judged: Judged) {
        self.0.push((goal, judged));
    }
}

fn judgement(goal: String, judged: Judged) -> Judgement {
    match judged {
        Judged::Counted { by, current } => Judgement { goal, by: Some(by), current: Some(current), rejected: None, because: None },
        Judged::Rejected(why) => Judgement { goal, by: None, current: None, rejected: Some(why.as_str()), because: Some(in_words(why)) },
    }
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Counted => "counted",
        Verdict::Duplicate => "duplicate",
        Verdict::TooLate => "too_late",
        Verdict::Unwanted => "unwanted",
    }
}

fn in_words(why: Why) -> &'static str {
    match why {
        Why::Filter => "the condition's filter does not take it",
        Why::NotEligible => "the campaign's eligibility does not take it",
        Why::OutsidePeriod => "it happened before the campaign, after it, or after it was stopped",
        Why::OutsideSlot => "it happened outside the hours or rounds in which the goal counts",
        Why::NotOptedIn => "the player had not opted in then",
        Why::TooLate => "the log took it later than the campaign allows",
        Why::Duplicate => "the same record was counted before",
        Why::NoScope => "it has no value to count it under, or the player has too many of them",
        Why::NoValue => "it has nothing to count",
        Why::Already => "what it brings was there already",
        Why::Capped => "the cap was reached",
        Why::BeforeUnlock => "it happened before the goal that unlocks this one was reached",
        Why::Done => "the goal is reached and there is no more to reach",
    }
}
