//! The wanted keys of one object, so that an unwanted key costs one look at a small table.
//! Compares names as they are written; a key with escapes is unescaped by whoever asks.

const PLACES: usize = 32;
const NONE: u8 = u8::MAX;

/// Keys with the node that each leads to.
#[derive(Debug, Clone)]
pub(in super::super) struct Keys {
    /// The first entry of each place.
    places: [u8; PLACES],
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: Box<[u8]>,
    node: usize,
    /// The next entry of the same place.
    next: u8,
}

impl Default for Keys {
    fn default() -> Self {
        Keys { places: [NONE; PLACES], entries: Vec::new() }
    }
}

impl Keys {
    pub(in super::super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a key. There are at most 255: a mapping wants no more values than that.
    pub(in super::super) fn add(&mut self, name: &str, node: usize) {
        let place = place(name.as_bytes());
        self.entries.push(Entry { name: name.as_bytes().into(), node, next: self.places[place] });
        self.places[place] = u8::try_from(self.entries.len() - 1).unwrap_or(NONE);
    }

    pub(in super::super) fn find(&self, name: &[u8]) -> Option<usize> {
        let mut at = self.places[place(name)];
        while at != NONE {
            let entry = &self.entries[usize::from(at)];
            if *entry.name == *name {
                return Some(entry.node);
            }
            at = entry.next;
        }
        None
    }
}

fn place(name: &[u8]) -> usize {
    let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
    (name.len() * 7 + usize::from(first) * 3 + usize::from(last)) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_place_are_told_apart() {
        let mut keys = Keys::default();
        let names: Vec<String> = (0..200).map(|n| format!("k{n}x")).collect();
        names.iter().enumerate().for_each(|(n, name)| keys.add(name, n));
        names.iter().enumerate().for_each(|(n, name)| assert_eq!(keys.find(name.as_bytes()), Some(n)));
        assert_eq!((keys.find(b"k200x"), keys.find(b"")), (None, None));
    }
}
