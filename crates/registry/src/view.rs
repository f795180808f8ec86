//! The instances as one process knows them: what it answers from, also while the database is away.
//! Refuses to go back to an older version.

use crate::decide::{Feed, Record};
use crate::model::{Changes, Instance, Status};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All instances at one version of the feed.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) version: i64,
    pub(crate) forgotten: i64,
    records: BTreeMap<Arc<str>, Arc<Record>>,
}

impl View {
    /// A view of everything that was read.
    pub(crate) fn of(feed: &Feed, records: Vec<Record>) -> View {
        View { version: 0, forgotten: 0, records: BTreeMap::new() }.after(feed, records)
    }

    /// This view with what changed since.
    pub(crate) fn after(&self, feed: &Feed, changed: Vec<Record>) -> View {
        let mut records = self.records.clone();
        records.extend(changed.into_iter().map(|record| (record.id.clone(), Arc::new(record))));
        records.retain(|_, record| record.status != Status::Gone || record.version > feed.forgotten);
        View { version: feed.version, forgotten: feed.forgotten, records }
    }

    /// Everyone who is there, by id.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values().filter(|record| record.status != Status::Gone)
    }

    /// Everyone, also those who are gone and still told of.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values()
    }

    /// What someone has to be told who knows the version `seen`.
    pub(crate) fn changes(&self, seen: i64) -> Changes {
        // Who knows more than there is has followed another database, as one that was restored from a backup.
        let full = seen <= 0 || seen < self.forgotten || seen > self.version;
        if full {
            return Changes { version: self.version, full, changed: instances(self.present()), gone: Vec::new() };
        }
        let (gone, changed): (Vec<_>, Vec<_>) =
            self.all().filter(|record| record.version > seen).partition(|record| record.status == Status::Gone);
        let gone = gone.into_iter().map(|record| record.id.to_string()).collect();
        Changes { version: self.version, full, changed: instances(changed.into_iter()), gone }
    }
}

fn instances<'r>(records: impl Iterator<Item = &'r Arc<Record>>) -> Vec<Instance> {
    records.flat_map(|record| record.instances()).collect()
}
