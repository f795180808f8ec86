//! Reads of stock.

use crate::{Stock, StockService};
use db::{Error, Statement, row};
use kernel::{ProductId, Refusal};

static READ: Statement =
    Statement::new("stock.read", "select product, registered, available, held, sold, by_hand, version from stock where product = $1");

impl StockService {
    /// The stock of a product.
    ///
    /// # Errors
    /// `not-found` when none is registered.
    pub async fn read(&self, product: ProductId) -> Result<Stock, Error> {
        let found = self.db.fetch(&READ, &row![product], crate::commands::stock).await?;
        Ok(found.into_iter().next().ok_or_else(|| Refusal::not_found("stock registered for product", product))?)
    }
}
