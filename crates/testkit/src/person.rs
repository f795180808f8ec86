//! Someone who calls the API: with a token or without.

use crate::behind;
use guildhall::App;
use kernel::UserId;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use std::fmt;
use std::ops::Index;
use std::sync::Arc;

/// A caller.
#[derive(Clone)]
pub struct Person {
    /// The account; of nobody when there is no token.
    pub id: UserId,
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    pub(crate) client: Client,
    pub(crate) followers: Arc<[App]>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({} at {})", self.id, self.url)
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, null when it was empty or no JSON.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// Asserts a refusal by its code; returns the body.
    #[track_caller]
    pub fn refused(self, code: &str) -> Value {
        assert_eq!(self.body["code"], code, "{} {}", self.status, self.text);
        assert_eq!(self.body["status"], self.status);
        self.body
    }
}

impl Index<&str> for Answer {
    type Output = Value;
    fn index(&self, name: &str) -> &Value {
        &self.body[name]
    }
}

impl Person {
    /// The same caller at another server of the same store.
    pub fn at(&self, url: &str) -> Person {
        Person { url: url.to_owned(), ..self.clone() }
    }

    /// The token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The same caller with another token.
    pub fn with_token(&self, token: &str) -> Person {
        Person { token: Some(token.to_owned()), ..self.clone() }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// POST under an idempotency key.
    pub async fn post_keyed(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A request to be changed before it is sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.expect("a test's request can be built");
        let changes = *request.method() != Method::GET;
        if !changes {
            behind::caught_up_with_products(&self.followers, request.url().path()).await;
        }
        let response = client.execute(request).await.expect("the server answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("the answer is whole");
        if changes {
            behind::caught_up(&self.followers).await;
        }
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }
}
