//! Sliding windows: the moments that counted are kept as long as another may still come within the window of them.
//! A window has its first moment and not its last: two moments exactly its length apart are not in one.

use super::turn::Turn;
use super::{Judged, Why};
use crate::calendar::Span;
use crate::campaign::limits::STAMPS_MAX;
use crate::state::{Cell, Tag};

impl Turn<'_> {
    /// Counts `by` at a moment; the period's progress is the fullest window there was.
    pub(super) fn window(&mut self, place: usize, scope: u8, span: Span, at: i64, by: i64, within: i64) -> Judged {
        let top = self.plan.rules[place].steps.top();
        let value = self.head(place, scope, Tag::Value);
        let before = self.state.get(value, span.key).unwrap_or(0);
        if by <= 0 {
            return Judged::Rejected(Why::NoValue);
        }
        if before >= top {
            // A lower target than before may be reached by what is there.
            self.counted(place, scope, span, 0, before);
            return Judged::Rejected(Why::Done);
        }
        let stamps = self.head(place, scope, Tag::Stamp);
        self.state.add(stamps, at, by);
        let near = self.state.range(stamps, span.starts.max(at - within + 1), span.ends.min(at.saturating_add(within)));
        let best = fullest(self.state.cells(near), within);
        if best > before && self.state.set(value, span.key, best) {
            self.prune(place, scope, span);
        }
        if best >= top {
            let done = self.state.range(stamps, span.starts, span.ends);
            self.state.remove(done);
        }
        self.forget(place, scope, self.state.closed.saturating_sub(within));
        self.counted(place, scope, span, by, best.max(before).min(top))
    }

    /// Forgets moments up to one, and the oldest where there are too many.
    pub(super) fn forget(&mut self, place: usize, scope: u8, up_to: i64) {
        let stamps = self.head(place, scope, Tag::Stamp);
        let all = self.state.range(stamps, i64::MIN, i64::MAX);
        let old = self.state.cells(all.clone()).iter().take_while(|stamp| stamp.key <= up_to).count();
        let gone = old.max(all.len().saturating_sub(STAMPS_MAX));
        if gone > 0 {
            self.state.remove(all.start..all.start + gone);
        }
    }
}

/// The most that any window holds.
fn fullest(stamps: &[Cell], within: i64) -> i64 {
    let (mut first, mut sum, mut best) = (0, 0_i64, 0);
    for stamp in stamps {
        sum = sum.saturating_add(stamp.value);
        while stamp.key - stamps[first].key >= within {
            sum -= stamps[first].value;
            first += 1;
        }
        best = best.max(sum);
    }
    best
}
