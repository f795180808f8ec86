//! Kafka's requests and answers: which there are, at which versions, and who answers them.
//! Refuses unknown requests and versions by closing the connection, except the question which versions there are.

mod configs;
mod fetch;
mod groups;
mod offsets;
mod produce;
mod refusal;
mod shape;
#[cfg(test)]
mod tests;
mod topics;
mod versions;

use crate::Broker;
use crate::broker::Inner;
use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// The only node there is.
pub(crate) const NODE: i32 = 1;

/// Why a connection must be closed.
#[derive(Debug)]
pub(crate) struct Bad(String);

impl Bad {
    pub(crate) fn new(reason: impl Into<String>) -> Bad {
        Bad(reason.into())
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer, ready to be written.
pub(crate) struct Reply {
    pub(crate) bytes: Bytes,
    /// The memory it holds until it is written.
    _shares: Vec<OwnedSemaphorePermit>,
}

/// An answer under way; none where the client wants none.
pub(crate) type Waiting = BoxFuture<'static, Result<Option<Reply>, Bad>>;

/// Who asks.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) broker: Broker,
    /// The address it came to, which it is told to come to again.
    pub(crate) local: SocketAddr,
    pub(crate) peer: IpAddr,
}

/// One request, as every handler needs it.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) client: Client,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    correlation: i32,
    pub(crate) client_id: String,
}

impl Call {
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.client.broker.inner
    }

    /// Host and port that clients shall connect to.
    pub(crate) fn advertised(&self) -> (StrBytes, i32) {
        match &self.inner().options.advertised {
            Some((host, port)) => (text(host), i32::from(*port)),
            None => (text(&self.client.local.ip().to_string()), i32::from(self.client.local.port())),
        }
    }

    pub(crate) fn encode(&self, answer: &impl Encodable, shares: Vec<OwnedSemaphorePermit>) -> Result<Reply, Bad> {
        self.encode_as(answer, self.version, shares)
    }

    /// An answer whose body is written already, of a version before tagged fields.
    pub(crate) fn frame(&self, body: &[u8]) -> Result<Reply, Bad> {
        let length = i32::try_from(body.len() + 4).map_err(|_| Bad::new("an answer grew beyond what a frame can hold"))?;
        let mut bytes = BytesMut::with_capacity(body.len() + 8);
        bytes.put_i32(length);
        bytes.put_i32(self.correlation);
        bytes.put_slice(body);
        Ok(Reply { bytes: bytes.freeze(), _shares: Vec::new() })
    }

    fn encode_as(&self, answer: &impl Encodable, version: i16, shares: Vec<OwnedSemaphorePermit>) -> Result<Reply, Bad> {
        let failed = |error| Bad::new(format!("the answer to {:?} version {version} cannot be written: {error}", self.key));
        let mut bytes = BytesMut::with_capacity(answer.compute_size(version).map_err(failed)? + 16);
        bytes.put_i32(0);
        let header = ResponseHeader::default().with_correlation_id(self.correlation);
        header.encode(&mut bytes, self.key.response_header_version(version)).map_err(failed)?;
        answer.encode(&mut bytes, version).map_err(failed)?;
        let length = i32::try_from(bytes.len() - 4).map_err(|_| Bad::new("an answer grew beyond what a frame can hold"))?;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        Ok(Reply { bytes: bytes.freeze(), _shares: shares })
    }
}

/// Begins to answer a frame. What this awaits must be done before the connection's next request; the rest is in what it returns.
pub(crate) async fn take(client: &Client, mut frame: Bytes, share: OwnedSemaphorePermit) -> Result<Waiting, Bad> {
    let (key, version) = versions::of(&frame)?;
    let elements = client.broker.inner.options.limits.elements_max;
    let header_version = key.request_header_version(version);
    shape::check_header(&frame, header_version, elements)?;
    let broken = |error| Bad::new(format!("the header of a {key:?} does not parse: {error}"));
    let header = RequestHeader::decode(&mut frame, header_version).map_err(broken)?;
    let client_id = header.client_id.map(|id| id.chars().take(200).collect()).unwrap_or_default();
    let call = Call { client: client.clone(), key, version, correlation: header.correlation_id, client_id };
    if !versions::has(key, version) {
        return versions::refuse(&call);
    }
    if let Some(refused) = produce::refuse_old(&call, &frame)? {
        return Ok(refused);
    }
    shape::check(key, version, &frame, elements)?;
    Ok(match key {
        ApiKey::ApiVersions => answer(call, frame, share, versions::answer),
        ApiKey::Metadata => answer(call, frame, share, topics::metadata),
        ApiKey::CreateTopics => answer(call, frame, share, topics::create),
        ApiKey::DeleteTopics => answer(call, frame, share, topics::delete),
        ApiKey::DescribeConfigs => answer(call, frame, share, configs::describe),
        ApiKey::Produce => produce::begin(call, decode(key, version, frame)?, share).await,
        ApiKey::InitProducerId => answer(call, frame, share, produce::init),
        ApiKey::Fetch => fetch::begin(call, decode(key, version, frame)?, share),
        ApiKey::ListOffsets => answer(call, frame, share, offsets::list),
        ApiKey::OffsetCommit => answer(call, frame, share, offsets::commit),
        ApiKey::OffsetFetch => answer(call, frame, share, offsets::fetch),
        ApiKey::FindCoordinator => answer(call, frame, share, groups::find),
        ApiKey::JoinGroup => answer(call, frame, share, groups::join),
        ApiKey::SyncGroup => answer(call, frame, share, groups::sync),
        ApiKey::Heartbeat => answer(call, frame, share, groups::heartbeat),
        ApiKey::LeaveGroup => answer(call, frame, share, groups::leave),
        ApiKey::DescribeGroups => answer(call, frame, share, groups::describe),
        ApiKey::ListGroups => answer(call, frame, share, groups::list),
        ApiKey::DeleteGroups => answer(call, frame, share, groups::delete),
        other => return Err(Bad::new(format!("{other:?} is advertised and answered by nobody"))),
    })
}

/// Decodes, asks the handler and encodes, when the turn comes to this request.
fn answer<Q, F>(call: Call, frame: Bytes, share: OwnedSemaphorePermit, handler: impl FnOnce(Call, Q) -> F + Send + 'static) -> Waiting
where
    Q: Request + Send + 'static,
    Q::Response: Send,
    F: Future<Output = Q::Response> + Send,
{
    async move {
        let request = decode::<Q>(call.key, call.version, frame)?;
        let answer = handler(call.clone(), request).await;
        call.encode(&answer, vec![share]).map(Some)
    }
    .boxed()
}

fn decode<Q: Decodable>(key: ApiKey, version: i16, mut frame: Bytes) -> Result<Q, Bad> {
    Q::decode(&mut frame, version).map_err(|error| Bad::new(format!("a {key:?} of version {version} does not parse: {error}")))
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A count of the protocol as ours; negative is none of them.
pub(crate) fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
