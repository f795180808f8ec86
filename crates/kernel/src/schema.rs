//! How the kernel's types look in OpenAPI. Refuses to say more than the types do.

use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! schemas {
    ($($type:ty => $kind:expr, $format:expr, $example:expr, $says:literal;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let object = ObjectBuilder::new().schema_type($kind).format($format).description(Some($says)).examples([serde_json::json!($example)]);
                RefOr::T(Schema::Object(object.build()))
            }
        }
        impl ToSchema for $type {}
    )+};
}

const ID_EXAMPLE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

schemas! {
    crate::UserId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "An account's id";
    crate::SessionId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A session's id";
    crate::OrderId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "An order's id";
    crate::PaymentId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A payment's id";
    crate::RefundId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A refund's id";
    crate::HoldId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A hold's id";
    crate::KeyId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "An API key's id";
    crate::WebhookId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A webhook's id";
    crate::DeliveryId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A delivery's id";
    crate::GrantId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A grant's id";
    crate::BannerId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A banner's id";
    crate::ClaimId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A claim's id";
    crate::FulfilmentId => Type::String, Some(SchemaFormat::Custom("uuid".to_owned())), ID_EXAMPLE, "A fulfilment's id";
    crate::GameId => Type::String, None, "kartrider", "A game's id: 2 to 40 of a-z, 0-9 and inner hyphens";
    crate::ProductId => Type::Integer, Some(SchemaFormat::KnownFormat(KnownFormat::Int64)), 4711, "A product's id";
    crate::Currency => Type::String, None, "POINTS", "3 to 12 of A-Z";
    crate::Instant => Type::String, Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)), "2026-11-21T09:00:00.000000Z", "A moment in UTC, RFC 3339";
    crate::Cursor => Type::String, None, "5f3a", "Pass it back unread to get the next page";
    crate::Code => Type::String, None, "sold-out", "A stable error code";
}
