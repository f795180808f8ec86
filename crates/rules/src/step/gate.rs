//! Goals that come after another: what happened before that one was reached does not count, in the order of time and not of
//! arrival. So the moments before it are kept while a late event may still bring it forward.

use super::turn::Turn;
use crate::calendar::Span;
use crate::state::Tag;

impl Turn<'_> {
    /// Whether the goal `after` had been reached at that moment of the period.
    pub(super) fn is_open(&self, after: usize, scope: u8, span: Span, at: i64) -> bool {
        self.state.get(self.head(after, scope, Tag::Gate), span.key).is_some_and(|reached| at >= reached)
    }

    /// Keeps what does not count yet. What is closed never will: a late event reaches the other goal only after it.
    pub(super) fn hold(&mut self, place: usize, scope: u8, at: i64, by: i64) {
        self.state.add(self.head(place, scope, Tag::Stamp), at, by);
        self.forget(place, scope, self.state.closed);
    }

    /// Looks again when the goal was reached in the order of time, and lets count what came after.
    pub(super) fn advance(&mut self, place: usize, scope: u8, span: Span, at: i64, by: i64) {
        let gate = self.head(place, scope, Tag::Gate);
        let before = self.state.get(gate, span.key);
        if before.is_some_and(|reached| at >= reached) {
            return;
        }
        let stamps = self.head(place, scope, Tag::Stamp);
        self.state.add(stamps, at, by);
        let target = self.plan.rules[place].steps.target(1);
        let range = self.state.range(stamps, span.starts, span.ends);
        let mut sum = 0_i64;
        let crossing = self.state.cells(range).iter().find(|stamp| {
            sum = sum.saturating_add(stamp.value);
            sum >= target
        });
        let Some(reached) = crossing.map(|stamp| stamp.key) else {
            self.fold(place, scope, span);
            return;
        };
        self.state.set(gate, span.key, reached);
        // What came later cannot bring it forward; once it is closed nothing can.
        let needless = if reached <= self.state.closed { span.starts } else { reached.saturating_add(1) };
        let needless = self.state.range(stamps, needless, span.ends);
        self.state.remove(needless);
        for opened in &self.plan.rules[place].opens {
            self.release(*opened, scope, span, reached);
        }
    }

    /// Lets count what was held from a moment on.
    fn release(&mut self, place: usize, scope: u8, span: Span, from: i64) {
        let range = self.state.range(self.head(place, scope, Tag::Stamp), from, span.ends);
        let held = self.state.cells(range.clone()).to_vec();
        self.state.remove(range);
        for stamp in held {
            self.accrue(place, scope, span, stamp.key, stamp.value);
        }
    }

    /// Adds up the closed moments of a period in which the goal is not reached: only their sum still matters.
    fn fold(&mut self, place: usize, scope: u8, span: Span) {
        let stamps = self.head(place, scope, Tag::Stamp);
        let closed = self.state.range(stamps, span.starts, self.state.closed.saturating_add(1).min(span.ends));
        if closed.len() > 1 {
            let sum = self.state.cells(closed.clone()).iter().fold(0_i64, |sum, stamp| sum.saturating_add(stamp.value));
            self.state.set_at(closed.end - 1, sum);
            self.state.remove(closed.start..closed.end - 1);
        }
        self.forget(place, scope, i64::MIN);
    }
}
