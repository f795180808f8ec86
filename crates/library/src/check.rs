//! What must always hold of the library.

use db::{Invariant, Statement};

/// The invariants of library rows and plays.
pub static INVARIANTS: &[&Invariant] = &[&PLAYS];

static PLAYS: Invariant = Invariant {
    name: "library.minutes-are-the-sum-of-plays",
    says: "an owned product's minutes and plays are those of its recorded plays, and nothing else was played",
    breaches: Statement::new(
        "check.library_plays",
        "select lower({hex k.user_id}) || '/' || k.product, 'minutes ' || coalesce(l.minutes, 0) || ' in ' || coalesce(l.plays, 0)
                || ' plays, recorded ' || coalesce(p.minutes, 0) || ' in ' || coalesce(p.plays, 0)
         from (select user_id, product from library union select user_id, product from play) k
         left join library l on l.user_id = k.user_id and l.product = k.product
         left join (select user_id, product, cast(sum(minutes) as bigint) as minutes, count(*) as plays from play group by user_id, product) p
           on p.user_id = k.user_id and p.product = k.product
         where coalesce(l.minutes, 0) <> coalesce(p.minutes, 0) or coalesce(l.plays, 0) <> coalesce(p.plays, 0)",
    ),
};
