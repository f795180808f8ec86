//! The words every room of Guildhall shares: ids, money, time, error codes and paging.
//! Plain data only: no input or output, no async, no database and no HTTP.

pub mod code;
pub mod id;
pub mod money;
pub mod page;
mod random;
pub mod refusal;
mod schema;
pub mod text;
pub mod time;

pub use code::Code;
pub use id::{
    BannerId, ClaimId, DeliveryId, FulfilmentId, GameId, GrantId, HoldId, KeyId, OrderId, PaymentId, ProductId, RefundId, SessionId,
    UserId, Uuid, WebhookId,
};
pub use money::{Currency, Money};
pub use page::{Cursor, Page};
pub use random::Random;
pub use refusal::{Outcome, Refusal};
pub use time::Instant;
