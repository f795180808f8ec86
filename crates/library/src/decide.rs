//! Decides what is owned and played. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked every row named here, and holds the gates of those that do not exist yet.

use crate::model::{Library, Owned, Played, Source};
use kernel::{Code, Instant, Outcome, ProductId, Refusal, UserId};

/// Minutes one play can have: a week.
pub const MINUTES_MAX: i64 = 7 * 24 * 60;

/// Adds a product. Refused when it is owned already.
pub fn add(library: &mut Library, user: UserId, product: ProductId, source: Source, now: Instant) -> Outcome<Owned> {
    let key = (user, product);
    if library.rows.contains_key(&key) {
        return Err(owned_already(product));
    }
    let owned = Owned { product, source, acquired_at: now, minutes: 0, plays: 0, last_played_at: None };
    library.rows.insert(key, owned.clone());
    library.added.insert(key);
    Ok(owned)
}

/// Takes a product away, as a refund does; the row must come from `source`.
pub fn remove(library: &mut Library, user: UserId, product: ProductId, source: Source) -> Outcome<()> {
    let key = (user, product);
    match library.rows.get(&key) {
        Some(owned) if owned.source == source => {
            library.rows.remove(&key);
            // One that was added within the batch was never written.
            if !library.added.remove(&key) {
                library.removed.insert(key);
            }
            library.played.remove(&key);
            Ok(())
        }
        Some(_) => Err(Refusal::new(Code::WrongState, format!("product {product} is owned from another source"))),
        None => Err(Refusal::new(Code::NotFound, format!("product {product} is not owned"))),
    }
}

/// Records that a product was played.
pub fn play(library: &mut Library, user: UserId, product: ProductId, minutes: i64, now: Instant) -> Outcome<Owned> {
    if !(0..=MINUTES_MAX).contains(&minutes) {
        return Err(Refusal::new(Code::BadAmount, format!("minutes {minutes} is not 0 to {MINUTES_MAX}, a week")));
    }
    let key = (user, product);
    let Some(owned) = library.rows.get_mut(&key) else { return Err(Refusal::not_found("product in this library:", product)) };
    owned.minutes = owned.minutes.saturating_add(minutes);
    owned.plays += 1;
    owned.last_played_at = Some(now);
    library.plays.push((user, Played { product, seq: owned.plays, minutes, at: now }));
    library.played.insert(key);
    Ok(owned.clone())
}

/// What a buyer of something owned is told.
pub fn owned_already(product: ProductId) -> Refusal {
    Refusal::new(Code::AlreadyOwned, format!("product {product} is in the library already"))
        .with_facts(serde_json::json!({ "products": [product] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{PaymentId, Uuid};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_product_is_owned_once_and_its_minutes_are_the_sum_of_its_plays(
            steps in prop::collection::vec((0..3_u8, 1..4_i64, -5..100_i64), 0..100)
        ) {
            let user = UserId(Uuid::nil());
            let mut library = Library::default();
            let mut sums = std::collections::BTreeMap::<ProductId, (i64, i64)>::new();
            for (what, product, minutes) in steps {
                let product = ProductId(product);
                let source = Source::Payment(PaymentId(Uuid::nil()));
                match what {
                    0 => {
                        let had = library.rows.contains_key(&(user, product));
                        prop_assert_eq!(add(&mut library, user, product, source, Instant(1)).is_err(), had);
                        if !had {
                            sums.insert(product, (0, 0));
                        }
                    }
                    1 => {
                        if play(&mut library, user, product, minutes, Instant(2)).is_ok() {
                            let sum = sums.entry(product).or_default();
                            *sum = (sum.0 + minutes, sum.1 + 1);
                        }
                    }
                    _ => {
                        let had = library.rows.contains_key(&(user, product));
                        prop_assert_eq!(remove(&mut library, user, product, source).is_ok(), had);
                    }
                }
                for ((_, product), owned) in &library.rows {
                    prop_assert_eq!((owned.minutes, owned.plays), sums[product]);
                }
                prop_assert!(library.added.iter().all(|key| library.rows.contains_key(key)));
            }
        }
    }
}
