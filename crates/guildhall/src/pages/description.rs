//! Completes the API's description with what holds for every operation: an id of its own, words for each status, the shape of problems.
//! Refuses to repeat what a route says about itself.

use axum::http::StatusCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

const PROBLEM: &str = "application/problem+json";

/// Completes every operation.
pub(crate) fn complete(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(complete_operation);
    }
}

fn complete_operation(operation: &mut Operation) {
    // Handlers of different services have the same names, and ids have to differ: `payments_list`.
    let tag = operation.tags.as_ref().and_then(|tags| tags.first());
    if let (Some(tag), Some(id)) = (tag, &operation.operation_id) {
        operation.operation_id = Some(format!("{tag}_{id}"));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            complete_response(status, response);
        }
    }
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let any = ResponseBuilder::new().description("A problem, with its code and what would be right").content(PROBLEM, problem).build();
    operation.responses.responses.entry("default".to_owned()).or_insert(any.into());
}

fn complete_response(status: &str, response: &mut Response) {
    let known = status.parse::<StatusCode>().ok();
    if response.description.is_empty() {
        // OpenAPI requires words for each status; the route's own text stands in its summary.
        response.description = known.and_then(|status| status.canonical_reason()).unwrap_or(status).to_owned();
    }
    if known.is_some_and(|status| status.is_client_error() || status.is_server_error())
        && let Some(content) = response.content.shift_remove("application/json")
    {
        response.content.insert(PROBLEM.to_owned(), content);
    }
}
