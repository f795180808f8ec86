//! The log of offsets over more commits than it keeps.

use super::*;

const GROUPS: u32 = 8;
const COMMITS: i64 = 600;

fn place(topic: Uuid, group: u32) -> (Uuid, u32) {
    (topic, group % 3)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_offsets_is_written_anew_when_most_of_it_is_outdated_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default();
    let writers = Arc::new(Writers::start(1, &options.clock).unwrap());
    let offsets = Arc::new(Offsets::open(folder.path(), &options).unwrap());
    let topic = Uuid::from_u128(7);
    let task = |group: u32| {
        let (writers, offsets) = (writers.clone(), offsets.clone());
        tokio::spawn(async move {
            for offset in 0..COMMITS {
                let committed = Committed { offset, epoch: 0, note: "n".repeat(4_000), at: Instant(offset) };
                offsets.commit(&writers, &group.to_string(), vec![(place(topic, group), committed)]).await.unwrap();
            }
        })
    };
    for task in (0..GROUPS).map(task).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(offsets.log.start() > 0, "nineteen megabytes were written");
    assert!(offsets.log.bytes() < 10 << 20, "{} bytes are left", offsets.log.bytes());
    let all = |offsets: &Offsets| {
        (0..GROUPS).all(|group| offsets.get(&group.to_string(), place(topic, group)).is_some_and(|kept| kept.offset == COMMITS - 1))
    };
    assert!(all(&offsets));
    drop(offsets);
    let again = Offsets::open(folder.path(), &options).unwrap();
    assert!(all(&again));
    again.forget(&writers, |group, _, _| group == "0").await.unwrap();
    drop(again);
    let again = Offsets::open(folder.path(), &options).unwrap();
    assert_eq!((again.groups().len(), again.get("0", place(topic, 0))), (7, None));
}
