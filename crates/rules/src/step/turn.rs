//! A player's turn in a step: who takes part, what was reached, and what follows from that for other goals.
//! Nothing that was reached is taken back or reached again.

use super::{Achieved, Effects, Why};
use crate::calendar::{Periods, Span};
use crate::event::{Event, Value};
use crate::plan::{Feed, Meter, Plan, Track};
use crate::state::{Head, PlayerState, Tag};
use kernel::Instant;

/// What a step works on.
pub(crate) struct Turn<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) state: &'a mut PlayerState,
    pub(crate) effects: &'a mut Effects,
    /// When what is judged happened.
    pub(crate) at: Instant,
}

impl Turn<'_> {
    /// Whether the campaign counts for this player, and for which scope (0 where it has none).
    pub(crate) fn admit(&mut self, track: &Track, event: &Event<'_>) -> Result<u8, Why> {
        if track.opt_in {
            let opted_in = self.state.get(Head::campaign(track.number, Tag::OptedIn), 0);
            if opted_in.is_none_or(|moment| event.at.0 < moment) {
                return Err(Why::NotOptedIn);
            }
        }
        if !self.open(track) {
            return Err(Why::NotEligible);
        }
        let Some((field, max)) = track.scope else { return Ok(0) };
        let mut digits = String::new();
        let value = match field.of(event) {
            Value::Text(text) if !text.is_empty() => text,
            Value::Flag(flag) if flag => "true",
            Value::Flag(_) => "false",
            Value::Integer(number) => {
                digits.push_str(&number.to_string());
                &digits
            }
            _ => return Err(Why::NoScope),
        };
        let is_in_force = |number| self.plan.tracks.iter().any(|track| track.number == number);
        self.state.scope(track.number, value, max, is_in_force).ok_or(Why::NoScope)
    }

    /// Sees to it that the player's cells are of the campaign's lineage; those of an earlier one are dropped.
    /// False if they are of a later one, which this plan must not touch.
    pub(crate) fn open(&mut self, track: &Track) -> bool {
        let (kept, lineage) = (self.state.lineage(track.number), i64::from(track.lineage));
        if kept < lineage {
            self.state.remove_campaign(track.number, |head| !head.is(Tag::OptedIn));
            self.state.set_lineage(track.number, lineage);
        }
        kept <= lineage
    }

    /// A goal's cells of a scope.
    #[inline]
    pub(crate) fn head(&self, place: usize, scope: u8, tag: Tag) -> Head {
        self.plan.rules[place].head.scoped(scope).tagged(tag)
    }

    /// Progress with what an operator corrected.
    #[inline]
    pub(crate) fn corrected(&self, place: usize, scope: u8, span: Span, progress: i64) -> i64 {
        if self.state.corrected { corrected(self.state, self.head(place, scope, Tag::Correction), span, progress) } else { progress }
    }

    /// Sees what a progress reaches that was not reached before in that period.
    #[inline]
    pub(crate) fn settle(&mut self, place: usize, scope: u8, span: Span, progress: i64) {
        let reached = self.plan.rules[place].steps.reached(progress);
        if reached > 0 {
            self.reach(place, scope, span, reached);
        }
    }

    fn reach(&mut self, place: usize, scope: u8, span: Span, reached: i64) {
        let head = self.head(place, scope, Tag::Reached);
        let before = self.state.get(head, span.key).unwrap_or(0);
        if reached <= before {
            return;
        }
        self.state.set(head, span.key, reached);
        for n in before + 1..=reached {
            self.achieve(place, scope, span, n);
        }
    }

    fn achieve(&mut self, place: usize, scope: u8, span: Span, n: i64) {
        let rule = &self.plan.rules[place];
        let track = &self.plan.tracks[rule.track];
        let period = match self.state.scope_hash_of(scope) {
            None => span.key,
            Some(hash) => span.key << 30 | i64::from(hash),
        };
        self.effects.achieved.push(Achieved {
            number: track.number,
            lineage: track.lineage,
            version: track.version,
            goal: self.plan.goal(place).goal,
            period,
            n,
            achieved_at: self.at,
        });
        let dated = span.starts.max(track.starts);
        for feed in &rule.feeds {
            match *feed {
                Feed::Count { rule } => self.count_fed(rule, scope, dated),
                Feed::Leaf { rule, bit, n: wanted } if wanted == n => self.join(rule, scope, dated, bit),
                Feed::Leaf { .. } => {}
            }
        }
    }

    /// One of the goals that a goal joins is reached.
    fn join(&mut self, place: usize, scope: u8, at: i64, bit: u32) {
        let rule = &self.plan.rules[place];
        let (Meter::Tree(tree), Some(span)) = (&rule.meter, rule.periods.span(at)) else { return };
        let head = self.head(place, scope, Tag::Value);
        let bits = self.state.get(head, span.key).unwrap_or(0) | 1 << bit;
        if self.state.set(head, span.key, bits) {
            self.prune(place, scope, span);
        }
        if tree.holds(bits) {
            self.settle(place, scope, span, 1);
        }
    }

    /// Drops what belongs to earlier periods in which nothing can happen any more. Called when a period begins.
    pub(crate) fn prune(&mut self, place: usize, scope: u8, current: Span) {
        let closed = self.state.closed;
        let rule = &self.plan.rules[place];
        if closed < self.plan.tracks[rule.track].starts {
            return;
        }
        let over = |periods: &Periods, at: i64| periods.span(at).is_some_and(|span| span.key != current.key && span.ends <= closed);
        let begins = |key: i64| key.saturating_mul(kernel::time::SECOND_US);
        self.state.prune(rule.head.scoped(scope), |cell| {
            let is_any = |tags: &[Tag]| tags.iter().any(|tag| cell.head.is(*tag));
            if is_any(&[Tag::Value, Tag::Reached, Tag::Correction, Tag::Gate]) {
                over(&rule.periods, begins(cell.key))
            } else if is_any(&[Tag::Stamp, Tag::Entry]) {
                over(&rule.periods, cell.key)
            } else if cell.head.is(Tag::Member) {
                over(&rule.periods, begins(cell.value))
            } else {
                cell.head.is(Tag::Part) && rule.cap.as_ref().is_some_and(|(_, periods)| over(periods, begins(cell.key)))
            }
        });
    }
}

/// Progress with what an operator corrected; never below nothing.
pub(crate) fn corrected(state: &PlayerState, head: Head, span: Span, progress: i64) -> i64 {
    progress.saturating_add(state.get(head.tagged(Tag::Correction), span.key).unwrap_or(0)).max(0)
}
