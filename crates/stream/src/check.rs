//! What must always hold of dead letters; offsets and epochs are held by the table's own constraints.

use db::{Invariant, Statement};

/// The invariants of the stream.
pub static INVARIANTS: &[&Invariant] = &[&LETTER_IS_READ, &LETTERS_ARE_COUNTED, &KEPT];

static LETTER_IS_READ: Invariant = Invariant {
    name: "stream.dead-letters-have-a-partition",
    says: "a dead letter's partition is known, and its state is kept, asked, replayed or gone",
    breaches: Statement::new(
        "check.stream_letter",
        "select d.topic || '/' || d.partition || '/' || d.log_offset, 'state ' || d.state || ', the partition is at ' || coalesce(p.next, -1)
         from dead_letter d left join log_partition p on p.topic = d.topic and p.partition = d.partition
         where p.topic is null or d.state not in ('kept', 'asked', 'replayed', 'gone')",
    ),
};

static LETTERS_ARE_COUNTED: Invariant = Invariant {
    name: "stream.kept-letters-are-counted",
    says: "of a game and hour at most 1,000 dead letters are kept, and no more than were counted",
    breaches: Statement::new(
        "check.stream_letters_counted",
        "select h.game || '/' || h.hour, 'kept ' || h.kept || ', counted ' || coalesce(c.letters, 0)
         from dead_letter_hour h
         left join (
             select game, hour, cast(sum(letters) as bigint) as letters from dead_letter_count group by game, hour
         ) c on c.game = h.game and c.hour = h.hour
         where h.kept > 1000 or h.kept > coalesce(c.letters, 0)",
    ),
};

static KEPT: Invariant = Invariant {
    name: "stream.kept-letters-are-there",
    says: "an hour's number of kept dead letters is the number of its rows",
    breaches: Statement::new(
        "check.stream_letters_kept",
        "select h.game || '/' || h.hour, 'kept ' || h.kept || ', rows ' || coalesce(d.letters, 0)
         from dead_letter_hour h
         left join (
             select game, recorded_at / 3600000000 as hour, cast(count(*) as bigint) as letters
             from dead_letter
             group by game, recorded_at / 3600000000
         ) d on d.game = h.game and d.hour = h.hour
         where h.kept <> coalesce(d.letters, 0)",
    ),
};
