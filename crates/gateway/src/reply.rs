//! Answers that the gateway gives itself, as problem+json like every service's.
//! Refuses to tell callers which instances there are and how they fare.

use crate::body::{Egress, Fault};
use crate::cluster::NoPeer;
use axum::response::IntoResponse as _;
use hyper::Response;
use hyper::header::{self, HeaderValue};
use kernel::{Code, Refusal};
use std::time::Duration;
use web::Problem;

/// An answer of the gateway or of an instance.
pub(crate) type Reply = Response<Egress>;

pub(crate) fn refuse(refusal: Refusal) -> Reply {
    Problem::from(refusal).into_response().map(Egress::ours)
}

/// A refusal after which the connection is closed: what follows on it cannot be trusted, or was not read.
pub(crate) fn refuse_and_close(refusal: Refusal) -> Reply {
    let mut reply = refuse(refusal);
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

pub(crate) fn malformed(told: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadRequest, told)
}

pub(crate) fn too_many(what: &str, wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + 1;
    Refusal::new(Code::RateLimited, format!("too many requests of this {what}: wait {seconds} s before the next"))
        .with_facts(serde_json::json!({ "retry_after_s": seconds }))
}

pub(crate) fn no_instance(service: &str, why: NoPeer) -> Refusal {
    match why {
        NoPeer::None => Refusal::new(Code::Unavailable, format!("no instance of {service} is there: try again in a second")),
        NoPeer::Ill => Refusal::new(Code::Unavailable, format!("{service} is not well: try again in a second")),
        NoPeer::Busy => Refusal::new(Code::Overloaded, format!("{service} does as much as it can: try again in a second")),
    }
}

/// Why a client's body ended its request.
pub(crate) fn of_body(fault: Fault, limit: u64) -> Refusal {
    match fault {
        Fault::TooLarge => {
            Refusal::new(Code::BodyTooLarge, format!("the body is larger than the {limit} bytes of this route's body_limit_bytes"))
        }
        Fault::TooSlow => Refusal::new(Code::BadBody, "the body came too slowly: send it without pauses"),
        Fault::Broken => Refusal::new(Code::BadBody, "the body ended early"),
    }
}

/// The service broke off, or did not answer in time, and the request was not or could not be sent again.
pub(crate) fn gave_up(service: &str, has_key: bool, may_be_done: bool, in_time: bool) -> Refusal {
    if may_be_done {
        let advice = if has_key {
            "repeat it with the same Idempotency-Key to learn the outcome"
        } else {
            "look whether it was done before repeating it"
        };
        return Refusal::new(Code::OutcomeUnknown, format!("{service} broke off while it worked on the request: {advice}"));
    }
    if in_time {
        Refusal::new(Code::BadGateway, format!("{service} broke off before it answered: try again"))
    } else {
        Refusal::new(Code::TimedOut, format!("{service} did not answer in time: try again"))
    }
}
