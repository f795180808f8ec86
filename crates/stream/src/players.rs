//! The players a partition works on: their states, which of them changed, and which may be forgotten.
//! Refuses to forget what is not in the database yet, unless told that it never will be.

use rules::{PlayerState, StateError};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A player's place among the slots.
pub(crate) type At = u32;

const NONE: At = At::MAX;

/// Players that are looked at ahead together.
pub(crate) const LOOK_AHEAD: usize = 32;

/// Players by name, each with a state that is loaded or still wanted.
#[derive(Debug)]
pub(crate) struct Players {
    slots: Vec<Slot>,
    free: Vec<At>,
    /// The first slot of each hash; slots of equal hash are chained.
    by_hash: HashMap<u64, At, BuildHasherDefault<Hashed>>,
    seed: u64,
    /// Slots whose state is wanted.
    wanted: Vec<At>,
    /// Slots that changed since the last [`Players::take_changed`].
    changed: Vec<At>,
    /// Slots in the snapshot that is being written.
    writing: Vec<At>,
    /// Where the search for somebody to forget goes on.
    hand: usize,
    /// Bytes of all states as they were when they were last encoded or loaded.
    bytes: usize,
}

#[derive(Debug)]
struct Slot {
    player: Box<str>,
    hash: u64,
    next: At,
    state: Held,
    /// Version of the row that the state stands on; 0 for none yet.
    version: i64,
    bytes: u32,
    is_changed: bool,
    is_writing: bool,
    was_used: bool,
}

#[derive(Debug)]
enum Held {
    Free,
    Wanted,
    State(PlayerState),
}

/// Who a name belongs to.
pub(crate) enum Found {
    /// The state is here.
    Here(At),
    /// The state has to be loaded first.
    Wanted,
}

/// States as they are written: one run of bytes with the parts of each player.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    bytes: Vec<u8>,
    rows: Vec<SnapshotRow>,
}

#[derive(Debug)]
struct SnapshotRow {
    start: usize,
    player_end: usize,
    state_end: usize,
    loaded: i64,
}

impl Snapshot {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Player, the version that was loaded, state.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, i64, &[u8])> {
        self.rows.iter().map(|row| {
            let player = std::str::from_utf8(&self.bytes[row.start..row.player_end]).expect("a name was copied here as text");
            (player, row.loaded, &self.bytes[row.player_end..row.state_end])
        })
    }
}

impl Default for Players {
    fn default() -> Players {
        Players {
            slots: Vec::new(),
            free: Vec::new(),
            by_hash: HashMap::default(),
            // Names come from outside: without a seed somebody could choose them to share a chain.
            seed: std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0),
            wanted: Vec::new(),
            changed: Vec::new(),
            writing: Vec::new(),
            hand: 0,
            bytes: 0,
        }
    }
}

impl Players {
    /// Finds a player by name; one who is not known yet becomes wanted.
    pub(crate) fn find(&mut self, player: &str) -> Found {
        let hash = xxh3_64_with_seed(player.as_bytes(), self.seed);
        let at = self.lookup(hash, player).unwrap_or_else(|| self.add(hash, player));
        let slot = &mut self.slots[at as usize];
        slot.was_used = true;
        match slot.state {
            Held::State(_) => Found::Here(at),
            Held::Free | Held::Wanted => Found::Wanted,
        }
    }

    /// Has the memory of players at hand who are about to be asked for. Finding one waits for memory again and again: for the table, the
    /// slot, the name and the state; done step by step for many it waits for many at once.
    pub(crate) fn look_ahead<'n>(&self, names: impl Iterator<Item = &'n [u8]>) {
        let mut hashes = [0; LOOK_AHEAD];
        let mut count = 0;
        for (hash, name) in hashes.iter_mut().zip(names) {
            *hash = xxh3_64_with_seed(name, self.seed);
            count += 1;
        }
        let mut places = [NONE; LOOK_AHEAD];
        let hashes = &hashes[..count];
        places.iter_mut().zip(hashes).for_each(|(at, hash)| *at = self.by_hash.get(hash).copied().unwrap_or(NONE));
        let known = || places[..count].iter().filter_map(|at| self.slots.get(*at as usize));
        let mut seen = known().fold(0, |sum, slot| sum ^ slot.hash);
        seen ^= known().filter_map(|slot| slot.player.as_bytes().first()).fold(0, |sum, first| sum ^ u64::from(*first));
        for slot in known() {
            if let Held::State(state) = &slot.state {
                seen ^= state.look_over();
            }
        }
        std::hint::black_box(seen);
    }

    fn lookup(&self, hash: u64, player: &str) -> Option<At> {
        let mut at = *self.by_hash.get(&hash)?;
        while at != NONE {
            let slot = &self.slots[at as usize];
            if &*slot.player == player {
                return Some(at);
            }
            at = slot.next;
        }
        None
    }

    fn add(&mut self, hash: u64, player: &str) -> At {
        let next = self.by_hash.get(&hash).copied().unwrap_or(NONE);
        let (is_changed, is_writing, was_used) = (false, false, true);
        let slot = Slot { player: player.into(), hash, next, state: Held::Wanted, version: 0, bytes: 0, is_changed, is_writing, was_used };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                At::try_from(self.slots.len() - 1).expect("a cache is bounded far below four thousand million players")
            }
        };
        self.by_hash.insert(hash, at);
        self.wanted.push(at);
        at
    }

    /// Names whose states are wanted.
    pub(crate) fn wanted(&self) -> Vec<&str> {
        self.wanted.iter().map(|at| &*self.slots[*at as usize].player).collect()
    }

    /// Takes loaded states over; who is wanted and not among them has none yet.
    pub(crate) fn admit<'a>(&mut self, loaded: impl Iterator<Item = (&'a str, i64, &'a [u8])>) -> Result<(), StateError> {
        for (player, version, bytes) in loaded {
            let Some(at) = self.lookup(xxh3_64_with_seed(player.as_bytes(), self.seed), player) else { continue };
            let slot = &mut self.slots[at as usize];
            if matches!(slot.state, Held::Wanted) {
                slot.state = Held::State(PlayerState::decode(bytes)?);
                slot.version = version;
                slot.bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                self.bytes += bytes.len();
            }
        }
        for at in self.wanted.drain(..) {
            let slot = &mut self.slots[at as usize];
            if matches!(slot.state, Held::Wanted) {
                slot.state = Held::State(PlayerState::default());
            }
        }
        Ok(())
    }

    /// A player's state, to be stepped.
    pub(crate) fn state(&mut self, at: At) -> &mut PlayerState {
        match &mut self.slots[at as usize].state {
            Held::State(state) => state,
            Held::Free | Held::Wanted => unreachable!("only places of states that are here are handed out"),
        }
    }

    /// The name at a place.
    pub(crate) fn name(&self, at: At) -> &str {
        &self.slots[at as usize].player
    }

    /// Notes that a state has to be written.
    pub(crate) fn mark_changed(&mut self, at: At) {
        let slot = &mut self.slots[at as usize];
        if !slot.is_changed {
            slot.is_changed = true;
            self.changed.push(at);
        }
    }

    /// How many states have to be written.
    pub(crate) fn changed(&self) -> usize {
        self.changed.len()
    }

    /// How many players are known.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes what changed, to be written; until [`Players::written`] it may not be forgotten.
    pub(crate) fn take_changed(&mut self) -> Snapshot {
        let changed = std::mem::take(&mut self.changed);
        let mut snapshot = Snapshot { bytes: Vec::with_capacity(self.stored_size(&changed)), rows: Vec::with_capacity(changed.len()) };
        for at in &changed {
            let slot = &mut self.slots[*at as usize];
            let Held::State(state) = &slot.state else { continue };
            let start = snapshot.bytes.len();
            snapshot.bytes.extend_from_slice(slot.player.as_bytes());
            let player_end = snapshot.bytes.len();
            state.encode(&mut snapshot.bytes);
            let state_end = snapshot.bytes.len();
            snapshot.rows.push(SnapshotRow { start, player_end, state_end, loaded: slot.version });
            slot.version += 1;
            slot.is_changed = false;
            slot.is_writing = true;
        }
        debug_assert!(self.writing.is_empty(), "one snapshot is written at a time");
        self.writing = changed;
        snapshot
    }

    /// About the bytes of names and stored states: a list that grows by doubling would hold, and copy, twice as much.
    fn stored_size(&self, players: &[At]) -> usize {
        let size = |at: &At| {
            let slot = &self.slots[*at as usize];
            let state = if let Held::State(state) = &slot.state { state.size() / 2 } else { 0 };
            slot.player.len() + state
        };
        players.iter().map(size).sum()
    }

    /// The snapshot is in the database.
    pub(crate) fn written(&mut self) {
        for at in self.writing.drain(..) {
            self.slots[at as usize].is_writing = false;
        }
    }

    /// The snapshot will never be in the database: forgets all who are in it or changed since, and returns how many.
    pub(crate) fn drop_unwritten(&mut self) -> usize {
        let mut unwritten = std::mem::take(&mut self.writing);
        unwritten.extend(self.changed.drain(..).filter(|at| !self.slots[*at as usize].is_writing));
        unwritten.append(&mut self.wanted);
        for at in &unwritten {
            self.forget(*at);
        }
        unwritten.len()
    }

    /// Forgets a player whose state in the database was changed by others, if nothing of it waits to be written.
    pub(crate) fn evict(&mut self, player: &str) {
        let found = self.lookup(xxh3_64_with_seed(player.as_bytes(), self.seed), player);
        if let Some(at) = found.filter(|at| self.is_idle(*at)) {
            self.forget(at);
        }
    }

    /// Forgets players who were not used lately until at most `max` are known, or nobody is left who may be forgotten.
    pub(crate) fn shrink_to(&mut self, max: usize) {
        let mut looks = self.slots.len() * 2;
        while self.len() > max && looks > 0 {
            looks -= 1;
            self.hand = (self.hand + 1) % self.slots.len();
            let at = At::try_from(self.hand).expect("there are fewer slots than places");
            if self.is_idle(at) {
                if std::mem::take(&mut self.slots[self.hand].was_used) {
                    continue;
                }
                self.forget(at);
            }
        }
    }

    fn is_idle(&self, at: At) -> bool {
        let slot = &self.slots[at as usize];
        matches!(slot.state, Held::State(_)) && !slot.is_changed && !slot.is_writing
    }

    fn forget(&mut self, at: At) {
        let (hash, next) = (self.slots[at as usize].hash, self.slots[at as usize].next);
        let first = self.by_hash[&hash];
        if first == at {
            if next == NONE {
                self.by_hash.remove(&hash);
            } else {
                self.by_hash.insert(hash, next);
            }
        } else {
            let mut before = first;
            while self.slots[before as usize].next != at {
                before = self.slots[before as usize].next;
            }
            self.slots[before as usize].next = next;
        }
        let slot = &mut self.slots[at as usize];
        self.bytes -= slot.bytes as usize;
        *slot = Slot {
            player: Box::default(),
            hash: 0,
            next: NONE,
            state: Held::Free,
            version: 0,
            bytes: 0,
            is_changed: false,
            is_writing: false,
            was_used: false,
        };
        self.free.push(at);
    }
}

/// The keys are hashes already.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests;
