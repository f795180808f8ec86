//! Every error code the APIs answer with, in one table: name, code, HTTP status, title.
//! Refuses reuse: a code keeps its meaning for good, and each has a page `docs/errors/CODE.md`.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($name:ident => $code:literal, $status:literal, $title:literal;)+) => {
        /// A stable error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $(#[doc = $title] #[serde(rename = $code)] $name,)+
        }

        impl Code {
            /// All codes, in the table's order.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The code as it stands in answers, logs and page names.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code),+ }
            }

            /// The HTTP status it is answered with.
            pub fn status(self) -> u16 {
                match self { $(Code::$name => $status),+ }
            }

            /// A title that is the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title),+ }
            }
        }
    };
}

codes! {
    BadRequest => "bad-request", 400, "The request can be read in two ways, or not at all";
    BadBody => "bad-body", 400, "The body is not what this route takes";
    BadText => "bad-text", 400, "A text is too short, too long or holds a character that cannot be stored";
    BadPath => "bad-path", 400, "A part of the path is not an id";
    BadQuery => "bad-query", 400, "A query parameter is not what this route takes";
    BadCursor => "bad-cursor", 400, "The cursor was not given out by this list";
    BadAmount => "bad-amount", 400, "An amount is negative, zero where it may not be, or too large";
    BadKey => "bad-key", 400, "The Idempotency-Key is missing or malformed";
    Unauthenticated => "unauthenticated", 401, "A valid token is needed";
    WrongCredentials => "wrong-credentials", 401, "The e-mail address or the password is wrong";
    InsufficientFunds => "insufficient-funds", 402, "The wallet holds less than the price";
    Forbidden => "forbidden", 403, "This role or scope may not do that";
    NotFound => "not-found", 404, "There is no such thing, or none you may see";
    WrongMethod => "wrong-method", 405, "The route does not take this method";
    AlreadyExists => "already-exists", 409, "It exists already";
    AlreadyDone => "already-done", 409, "It was done already, and the answer held a secret that is not kept";
    AlreadyOwned => "already-owned", 409, "The product is in the library already";
    AlreadyOrdered => "already-ordered", 409, "The product is in an open order already";
    EmptyWishlist => "empty-wishlist", 409, "An order needs at least one product";
    NotForSale => "not-for-sale", 409, "The product cannot be bought";
    SoldOut => "sold-out", 409, "The limited stock is gone";
    LimitReached => "limit-reached", 409, "The limit for one player is reached";
    WrongState => "wrong-state", 409, "It is not in a state in which that can be done";
    HoldExpired => "hold-expired", 409, "The hold on limited stock has expired";
    NotRefundable => "not-refundable", 409, "Nothing of it can be refunded";
    NotReached => "not-reached", 409, "The goal has not been reached";
    AccountNeeded => "account-needed", 409, "The reward needs a linked account";
    ClaimExpired => "claim-expired", 409, "The reward was not claimed in time";
    BudgetSpent => "budget-spent", 409, "The campaign's budget is spent";
    OutOfBounds => "out-of-bounds", 409, "Stock stays between zero and what was registered";
    BodyTooLarge => "body-too-large", 413, "The body is larger than the limit";
    WrongMediaType => "wrong-media-type", 415, "The body must be application/json";
    KeyReused => "key-reused", 422, "The Idempotency-Key was used with another body";
    InvalidDocument => "invalid-document", 422, "The document is not right";
    TooManyAttempts => "too-many-attempts", 429, "Too many attempts; wait before the next";
    RateLimited => "rate-limited", 429, "Too many requests; wait before the next";
    InLine => "in-line", 429, "The sale has a waiting room; come again with the ticket";
    Internal => "internal", 500, "The fault is ours; it was logged with the request id";
    BadGateway => "bad-gateway", 502, "The service broke off before it answered";
    Overloaded => "overloaded", 503, "The queue is full; try again shortly";
    OutcomeUnknown => "outcome-unknown", 503, "The database went away at commit; repeat with the same key to learn the outcome";
    Unavailable => "unavailable", 503, "A part that is needed is not reachable";
    TimedOut => "timed-out", 504, "The request took longer than the limit";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        let distinct: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(distinct.len(), Code::ALL.len());
    }
}
