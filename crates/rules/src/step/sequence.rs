//! Count windows: hits among events in a row. Events stand in the order of time, those of one moment in the order of their ids,
//! whatever order they came in; they are kept while a late one may still come between them.

use super::turn::Turn;
use super::{Judged, Why};
use crate::calendar::Span;
use crate::campaign::limits::STAMPS_MAX;
use crate::plan::Rule;
use crate::state::{Cell, PlayerState, Tag};

impl Turn<'_> {
    /// Puts an event, told by its moment and id, in its place. `(of, blocks)` is the window.
    pub(super) fn sequence(
        &mut self,
        place: usize,
        scope: u8,
        span: Span,
        (at, id): (i64, u64),
        hit: bool,
        (of, blocks): (usize, bool),
    ) -> Judged {
        let last = self.plan.rules[place].steps.last();
        let reached = self.head(place, scope, Tag::Reached);
        if self.state.get(reached, span.key).unwrap_or(0) >= last {
            return Judged::Rejected(Why::Done);
        }
        let head = self.head(place, scope, Tag::Entry);
        // Signed numbers sort as the ids do once the highest bit is turned.
        let value = (id ^ 1 << 63) & !1 | u64::from(hit);
        let cell = Cell { head, key: at, value: value.cast_signed() };
        self.state.insert_beside(cell);
        let range = self.state.range(head, span.starts, span.ends);
        if range.len() == 1 {
            self.prune(place, scope, span);
        }
        let range = self.state.range(head, span.starts, span.ends);
        let index = self.state.cells(range.clone()).iter().position(|other| *other == cell).unwrap_or(0);
        let entries = self.state.cells(range);
        let best = if blocks {
            entries.chunks(of).skip(index / of).map(hits).max().unwrap_or(0)
        } else {
            let near = &entries[index.saturating_sub(of - 1)..entries.len().min(index + of)];
            (0..near.len()).map(|from| hits(&near[from..near.len().min(from + of)])).max().unwrap_or(0)
        };
        self.settle(place, scope, span, best);
        self.trim(place, scope, span, (of, blocks));
        if self.state.get(reached, span.key).unwrap_or(0) >= last {
            let done = self.state.range(head, span.starts, span.ends);
            self.state.remove(done);
        }
        Judged::Counted { by: i64::from(hit), current: best }
    }

    /// Drops events that nothing can come between any more and that no window to come needs.
    fn trim(&mut self, place: usize, scope: u8, span: Span, (of, blocks): (usize, bool)) {
        let all = self.state.range(self.head(place, scope, Tag::Entry), span.starts, span.ends);
        let settled = self.state.cells(all.clone()).iter().take_while(|entry| entry.key <= self.state.closed).count();
        let mut gone = if blocks { settled / of * of } else { settled.saturating_sub(of) };
        if all.len() - gone > STAMPS_MAX {
            gone += of;
        }
        if gone > 0 {
            self.state.remove(all.start..all.start + gone);
        }
    }
}

fn hits(entries: &[Cell]) -> i64 {
    entries.iter().map(|entry| entry.value & 1).sum()
}

/// The hits in the window that is under way; all of them once the goal is reached.
pub(super) fn latest(state: &PlayerState, rule: &Rule, scope: u8, span: Span, (of, blocks): (usize, bool)) -> i64 {
    let head = rule.head.scoped(scope);
    let reached = state.get(head.tagged(Tag::Reached), span.key).unwrap_or(0);
    if reached >= rule.steps.last() {
        return rule.steps.top();
    }
    let entries = state.cells(state.range(head.tagged(Tag::Entry), span.starts, span.ends));
    let window = if blocks { entries.len() / of * of } else { entries.len().saturating_sub(of) };
    hits(&entries[window..])
}
