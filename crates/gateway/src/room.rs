//! A waiting room: who may go in now, and when the others may. Pure; time and the number of gateways are arguments.
//! Refuses to remember who waits: a place is a moment, which stands signed in the ticket, so a million people cost what one does,
//! and every gateway reads the same from it.
//!
//! Before a sale opens, a person's place is drawn by lot from who they are: coming earlier, from nearer or more often changes
//! nothing, and every gateway draws the same. When it opens, the crowd is laid out over time at the room's rate in the order of the lots.
//! Whoever comes later stands behind, in the order of coming. Each gateway hands out its part of the rate.

use crate::crowd::Crowd;
use quick_cache::unsync::Cache;

pub(crate) const SECOND_NS: i64 = 1_000_000_000;
/// People of the line who are remembered, so that asking again without the ticket finds the same place.
const REMEMBERED: usize = 1 << 17;
/// Those who come together by chance need not come twice: places up to this far ahead are given at once.
const CLUMP_NS: i64 = SECOND_NS / 10;

/// The terms of a room; moments are nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) opens_ns: i64,
    pub(crate) admit_per_s: u32,
    pub(crate) admitted_ns: i64,
}

/// What a person's ticket says, after its signature was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// They came before the sale opened, when so many had come to that gateway.
    Early { people: u64 },
    /// Their turn is at this moment.
    Placed { at_ns: i64 },
}

/// What a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Go in; the place they had.
    Admitted { at_ns: i64 },
    /// The sale is not open: come again at this moment, with this ticket.
    Early { people: u64, again_ns: i64 },
    /// Come again at this moment, which is their turn.
    Wait { at_ns: i64, ahead: u64 },
}

/// The room, as one gateway keeps it.
pub(crate) struct Room {
    terms: Terms,
    crowd: Crowd,
    /// The largest crowd that a ticket spoke of: a gateway that was started late learns by it how many there are.
    told: u64,
    next_ns: i64,
    line: Cache<u64, i64>,
}

impl Room {
    pub(crate) fn new(terms: Terms) -> Room {
        Room { terms, crowd: Crowd::default(), told: 0, next_ns: terms.opens_ns, line: Cache::new(REMEMBERED) }
    }

    /// A person, known by 64 bits drawn from who they are, asks to go in.
    pub(crate) fn ask(&mut self, person: u64, held: Option<Held>, now_ns: i64, gateways: u32) -> Turn {
        if let Some(Held::Placed { at_ns }) = held
            && now_ns <= at_ns.saturating_add(self.terms.admitted_ns)
        {
            return self.turn(at_ns, now_ns);
        }
        if let Some(Held::Early { people }) = held {
            self.told = self.told.max(people);
        }
        if now_ns < self.terms.opens_ns {
            self.crowd.add(person);
            let people = self.people();
            return Turn::Early { people, again_ns: self.by_lot(person, gateways) };
        }
        if matches!(held, Some(Held::Early { .. })) {
            let at_ns = self.by_lot(person, gateways);
            if now_ns <= at_ns.saturating_add(self.terms.admitted_ns) {
                return self.turn(at_ns, now_ns);
            }
        }
        let at_ns = self.in_line(person, now_ns, gateways);
        self.turn(at_ns, now_ns)
    }

    /// People who have a place in this gateway's line that has not come.
    pub(crate) fn waiting(&self, now_ns: i64, gateways: u32) -> u64 {
        if now_ns < self.terms.opens_ns {
            return self.people();
        }
        u64::try_from((self.next_ns - now_ns) / self.slot_ns(gateways)).unwrap_or(0)
    }

    fn turn(&self, at_ns: i64, now_ns: i64) -> Turn {
        if at_ns <= now_ns.saturating_add(CLUMP_NS) {
            return Turn::Admitted { at_ns };
        }
        let ahead = i128::from(at_ns - now_ns) * i128::from(self.terms.admit_per_s) / i128::from(SECOND_NS);
        Turn::Wait { at_ns, ahead: u64::try_from(ahead).unwrap_or(u64::MAX) }
    }

    fn people(&self) -> u64 {
        self.crowd.people().max(self.told)
    }

    /// Between two people whom this gateway admits.
    fn slot_ns(&self, gateways: u32) -> i64 {
        (SECOND_NS * i64::from(gateways.max(1)) / i64::from(self.terms.admit_per_s)).max(1)
    }

    /// The place a person drew in the crowd that came before the sale opened.
    fn by_lot(&self, person: u64, gateways: u32) -> i64 {
        // The lot's bits are turned around: those in front choose the register by which the crowd is counted.
        let place = (u128::from(person.reverse_bits()) * u128::from(self.people())) >> 64;
        let slots = i64::try_from(place).unwrap_or(i64::MAX);
        self.terms.opens_ns.saturating_add(self.slot_ns(gateways).saturating_mul(slots))
    }

    /// The next place behind everyone, or the one that was given to the same person.
    fn in_line(&mut self, person: u64, now_ns: i64, gateways: u32) -> i64 {
        if let Some(at_ns) = self.line.get(&person).copied()
            && now_ns <= at_ns.saturating_add(self.terms.admitted_ns)
        {
            return at_ns;
        }
        let slot_ns = self.slot_ns(gateways);
        let crowd_ns = slot_ns.saturating_mul(i64::try_from(self.people()).unwrap_or(i64::MAX));
        let behind_the_crowd = self.terms.opens_ns.saturating_add(crowd_ns);
        let at_ns = self.next_ns.max(behind_the_crowd).max(now_ns);
        self.next_ns = at_ns.saturating_add(slot_ns);
        self.line.insert(person, at_ns);
        at_ns
    }
}

#[cfg(test)]
mod tests;
