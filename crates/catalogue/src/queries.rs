//! Reads of the database: the long texts of a product, a few kept in memory.
//! Refuses lists: those are answered from memory.

use crate::{Catalogue, detail};
use db::{Error, Statement, row};
use kernel::{ProductId, Refusal};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of documents in one of the two halves of the cache.
const HALF_MAX: usize = 2 << 20;

static TEXTS: Statement = Statement::new(
    "catalogue.product_texts",
    "select p.version, p.player_limit, d.body
     from product p join product_detail d on d.product = p.id
     where p.id = $1",
);

/// What of a product is not in memory.
#[derive(Debug)]
pub(crate) struct Texts {
    version: i64,
    pub(crate) player_limit: i64,
    pub(crate) document: Box<RawValue>,
}

/// Texts that were asked for lately. When the young half is full it becomes the old one, and what was old and not asked for is gone.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    halves: Mutex<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<ProductId, Arc<Texts>>,
    young_bytes: usize,
    old: HashMap<ProductId, Arc<Texts>>,
}

impl Cache {
    /// The texts as they were at `version` or later.
    fn get(&self, product: ProductId, version: i64) -> Option<Arc<Texts>> {
        let mut halves = self.halves.lock();
        if let Some(texts) = halves.young.get(&product) {
            return Some(texts.clone()).filter(|texts| texts.version >= version);
        }
        let texts = halves.old.remove(&product).filter(|texts| texts.version >= version)?;
        halves.put(product, texts.clone());
        Some(texts)
    }

    fn put(&self, product: ProductId, texts: Arc<Texts>) {
        self.halves.lock().put(product, texts);
    }
}

impl Halves {
    fn put(&mut self, product: ProductId, texts: Arc<Texts>) {
        let bytes = texts.document.get().len();
        if self.young_bytes + bytes > HALF_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        if let Some(before) = self.young.insert(product, texts) {
            self.young_bytes -= before.document.get().len();
        }
    }
}

impl Catalogue {
    /// The texts of a product, as they were at `version` or later.
    pub(crate) async fn texts(&self, product: ProductId, version: i64) -> Result<Arc<Texts>, Error> {
        if let Some(texts) = self.shared.texts.get(product, version) {
            return Ok(texts);
        }
        let found = self.db.fetch(&TEXTS, &row![product], |row| Ok((row.int(0)?, row.int(1)?, row.bytes(2)?))).await?;
        let (version, player_limit, body) = found.into_iter().next().ok_or_else(|| Refusal::not_found("product", product))?;
        let document = RawValue::from_string(detail::unpack(&body)?)
            .map_err(|e| Error::Broken(format!("the detail of product {product} is no JSON: {e}")))?;
        let texts = Arc::new(Texts { version, player_limit, document });
        self.shared.texts.put(product, texts.clone());
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(version: i64, bytes: usize) -> Arc<Texts> {
        let document = RawValue::from_string(format!("\"{}\"", "x".repeat(bytes))).unwrap();
        Arc::new(Texts { version, player_limit: 0, document })
    }

    #[test]
    fn the_cache_stays_within_its_bytes_and_keeps_what_is_asked_for() {
        let cache = Cache::default();
        cache.put(ProductId(1), texts(1, 1_000));
        for id in 2..10_000 {
            cache.put(ProductId(id), texts(1, 1_000));
            assert!(cache.get(ProductId(1), 1).is_some(), "product 1 is asked for all the time");
            let halves = cache.halves.lock();
            let held: usize = halves.young.values().chain(halves.old.values()).map(|texts| texts.document.get().len()).sum();
            assert!(held <= 2 * HALF_MAX, "{held} bytes are held");
        }
        assert!(cache.get(ProductId(2), 1).is_none(), "product 2 was not asked for again");
    }

    #[test]
    fn texts_older_than_the_product_are_read_again() {
        let cache = Cache::default();
        cache.put(ProductId(1), texts(3, 10));
        assert!(cache.get(ProductId(1), 3).is_some());
        assert!(cache.get(ProductId(1), 4).is_none());
    }
}
